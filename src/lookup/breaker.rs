//! Circuit breakers: a backend that keeps failing is not asked for a while, so its callers wait for nothing.
//!
//! There is one per (backend, tenant), and one per backend that only failed connections open: one tenant's bad answers
//! must not cost another tenant of the same backend its own.

use tokio::time::Instant;

use crate::fleet::breaker::{self, State, Turn};
use crate::tenant::TenantId;

/// Whose breaker: the backend's print, and the tenant; `None` is the whole backend's.
type Circuit = (u64, Option<Option<TenantId>>);

/// All breakers of a router.
#[derive(Debug, Default)]
pub(super) struct Breakers(breaker::Breakers<Circuit>);

/// Whether a request may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Closed,
    /// The one request that finds out whether the backend is back.
    Trial,
    Open,
}

/// How a lookup that was let through came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// It failed, but there was a connection.
    Failed,
    NoConnection,
}

impl Breakers {
    pub(super) fn admit(&mut self, backend: u64, tenant: Option<&TenantId>, now: Instant) -> Admission {
        let circuits = circuits(backend, tenant);
        match circuits.each_ref().map(|circuit| self.0.state(circuit, now)) {
            [State::Closed, State::Closed] => Admission::Closed,
            [State::Open, _] | [_, State::Open] => Admission::Open,
            [State::TrialDue, _] | [_, State::TrialDue] => {
                for circuit in &circuits {
                    self.0.try_now(circuit, now);
                }
                Admission::Trial
            }
        }
    }

    /// What that changes for the tenant, and for the whole backend.
    pub(super) fn note(
        &mut self,
        backend: u64,
        tenant: Option<&TenantId>,
        outcome: Outcome,
        now: Instant,
    ) -> [Option<Turn>; 2] {
        let [own, whole] = circuits(backend, tenant);
        match outcome {
            Outcome::Answered => [self.0.succeeded(&own), self.0.succeeded(&whole)],
            Outcome::Failed => [self.0.failed(own, now), self.0.succeeded(&whole)],
            Outcome::NoConnection => [self.0.failed(own, now), self.0.failed(whole, now)],
        }
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.0.open()
    }
}

/// The tenant's own, and the whole backend's.
fn circuits(backend: u64, tenant: Option<&TenantId>) -> [Circuit; 2] {
    [(backend, Some(tenant.cloned())), (backend, None)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breakers: &mut Breakers, tenant: &TenantId, outcome: Outcome, times: u32, now: Instant) {
        for _ in 0..times {
            breakers.note(1, Some(tenant), outcome, now);
        }
    }

    fn tenants() -> [TenantId; 2] {
        ["acme", "other"].map(|id| TenantId::parse(id).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_single_requests_try_it_again() {
        let (mut breakers, [acme, other], start) = (Breakers::default(), tenants(), Instant::now());
        fail(&mut breakers, &acme, Outcome::Failed, 4, start);
        assert_eq!(breakers.admit(1, Some(&acme), start), Admission::Closed);
        breakers.note(1, Some(&acme), Outcome::Answered, start);
        fail(&mut breakers, &acme, Outcome::Failed, 4, start);
        assert_eq!(breakers.admit(1, Some(&acme), start), Admission::Closed, "not in a row");
        fail(&mut breakers, &acme, Outcome::Failed, 1, start);
        for (second, expected) in [
            (0, Admission::Open),
            (9, Admission::Open),
            (10, Admission::Trial),
            (10, Admission::Open),
            (39, Admission::Open),
            (40, Admission::Trial),
            (41, Admission::Open),
        ] {
            assert_eq!(breakers.admit(1, Some(&acme), start + second * SECOND), expected, "at {second} s");
        }
        assert_eq!(breakers.admit(1, Some(&other), start), Admission::Closed, "another tenant");
        assert_eq!(breakers.admit(2, Some(&acme), start), Admission::Closed, "another backend");
        assert_eq!(breakers.open(), 1);
        let turns = breakers.note(1, Some(&acme), Outcome::Answered, start + 41 * SECOND);
        assert_eq!(turns, [Some(Turn::Closed), None]);
        assert_eq!(breakers.admit(1, Some(&acme), start + 41 * SECOND), Admission::Closed);
        assert_eq!(breakers.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_trial_does_not_close_it_nor_put_off_the_next() {
        let (mut breakers, [acme, _], start) = (Breakers::default(), tenants(), Instant::now());
        fail(&mut breakers, &acme, Outcome::Failed, 5, start);
        assert_eq!(breakers.admit(1, Some(&acme), start + 10 * SECOND), Admission::Trial);
        fail(&mut breakers, &acme, Outcome::Failed, 1, start + 11 * SECOND);
        assert_eq!(breakers.admit(1, Some(&acme), start + 39 * SECOND), Admission::Open);
        assert_eq!(breakers.admit(1, Some(&acme), start + 40 * SECOND), Admission::Trial);
    }

    #[tokio::test(start_paused = true)]
    async fn only_failed_connections_open_it_for_every_tenant_of_the_backend() {
        let (mut breakers, [acme, other], start) = (Breakers::default(), tenants(), Instant::now());
        fail(&mut breakers, &acme, Outcome::Failed, 50, start);
        assert_eq!(breakers.admit(1, Some(&other), start), Admission::Closed);
        fail(&mut breakers, &acme, Outcome::NoConnection, 4, start);
        fail(&mut breakers, &other, Outcome::Failed, 1, start);
        fail(&mut breakers, &acme, Outcome::NoConnection, 4, start);
        assert_eq!(breakers.admit(1, None, start), Admission::Closed, "there was a connection in between");
        fail(&mut breakers, &acme, Outcome::NoConnection, 1, start);
        assert_eq!(breakers.admit(1, Some(&other), start), Admission::Open);
        assert_eq!(breakers.admit(1, None, start), Admission::Open);
        assert_eq!(breakers.admit(1, None, start + 10 * SECOND), Admission::Trial);
        let turns = breakers.note(1, None, Outcome::Answered, start + 10 * SECOND);
        assert_eq!(turns, [None, Some(Turn::Closed)]);
        assert_eq!(breakers.admit(1, Some(&other), start + 10 * SECOND), Admission::Closed);
        assert_eq!(breakers.open(), 1, "its own is open still");
    }
}
