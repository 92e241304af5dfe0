//! The way of a call through its tenants' limits: by the route's before anybody is asked, and by another's when the
//! router's own backend names that.

use tokio::time::Instant;

use super::Machine;
use crate::call::Refusal;
use crate::dialplan::{Action as RouteAction, Instead, Limits, Routed};
use crate::fleet::calls::Admission;
use crate::lookup::Decision;
use crate::session::Action;
use crate::session::permit::Next;
use crate::tenant::TenantId;

impl Machine {
    /// The route is known. A call that it refuses takes nothing of its tenant.
    pub(super) fn admit_route(&mut self, routed: Option<&Routed>, next: Next, now: Instant) -> Vec<Action> {
        let routed =
            routed.filter(|routed| !matches!(routed.action, RouteAction::Instead(Instead::Refuse(_))));
        self.admit(routed.map(|routed| routed.tenant.id.clone()), next, now)
    }

    /// What becomes of the call is known, and whose call it is.
    pub(super) fn admit_decided(
        &mut self,
        tenant: Option<TenantId>,
        decision: Decision,
        now: Instant,
    ) -> Vec<Action> {
        if !self.setup.is_looking() {
            return Vec::new();
        }
        let tenant = tenant.filter(|_| !matches!(decision, Decision::Instead(Instead::Refuse(_))));
        self.admit(tenant, Next::Decided(decision), now)
    }

    fn admit(&mut self, tenant: Option<TenantId>, next: Next, now: Instant) -> Vec<Action> {
        let Some(tenant) = tenant.filter(|tenant| self.permit.is_needed(tenant)) else {
            return self.go_on(next, now);
        };
        // Who was let in by a router that is gone is counted, and never turned away.
        let resumed = self.record.call.as_ref().is_some_and(|call| call.answered);
        let limits = self.limits_of(&tenant).filter(|_| !resumed);
        let caps = limits.map(|limits| limits.caps).unwrap_or_default();
        vec![self.permit.ask(tenant, caps, next)]
    }

    pub(super) fn admitted(&mut self, admission: Admission, now: Instant) -> Vec<Action> {
        let Some(next) = self.permit.answered() else { return Vec::new() };
        let (limit, instead) = match admission {
            Admission::Within => return self.go_on(next, now),
            Admission::Beyond(limit) => (limit, self.when_full()),
            Admission::Crowded(limit) => (limit, self.when_crowded()),
        };
        self.record.limit = Some(limit);
        self.decided(Decision::Instead(instead), now)
    }

    fn go_on(&mut self, next: Next, now: Instant) -> Vec<Action> {
        match next {
            Next::Lookup { call, routed } => vec![Action::Lookup { call, routed }],
            Next::Decided(decision) => self.decided(decision, now),
        }
    }

    /// The narrower of two limits holds: no backend may give its calls more than the tenant has.
    fn decided(&mut self, mut decision: Decision, now: Instant) -> Vec<Action> {
        if let Decision::Answer(config) = &mut decision {
            let tenants = self.permit.tenant().and_then(|tenant| self.limits_of(tenant));
            config.max_duration = narrower(config.max_duration, tenants.and_then(|of| of.max_duration));
            config.max_silence = narrower(config.max_silence, tenants.and_then(|of| of.max_silence));
            config.max_turns = narrower(config.max_turns, tenants.and_then(|of| of.max_turns));
        }
        let step = self.setup.looked(decision, now, &self.context.timings);
        self.take(step, now)
    }

    fn when_full(&self) -> Instead {
        let limits = self.permit.tenant().and_then(|tenant| self.limits_of(tenant));
        limits.and_then(|limits| limits.when_full.clone()).unwrap_or(Instead::Refuse(Refusal::Busy))
    }

    /// One tenant's callers who are played something or handed on must not fill the router.
    fn when_crowded(&self) -> Instead {
        match self.when_full() {
            Instead::Refuse(refusal) => Instead::Refuse(refusal),
            Instead::Play(_) | Instead::Transfer(_) => Instead::Refuse(Refusal::Busy),
        }
    }

    /// A tenant that only the backend knows has none.
    pub(super) fn limits_of(&self, tenant: &TenantId) -> Option<&Limits> {
        self.context.dialplan.tenant(tenant).map(|tenant| &tenant.limits)
    }
}

fn narrower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
