//! The carrier's trunks as the settings name them: where their calls come from, how their numbers are read.

mod credentials;
mod read;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

pub use self::credentials::{Algorithm, Algorithms, Credentials};
pub use self::read::TRUNK_KEYS;
use crate::call::TrunkRules;
use crate::fleet::calls::Caps;
use crate::http::address::Network;
use crate::media::codec::Codecs;

/// One trunk. LiveKit's trunk ids change when a trunk is made anew, its name here stays.
#[derive(Debug, Clone, PartialEq)]
pub struct TrunkPlan {
    pub name: Arc<str>,
    /// LiveKit's ids, `ST_...`.
    pub ids: Vec<String>,
    /// Where it calls our own SIP port from.
    pub addresses: Vec<Network>,
    /// What it has to know at our own SIP port; without addresses it may call from anywhere.
    pub credentials: Option<Credentials>,
    pub called_from: CalledFrom,
    /// Of its calls at our own SIP port.
    pub caps: Caps,
    pub unanswered_transfer: UnansweredTransfer,
    /// What its calls to our own SIP port may be in, and how they are offered what they leave to us.
    pub codecs: Codecs,
    /// How what arrives on it is read.
    pub rules: TrunkRules,
}

/// Where a call to our own SIP port names the called number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CalledFrom {
    #[default]
    RequestUri,
    To,
    /// P-Called-Party-ID (RFC 7315).
    PCalledPartyId,
}

/// How our own SIP port hands a caller on whose call is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnansweredTransfer {
    /// 302: the carrier's switch calls the destination itself, and the call is never answered.
    #[default]
    Redirect,
    /// The call is answered, and handed on with REFER.
    Refer,
}

impl TrunkPlan {
    /// Whether its credentials alone say who it is.
    pub const fn calls_from_anywhere(&self) -> bool {
        self.addresses.is_empty() && self.credentials.is_some()
    }
}

/// Every trunk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trunks {
    all: Vec<Arc<TrunkPlan>>,
    by_id: HashMap<String, Arc<TrunkPlan>>,
}

impl Trunks {
    /// The trunk with this id; `None` for one that the settings don't name.
    pub fn of(&self, id: &str) -> Option<&TrunkPlan> {
        self.by_id.get(id).map(AsRef::as_ref)
    }

    /// The trunk that has this name or id.
    pub fn named(&self, name_or_id: &str) -> Option<&TrunkPlan> {
        let named = || self.all.iter().find(|trunk| *trunk.name == *name_or_id).map(AsRef::as_ref);
        self.of(name_or_id).or_else(named)
    }

    /// The name of the trunk that has this name or id.
    pub fn canonical(&self, name_or_id: &str) -> Option<Arc<str>> {
        self.named(name_or_id).map(|trunk| Arc::clone(&trunk.name))
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The trunk that calls our own SIP port from there, by its narrowest network.
    pub fn at(&self, address: IpAddr) -> Option<&Arc<TrunkPlan>> {
        let networks = self.all.iter().flat_map(|trunk| trunk.addresses.iter().map(move |net| (net, trunk)));
        let within = networks.filter(|(network, _)| network.contains(address));
        within.max_by_key(|(network, _)| network.bits()).map(|(_, trunk)| trunk)
    }

    /// Whether any trunk calls our own SIP port.
    pub fn call_directly(&self) -> bool {
        self.all.iter().any(|trunk| !trunk.addresses.is_empty() || trunk.calls_from_anywhere())
    }

    /// Whether any of them calls from anywhere.
    pub fn call_from_anywhere(&self) -> bool {
        self.all.iter().any(|trunk| trunk.calls_from_anywhere())
    }

    /// What is asked of those who call from anywhere, before they say which trunk they are: of all the same.
    pub fn asked_of_anyone(&self) -> Algorithms {
        let first = self.credentials_from_anywhere().next();
        first.map(|(credentials, _)| credentials.algorithms.clone()).unwrap_or_default()
    }

    /// The trunk that calls from anywhere and says that it is this user.
    pub fn of_username(&self, username: &str) -> Option<&Arc<TrunkPlan>> {
        let mut from_anywhere = self.credentials_from_anywhere();
        from_anywhere.find(|(known, _)| known.username.reveal() == username).map(|(_, trunk)| trunk)
    }

    fn credentials_from_anywhere(&self) -> impl Iterator<Item = (&Credentials, &Arc<TrunkPlan>)> {
        let from_anywhere = self.all.iter().filter(|trunk| trunk.calls_from_anywhere());
        from_anywhere.filter_map(|trunk| Some((trunk.credentials.as_ref()?, trunk)))
    }

    /// Trunks by name and by the one network that each calls from, or `anywhere`, with its name as username and password.
    #[cfg(test)]
    pub fn calling_from(trunks: &[(&str, &str)]) -> Self {
        let plan = |(name, network): &(&str, &str)| TrunkPlan {
            name: (*name).into(),
            ids: Vec::new(),
            addresses: Network::parse(network).into_iter().collect(),
            credentials: (*network == "anywhere").then(|| Credentials {
                username: (*name).into(),
                password: (*name).into(),
                algorithms: Algorithms::default(),
            }),
            called_from: CalledFrom::default(),
            caps: Caps::default(),
            unanswered_transfer: UnansweredTransfer::default(),
            codecs: Codecs::default(),
            rules: TrunkRules::default(),
        };
        Self { all: trunks.iter().map(plan).map(Arc::new).collect(), by_id: HashMap::new() }
    }
}
