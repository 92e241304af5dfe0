//! What is kept of a backend's answers and failures.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::E164;
use crate::lookup::Purge;
use crate::lookup::freshness::Freshness;
use crate::lookup::key::Key;
use crate::lookup::retry::Failure;
use crate::tenant::wire::BackendAnswer;
use crate::tenant::{By, Facet, TenantId, Windows};

/// What a backend said of a call.
#[derive(Debug, Clone)]
pub(in crate::lookup) enum Said {
    Answer(Arc<BackendAnswer>),
    /// 204 or 404.
    Unknown,
}

/// Something that a backend said, and when.
#[derive(Debug)]
pub(in crate::lookup) struct Kept {
    pub(in crate::lookup) said: Said,
    pub(super) at: Instant,
    pub(super) windows: Windows,
    pub(super) by: By,
    pub(super) weight: u32,
}

/// What one key has.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) kept: Option<Arc<Kept>>,
    pub(super) failed: Option<(Failure, Instant)>,
    pub(super) of: Of,
    pub(super) by: By,
    pub(super) weight: u32,
}

/// Whose call it was, for [`Purge`].
#[derive(Debug, Clone)]
pub(in crate::lookup) struct Of {
    pub(in crate::lookup) tenant: Option<TenantId>,
    pub(in crate::lookup) called: Option<E164>,
}

/// What was said, and how long ago.
#[derive(Debug, Clone)]
pub(in crate::lookup) struct Aged {
    pub(in crate::lookup) kept: Arc<Kept>,
    pub(in crate::lookup) age: Duration,
}

impl Aged {
    pub(super) fn freshness(&self) -> Freshness {
        Freshness::of(self.age, self.kept.windows)
    }
}

impl Kept {
    pub(super) fn aged(self: &Arc<Self>, now: Instant) -> Aged {
        Aged { kept: Arc::clone(self), age: now.saturating_duration_since(self.at) }
    }

    /// Whether it never serves a second call, so that waiting for another call's request is time lost.
    pub(super) fn is_for_one_call(&self) -> bool {
        (self.windows.ttl + self.windows.revalidate).is_zero()
    }
}

/// Of a slot beside its content: the structures around it, about.
const OVERHEAD: usize = 512;

impl Slot {
    /// In bytes, about.
    pub(super) fn size(&self, key: &Key) -> u32 {
        let around = u32::try_from(OVERHEAD + key.len()).unwrap_or(u32::MAX);
        self.weight.saturating_add(around)
    }

    /// An answer that does not depend on the called number may be any number's.
    pub(super) fn is_of(&self, what: &Purge) -> bool {
        match what {
            Purge::All => true,
            Purge::Tenant(tenant) => {
                let named = self.kept.as_ref().and_then(|kept| match &kept.said {
                    Said::Answer(answer) => answer.tenant.as_ref(),
                    Said::Unknown => None,
                });
                [self.of.tenant.as_ref(), named].contains(&Some(tenant))
            }
            Purge::Number(number) => !self.by.has(Facet::Called) || self.of.called.as_ref() == Some(number),
        }
    }
}
