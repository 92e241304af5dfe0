//! Whether a request that its address does not vouch for is one of a trunk's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use rsipstack::sip::Request;
use tokio::time::Instant;

use super::allowance::Allowance;
use super::digest::nonces::Nonces;
use super::digest::{Authorization, REALM, challenges};
use super::message::{Reply, values};
use super::sources::Source;
use crate::dialplan::trunk::{Credentials, TrunkPlan, Trunks};
use crate::fleet::rate::Pace;
use crate::telemetry::Authenticated;

/// Wrong answers from one address, then one in every half a minute: until then it gets none.
const FAILURES: Pace = Pace { interval: Duration::from_secs(30), burst: 10 };

pub struct Authentication {
    trunks: Arc<Trunks>,
    nonces: Nonces,
    failures: Allowance,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is taken, as of this trunk, or of this machine itself.
    Take(Option<Arc<TrunkPlan>>, Proof),
    Challenge(Reply, Authenticated),
    /// Too many wrong answers came from there.
    Silence,
}

/// What vouches for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Address,
    Credentials,
}

impl Authentication {
    pub fn new(trunks: Arc<Trunks>, now: Instant) -> Result<Self, Unspecified> {
        Ok(Self { trunks, nonces: Nonces::new(now)?, failures: Allowance::new(FAILURES) })
    }

    /// Judges a request outside a dialog. Of one in a dialog, see [`super::Port`]; ACK and CANCEL are never challenged
    /// (RFC 3261, section 22.1).
    pub fn judge(&mut self, request: &Request, source: &Source, address: IpAddr, now: Instant) -> Verdict {
        let trunk = match source {
            Source::Here => return Verdict::Take(None, Proof::Address),
            Source::Trunk(trunk) if trunk.credentials.is_none() => {
                return Verdict::Take(Some(Arc::clone(trunk)), Proof::Address);
            }
            Source::Trunk(trunk) => Some(trunk),
            Source::Anyone => None,
        };
        if !self.failures.has_room(address, now) {
            return Verdict::Silence;
        }
        match self.check(request, trunk, address, now) {
            Ok(trunk) => Verdict::Take(Some(trunk), Proof::Credentials),
            Err(why) => self.challenge(trunk, why, address, now),
        }
    }

    /// Whose request it is, by its credentials. `known` is the trunk that has its address.
    fn check(
        &mut self,
        request: &Request,
        known: Option<&Arc<TrunkPlan>>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Arc<TrunkPlan>, Authenticated> {
        let mut answers = values(request, "authorization").filter_map(Authorization::parse);
        let answer = answers.find(|answer| answer.realm == REALM).ok_or(Authenticated::Challenged)?;
        // Nobody else has a nonce of this address's, so nobody else's wrong answers count against it.
        let nonce = self.nonces.known(answer.nonce, address, now).map_err(|_| Authenticated::Stale)?;
        let trunk = known.or_else(|| self.trunks.of_username(answer.username));
        let Some(trunk) = trunk.filter(|trunk| is_right(&answer, request, trunk.credentials.as_ref())) else {
            self.failures.spend(address, now);
            return Err(Authenticated::Wrong);
        };
        let trunk = Arc::clone(trunk);
        self.nonces.used(nonce, answer.count, now).map_err(|_replayed| Authenticated::Replayed)?;
        Ok(trunk)
    }

    fn challenge(
        &mut self,
        known: Option<&Arc<TrunkPlan>>,
        why: Authenticated,
        address: IpAddr,
        now: Instant,
    ) -> Verdict {
        let own = known.and_then(|trunk| trunk.credentials.as_ref());
        let algorithms = own.map_or_else(|| self.trunks.asked_of_anyone(), |own| own.algorithms.clone());
        let stale = matches!(why, Authenticated::Stale | Authenticated::Replayed);
        let nonce = self.nonces.issue(address, now);
        let reply = challenges(&algorithms, &nonce, stale)
            .into_iter()
            .fold(Reply::status(401), |reply, challenge| reply.with("WWW-Authenticate", challenge));
        Verdict::Challenge(reply, why)
    }
}

fn is_right(answer: &Authorization<'_>, request: &Request, credentials: Option<&Credentials>) -> bool {
    credentials.is_some_and(|credentials| {
        credentials.username.reveal() == answer.username
            && credentials.algorithms.contains(answer.algorithm)
            && answer.is_for(&request.uri().to_string())
            && answer.proves(&request.method().to_string(), credentials.password.reveal())
    })
}

#[cfg(test)]
mod tests;
