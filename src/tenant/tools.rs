use std::collections::BTreeMap;
use std::sync::Arc;

use crate::call::Destination;

/// What an agent may do to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolName {
    HangUp,
    /// Only where there are [`Transfers`].
    TransferCall,
    /// Only where an agent's `tools` names it.
    SendDtmf,
}

impl ToolName {
    pub const ALL: [Self; 3] = [Self::HangUp, Self::TransferCall, Self::SendDtmf];
    /// Those of an agent that is told nothing else.
    pub const DEFAULT: [Self; 2] = [Self::HangUp, Self::TransferCall];
    /// What an agent's `tools` accepts, for error texts.
    pub const ACCEPTED: &str = "an array of hang_up, transfer_call and send_dtmf";

    /// The name in configurations, and for the model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HangUp => "hang_up",
            Self::TransferCall => "transfer_call",
            Self::SendDtmf => "send_dtmf",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }
}

/// Where a tenant's callers may be transferred to, by name. The operator grants them; models and backends only choose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transfers(Arc<BTreeMap<Arc<str>, Destination>>);

impl Transfers {
    /// What [`Transfers::is_name`] accepts, for error texts.
    pub const NAME: &str = "a name of 1 to 64 letters, digits, '-' and '_'";
    /// All names together stand in the model's context.
    pub const MOST: usize = 64;

    pub fn new(granted: impl IntoIterator<Item = (Arc<str>, Destination)>) -> Self {
        Self(Arc::new(granted.into_iter().collect()))
    }

    pub fn is_name(text: &str) -> bool {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn named(&self, name: &str) -> Option<&Destination> {
        self.0.get(name)
    }

    /// The destination that somebody who may only choose asks for.
    pub fn find(&self, wanted: &TransferTo) -> Option<&Destination> {
        match wanted {
            TransferTo::Named(name) => self.named(name),
            TransferTo::Address(address) => self.0.values().find(|granted| *granted == address),
        }
    }
}

/// A destination as somebody asks for it who may only choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferTo {
    Named(Arc<str>),
    Address(Destination),
}

impl TransferTo {
    pub const ACCEPTED: &str =
        "the name of a destination in [transfers], or its address: tel:+ and a number, or sip:user@host";

    pub fn parse(text: &str) -> Option<Self> {
        let name = || Transfers::is_name(text).then(|| Self::Named(text.into()));
        Destination::parse(text).map(Self::Address).or_else(name)
    }
}
