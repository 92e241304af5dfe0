//! The answer ladder without its I/O: whom to ask, and what an answer or its lack comes to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, ConfigSource, Decision, Report, Unmatched, Why};
use crate::call::{Call, Refusal};
use crate::dialplan::{Action, Backend, Instead, Routed};
use crate::tenant::template::Names;
use crate::tenant::wire::{BackendAction, BackendAnswer};
use crate::tenant::{Agent, CallConfig, TenantId, Transfers};

/// The first rung of a call's ladder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step<'a> {
    Ask(&'a Backend, Owner),
    Instead(&'a Instead),
    /// No backend is asked; the rungs below serve.
    Below(Why),
}

/// Whose backend it is. Only the router's own may name a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Router,
    Tenant,
}

pub(super) fn first<'a>(
    routed: Option<&'a Routed>,
    router: Option<&'a Backend>,
    unmatched: Unmatched,
) -> Step<'a> {
    let routers = || router.map_or(Step::Below(Why::NoBackend), |backend| Step::Ask(backend, Owner::Router));
    match (routed, unmatched) {
        (Some(routed), _) => match (&routed.action, &routed.tenant.backend) {
            (Action::Instead(instead), _) => Step::Instead(instead),
            (Action::Answer { .. }, Some(own)) => Step::Ask(own, Owner::Tenant),
            (Action::Answer { .. }, None) => routers(),
        },
        (None, Unmatched::Ask) => routers(),
        (None, Unmatched::Reject) => Step::Instead(&Instead::Refuse(Refusal::NotFound)),
        (None, Unmatched::Default) => Step::Below(Why::NotAsked),
    }
}

/// The route or the settings say what becomes of the call.
pub(super) fn decided(routed: Option<&Routed>, instead: Instead) -> Answer {
    let source = if routed.is_some() { ConfigSource::Dialplan } else { ConfigSource::Default };
    answer(tenant_of(routed), Decision::Instead(instead), source, Some(Why::NotAsked), Vec::new())
}

/// The dialplan's agent and the default prompt, without a backend.
pub(super) fn below(routed: Option<&Routed>, default: &Agent, transfers: &Transfers, why: Why) -> Answer {
    let tenant = tenant_of(routed);
    let (agent, source) = lower(routed, tenant.as_ref(), default);
    let transfers = granted(routed, tenant.as_ref(), transfers).clone();
    let config = CallConfig { transfers, ..CallConfig::of(agent, BTreeMap::new()) };
    let decision = Decision::Answer(Box::new(config));
    answer(tenant_of(routed), decision, source, Some(why), Vec::new())
}

/// What came of asking, over the layers below.
pub(super) fn merge(
    outcome: Result<Arc<BackendAnswer>, Why>,
    owner: Owner,
    routed: Option<&Routed>,
    default: &Agent,
    transfers: &Transfers,
) -> Answer {
    let said = match outcome {
        Ok(said) => said,
        Err(why) => return below(routed, default, transfers, why),
    };
    let mut warnings = said.warnings.clone();
    let tenant = match (owner, &said.tenant) {
        (Owner::Router, Some(named)) => Some(named.clone()),
        (Owner::Tenant, Some(named)) if Some(named) != tenant_of(routed).as_ref() => {
            warnings.push("tenantId: only the router's own backend may name another tenant".to_owned());
            tenant_of(routed)
        }
        (Owner::Tenant, Some(_)) | (_, None) => tenant_of(routed),
    };
    let (under, source) = lower(routed, tenant.as_ref(), default);
    let transfers = granted(routed, tenant.as_ref(), transfers);
    let config = |agent: Agent| {
        let (variables, metadata) = (said.variables.clone(), said.metadata.clone());
        let config = CallConfig::of(agent, metadata);
        Box::new(CallConfig { variables, transfers: transfers.clone(), ..config })
    };
    let to = match &said.action {
        BackendAction::Transfer(wanted) => {
            let to = transfers.find(wanted);
            if to.is_none() {
                warnings.push(NOT_GRANTED.to_owned());
            }
            to
        }
        BackendAction::Answer | BackendAction::Reject(_) | BackendAction::Default => None,
    };
    let instead = |instead| (Decision::Instead(instead), ConfigSource::Backend, None);
    let (decision, source, why) = match (&said.action, to) {
        (BackendAction::Reject(refusal), _) => instead(Instead::Refuse(*refusal)),
        (BackendAction::Default, _) => (Decision::Answer(config(under)), source, Some(Why::Declined)),
        (BackendAction::Transfer(_), Some(to)) => instead(Instead::Transfer(to.clone())),
        (BackendAction::Answer | BackendAction::Transfer(_), _) => {
            let agent = said.agent.clone().over(under);
            (Decision::Answer(config(agent)), ConfigSource::Backend, None)
        }
    };
    answer(tenant, decision, source, why, warnings)
}

const NOT_GRANTED: &str =
    "transfer.to: found a destination that no [transfers] of this tenant names; the call is answered";

/// Where the call may be handed on to. What a tenant's file grants is that tenant's, and what the settings grant is
/// for calls of no tenant that a route names.
fn granted<'a>(
    routed: Option<&'a Routed>,
    tenant: Option<&TenantId>,
    settings: &'a Transfers,
) -> &'a Transfers {
    let routed = routed.filter(|routed| tenant == Some(&routed.tenant.id));
    routed.map_or(settings, |routed| &routed.tenant.transfers)
}

/// The answer with the names in its prompt and greeting filled in for this call.
pub(super) fn fill(mut answer: Answer, call: &Call, routed: Option<&Routed>) -> Answer {
    let Decision::Answer(config) = answer.decision else { return answer };
    let tenant = answer.tenant.as_ref();
    let known = routed.map(|routed| &routed.tenant).filter(|known| tenant == Some(&known.id));
    let variables = config.variables.clone();
    let names = Names {
        call,
        tenant,
        tenant_name: known.and_then(|known| known.name.as_deref()),
        route: routed.map(|routed| &*routed.route),
        variables: &variables,
    };
    let (config, warnings) = names.fill(*config);
    answer.report.warnings.extend(warnings);
    answer.decision = Decision::Answer(Box::new(config));
    answer
}

/// The layers below the backend, and which of them is on top. A route's agent belongs to the route's tenant:
/// it never serves another that the backend names.
fn lower(routed: Option<&Routed>, tenant: Option<&TenantId>, default: &Agent) -> (Agent, ConfigSource) {
    let agent = routed.filter(|routed| tenant == Some(&routed.tenant.id)).and_then(|r| match &r.action {
        Action::Answer { agent } => agent.as_deref(),
        Action::Instead(_) => None,
    });
    match agent {
        Some(agent) => {
            let source = if agent.answers() { ConfigSource::Dialplan } else { ConfigSource::Default };
            (agent.clone().over(default.clone()), source)
        }
        None => (default.clone(), ConfigSource::Default),
    }
}

fn tenant_of(routed: Option<&Routed>) -> Option<TenantId> {
    routed.map(|routed| routed.tenant.id.clone())
}

fn answer(
    tenant: Option<TenantId>,
    decision: Decision,
    source: ConfigSource,
    why: Option<Why>,
    warnings: Vec<String>,
) -> Answer {
    let report =
        Report { source, why, took: Duration::ZERO, attempts: 0, coalesced: false, age: None, warnings };
    Answer { tenant, decision, report }
}

#[cfg(test)]
mod tests;
