/// Why a call is not answered. One table: what each means in SIP, in the webhook and in the record.
///
/// On LiveKit every refusal reaches the carrier as 486 (livekit-sip knows no other); the direct ingress sends
/// [`Refusal::sip_status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nobody here has that number.
    NotFound,
    /// The backend or a route says no.
    Declined,
    /// The tenant is busy, or chose to look so.
    Busy,
    /// Nothing is wrong with the call, but it cannot be served now: the model is down, the router is full.
    Unavailable,
}

impl Refusal {
    pub const ALL: [Self; 4] = [Self::NotFound, Self::Declined, Self::Busy, Self::Unavailable];

    /// The name in dialplans, in the webhook's `reject.reason` and in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    /// RFC 3261, section 21. With it goes [`Refusal::q850_cause`] in a Reason header (RFC 3326, RFC 6432).
    pub const fn sip_status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Declined => 603,
            Self::Busy => 486,
            Self::Unavailable => 503,
        }
    }

    /// The cause that the telephone network knows it by (ITU-T Q.850).
    pub const fn q850_cause(self) -> u8 {
        match self {
            Self::NotFound => 1,
            Self::Declined => 21,
            Self::Busy => 17,
            Self::Unavailable => 41,
        }
    }
}
