use super::Action;
use crate::call::Call;
use crate::dialplan::Routed;
use crate::fleet::calls::Caps;
use crate::lookup::Decision;
use crate::tenant::TenantId;

/// Which tenant the call counts for, and what waits for that tenant's leave.
#[derive(Debug, Default)]
pub struct Permit {
    /// The tenant that was asked last; the shell holds what it gave.
    tenant: Option<TenantId>,
    waits: Option<Next>,
}

/// What a permit is for.
#[derive(Debug)]
pub enum Next {
    Lookup { call: Box<Call>, routed: Option<Box<Routed>> },
    Decided(Decision),
}

impl Permit {
    /// Whether the call has no permit of this tenant.
    pub fn is_needed(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref() != Some(tenant)
    }

    /// The tenant is asked for a permit; the other tenant's, if there is one, is given back afterwards.
    pub fn ask(&mut self, tenant: TenantId, caps: Caps, next: Next) -> Action {
        self.tenant = Some(tenant.clone());
        self.waits = Some(next);
        Action::Admit { tenant, caps }
    }

    /// There is an answer: what waited for it.
    pub fn answered(&mut self) -> Option<Next> {
        self.waits.take()
    }

    pub const fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }
}
