//! The codecs that a leg may speak.

/// What a leg's frames are encoded in, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// RFC 6716.
    #[default]
    Opus,
    /// G.711, µ-law.
    Pcmu,
    /// G.711, A-law.
    Pcma,
}

impl Codec {
    pub const ALL: [Self; 3] = [Self::Opus, Self::Pcmu, Self::Pcma];

    /// As SDP names it, in any case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// How fast its RTP timestamps count, in Hz (RFC 3551, RFC 7587).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }
}
