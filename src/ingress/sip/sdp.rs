//! Session descriptions (RFC 8866) as offers and answers (RFC 3264): one stream of audio, all else refused.
//!
//! The session encodes in one codec from a call's first description to its end. G.711's two laws count as one here:
//! a frame of the one becomes a frame of the other byte by byte.

mod read;
mod write;

use std::net::{IpAddr, SocketAddr};

use crate::media::codec::Codec;

/// A longer description is none that a phone or a carrier sends.
pub const LONGEST: usize = 8 * 1024;

/// A description, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    sections: Vec<Section>,
}

/// Why a body is no description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("a description of more than {LONGEST} bytes")]
    TooLong,
    #[error("no description: it does not begin with v=0")]
    Version,
    #[error("a line of the description that is not read")]
    Line,
    #[error("more media or formats than any phone has")]
    TooMany,
}

/// Why there is no session to be had by a description: 488 Not Acceptable Here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    #[error("no audio over plain RTP")]
    NoAudio,
    #[error("no codec that we speak, or not the one that the call began with")]
    NoCodec,
    #[error("an address of the other IP version")]
    Address,
}

/// Our side, as our descriptions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// Where the caller reaches us.
    pub address: IpAddr,
    /// For RTP. RTCP has the one above it, unless the caller wants both on one.
    pub port: u16,
    /// The same in all descriptions of a call, and another in every call.
    pub session: u64,
    /// Greater in every description of a call than in the one before.
    pub version: u64,
    /// What the session encodes in; `None` while that is open.
    pub codec: Option<Codec>,
}

/// The stream of audio that was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    pub codec: Codec,
    pub payload_type: u8,
    /// The payload type of keys (RFC 4733), where the caller sends them so.
    pub keys: Option<u8>,
    /// Where the caller wants audio; `None` where only its packets can tell.
    pub rtp: Option<SocketAddr>,
    pub rtcp: Rtcp,
    /// Whether the caller is to hear us: not while it holds the call.
    pub sends: bool,
    /// Whether we are to hear the caller.
    pub receives: bool,
}

/// Where reports go (RFC 3550, RFC 3605, RFC 5761).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp {
    /// Ports of their own, on both sides.
    Apart(Option<SocketAddr>),
    /// Where audio goes.
    Together,
}

/// What answers an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub stream: Stream,
    pub sdp: String,
}

impl Description {
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        read::description(body)
    }

    /// Answers it as an offer: with the first audio that fits, in the codec that the caller likes best.
    pub fn answer(&self, local: &Local) -> Result<Answer, Unacceptable> {
        let (at, stream) = self.agree(local)?;
        let sections: Vec<String> =
            self.sections
                .iter()
                .enumerate()
                .map(|(index, section)| {
                    if index == at { write::audio(section, &stream, local) } else { write::refused(section) }
                })
                .collect();
        Ok(Answer { stream, sdp: write::description(local, &sections) })
    }

    /// Takes it as the answer to [`Local::offer`].
    pub fn accept(&self, local: &Local) -> Result<Stream, Unacceptable> {
        self.agree(local).map(|(_, stream)| stream)
    }

    fn agree(&self, local: &Local) -> Result<(usize, Stream), Unacceptable> {
        let mut why = Unacceptable::NoAudio;
        for (at, section) in self.sections.iter().enumerate().filter(|(_, section)| section.is_audio()) {
            match section.stream(local) {
                Ok(stream) => return Ok((at, stream)),
                Err(error) => why = error,
            }
        }
        Err(why)
    }
}

impl Local {
    /// Offers audio to a caller who left that to us: in G.711, which every phone has, or in the call's codec.
    pub fn offer(&self) -> String {
        write::description(self, &[write::offered(self)])
    }

    /// Whether the session's frames can be sent so.
    fn speaks(&self, codec: Codec) -> bool {
        let is_g711 = |codec| matches!(codec, Codec::Pcmu | Codec::Pcma);
        self.codec.is_none_or(|own| own == codec || (is_g711(own) && is_g711(codec)))
    }
}

/// An m= line and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    media: String,
    port: u16,
    protocol: String,
    /// As they stand in the line: payload types, but for media that have none.
    formats: Vec<String>,
    address: Address,
    maps: Vec<Map>,
    direction: Direction,
    rtcp: Option<(u16, Address)>,
    rtcp_mux: bool,
}

/// Of an rtpmap attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Map {
    payload_type: u8,
    encoding: String,
    rate: u32,
}

/// Of a c= line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Address {
    Ip(IpAddr),
    /// None is named, or by a name: the caller's packets show it.
    #[default]
    Unknown,
}

/// From its writer's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// What a payload type stands for.
enum Format {
    Audio(Codec),
    Keys { rate: u32 },
}

impl Section {
    fn is_audio(&self) -> bool {
        self.media == "audio" && self.port != 0 && matches!(self.protocol.as_str(), "RTP/AVP" | "RTP/AVPF")
    }

    fn stream(&self, local: &Local) -> Result<Stream, Unacceptable> {
        let formats = || self.formats.iter().filter_map(|format| self.format(format));
        let audio = formats().find_map(|(payload_type, format)| match format {
            Format::Audio(codec) if local.speaks(codec) => Some((payload_type, codec)),
            Format::Audio(_) | Format::Keys { .. } => None,
        });
        let (payload_type, codec) = audio.ok_or(Unacceptable::NoCodec)?;
        let keys = formats().filter_map(|(payload_type, format)| match format {
            Format::Keys { rate } => Some((payload_type, rate)),
            Format::Audio(_) => None,
        });
        let keys =
            keys.max_by_key(|(_, rate)| *rate == codec.clock_rate()).map(|(payload_type, _)| payload_type);
        let rtp = self.address.with_port(self.port, local)?;
        let (rtcp_port, rtcp_address) = self.rtcp.unwrap_or((self.port.saturating_add(1), self.address));
        let rtcp_address = if rtcp_address == Address::Unknown { self.address } else { rtcp_address };
        let rtcp = match self.rtcp_mux {
            true => Rtcp::Together,
            false => Rtcp::Apart(rtcp_address.with_port(rtcp_port, local)?),
        };
        // The address of all zeros is how a call was held before there were directions (RFC 3264, section 8.4).
        let is_held = matches!(self.address, Address::Ip(address) if address.is_unspecified());
        let sends = !is_held && matches!(self.direction, Direction::SendRecv | Direction::RecvOnly);
        let receives = matches!(self.direction, Direction::SendRecv | Direction::SendOnly);
        Ok(Stream { codec, payload_type, keys, rtp, rtcp, sends, receives })
    }

    /// What a format of the m= line stands for, if it is anything to us.
    fn format(&self, format: &str) -> Option<(u8, Format)> {
        let payload_type = format.parse().ok().filter(|number| *number < 128)?;
        let Some(map) = self.maps.iter().find(|map| map.payload_type == payload_type) else {
            // RFC 3551, table 4.
            return match payload_type {
                0 => Some((0, Format::Audio(Codec::Pcmu))),
                8 => Some((8, Format::Audio(Codec::Pcma))),
                _ => None,
            };
        };
        if map.encoding.eq_ignore_ascii_case("telephone-event") {
            return Some((payload_type, Format::Keys { rate: map.rate }));
        }
        let is_named =
            |codec: &Codec| map.encoding.eq_ignore_ascii_case(codec.name()) && map.rate == codec.clock_rate();
        Some((payload_type, Format::Audio(Codec::ALL.into_iter().find(is_named)?)))
    }
}

impl Address {
    fn with_port(self, port: u16, local: &Local) -> Result<Option<SocketAddr>, Unacceptable> {
        match self {
            Self::Ip(address) if address.is_ipv4() != local.address.is_ipv4() => Err(Unacceptable::Address),
            Self::Ip(address) => Ok((!address.is_unspecified()).then_some(SocketAddr::new(address, port))),
            Self::Unknown => Ok(None),
        }
    }
}

impl Direction {
    /// By its attribute.
    fn named(attribute: &str) -> Option<Self> {
        Some(match attribute {
            "sendrecv" => Self::SendRecv,
            "sendonly" => Self::SendOnly,
            "recvonly" => Self::RecvOnly,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// What answers it: from the other side.
    const fn mirrored(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }
}

#[cfg(test)]
mod tests;
