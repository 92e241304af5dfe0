use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Judgement;
use super::failover::Server;
use crate::fleet::breaker::{Breakers, State, Turn};
use crate::tenant::TenantId;

/// How long a provider without room is left alone if it does not say.
const REST: Duration = Duration::from_secs(20);
/// However long it says.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Whose breaker: a provider fails one tenant at a time, for tenants have models of their own.
type Circuit = (Option<TenantId>, Arc<str>);

/// How the model providers of a router do, tenant by tenant.
#[derive(Debug, Default)]
pub struct Health(Mutex<Breakers<Circuit>>);

impl Health {
    /// Providers that a new call of the tenant had better leave alone. One that is due for a trial is not among them,
    /// and the next call will have to wait.
    pub fn shut(&self, tenant: Option<&TenantId>, servers: &[Server], now: Instant) -> Vec<Arc<str>> {
        let mut breakers = self.breakers();
        let mut is_shut = |name: &Arc<str>| {
            let circuit = (tenant.cloned(), Arc::clone(name));
            match breakers.state(&circuit, now) {
                State::Closed => false,
                State::Open => true,
                State::TrialDue => {
                    breakers.try_now(&circuit, now);
                    false
                }
            }
        };
        servers.iter().map(|server| &server.provider.name).filter(|name| is_shut(name)).cloned().collect()
    }

    /// How many are left alone now.
    pub fn judge(
        &self,
        tenant: Option<TenantId>,
        provider: Arc<str>,
        judgement: Judgement,
        now: Instant,
    ) -> usize {
        let (mut breakers, circuit) = (self.breakers(), (tenant, provider));
        let (tenant, provider) = (circuit.0.as_ref().map(TenantId::as_str), &*circuit.1);
        let turn = match judgement {
            Judgement::Served => breakers.succeeded(&circuit),
            Judgement::Failed => breakers.failed(circuit.clone(), now),
            Judgement::Busy(rest) => {
                breakers.cool(circuit.clone(), rest.unwrap_or(REST).min(LONGEST_REST), now)
            }
        };
        match turn {
            Some(Turn::Opened) => tracing::warn!(tenant, provider, "model provider left alone for a while"),
            Some(Turn::Closed) => tracing::info!(tenant, provider, "model provider serves again"),
            None => {}
        }
        breakers.open()
    }

    fn breakers(&self) -> MutexGuard<'_, Breakers<Circuit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::{Dialect, Provider};

    fn server(name: &str) -> Server {
        Server::from(Provider {
            name: name.into(),
            dialect: Dialect::OpenAiRealtime,
            url: "http://127.0.0.1/v1".parse().expect("a URL"),
            api_key: "".into(),
            model: "m".into(),
            fallback: Vec::new(),
            transcription: None,
            g711: false,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn one_failing_tenants_provider_is_left_alone_for_that_tenant_only() {
        let (health, servers, now) = (Health::default(), [server("one"), server("two")], Instant::now());
        let [acme, other] = ["acme", "other"].map(|id| TenantId::parse(id).expect("an id"));
        for _ in 0..5 {
            assert!(health.shut(Some(&acme), &servers, now).is_empty());
            health.judge(Some(acme.clone()), "one".into(), Judgement::Failed, now);
        }
        assert_eq!(health.shut(Some(&acme), &servers, now), ["one".into()]);
        assert!(health.shut(Some(&other), &servers, now).is_empty());
        assert!(health.shut(None, &servers, now).is_empty());
        let trial = now + Duration::from_secs(10);
        assert!(health.shut(Some(&acme), &servers, trial).is_empty(), "one call tries it");
        assert_eq!(health.shut(Some(&acme), &servers, trial), ["one".into()]);
        health.judge(Some(acme.clone()), "one".into(), Judgement::Served, trial);
        assert!(health.shut(Some(&acme), &servers, trial).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_provider_rests_as_long_as_it_asks_for_within_bounds() {
        for (asked, rest) in [(None, 20), (Some(7), 7), (Some(86_400), 300)] {
            let (health, servers, now) = (Health::default(), [server("one")], Instant::now());
            health.judge(None, "one".into(), Judgement::Busy(asked.map(Duration::from_secs)), now);
            let almost = now + Duration::from_secs(rest - 1);
            assert_eq!(health.shut(None, &servers, almost), ["one".into()]);
            assert!(health.shut(None, &servers, now + Duration::from_secs(rest)).is_empty());
        }
    }
}
