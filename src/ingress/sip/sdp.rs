//! Session descriptions (RFC 8866) as offers and answers (RFC 3264): one stream of audio, all else refused.
//!
//! The session encodes for one codec from a call's first description to its end. Where caller and we agree on another
//! later, what leaves is encoded anew, so the codec that the call has is taken if it is offered again.
//!
//! SRTP's keys stand in the descriptions (RFC 4568): they are taken and told only where nobody else reads those.

mod crypto;
mod read;
mod write;

use std::net::{IpAddr, SocketAddr};

use super::srtp::{Key, Keys, Suite};
use crate::media::codec::{Codec, Codecs};
use crate::pii::Redacted;
use crypto::Crypto;

/// How comfort noise is named (RFC 3389).
const COMFORT: &str = "CN";
/// Its clock, and so those of the codecs that it goes with.
const COMFORT_RATE: u32 = 8_000;

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
    #[error("no audio over RTP or SRTP")]
    NoAudio,
    #[error("no codec that the call may be in")]
    NoCodec,
    #[error("an address of the other IP version")]
    Address,
    #[error("SRTP keys are taken over TLS only")]
    KeysInClear,
    #[error("no SRTP key that we can use")]
    NoKey,
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
    /// What the call may be in.
    pub codecs: Codecs,
    /// What the session encodes for; `None` while that is open.
    pub codec: Option<Codec>,
    /// Descriptions come and go over TLS.
    pub secure: bool,
}

/// The stream of audio that was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    pub codec: Codec,
    pub payload_type: u8,
    /// How keys are told of (RFC 4733), where the caller can.
    pub keys: Option<KeyEvents>,
    /// The payload type of comfort noise (RFC 3389), where the caller sends it in place of silence.
    pub comfort: Option<u8>,
    /// Where the caller wants audio; `None` where only its packets can tell.
    pub rtp: Option<SocketAddr>,
    pub rtcp: Rtcp,
    /// Whether the caller is to hear us: not while it holds the call.
    pub sends: bool,
    /// Whether we are to hear the caller.
    pub receives: bool,
}

/// The format of keys: its payload type, and how many ticks a second has of which its durations are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEvents {
    pub payload_type: u8,
    pub rate: u32,
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
    /// Of SRTP.
    pub keys: Option<Keys>,
    pub sdp: Text,
}

/// A description as it goes out. Our key may stand in it.
pub type Text = Redacted<String>;

impl Description {
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        read::description(body)
    }

    /// Answers it as an offer: with the first audio that fits, in the codec that the caller likes best. Over TLS what is
    /// sealed goes first. `key` is ours, of the suite that the caller likes best.
    pub fn answer(&self, local: &Local, key: impl FnOnce(Suite) -> Key) -> Result<Answer, Unacceptable> {
        let Agreed { at, stream, crypto } = self.agree(local)?;
        let ours = crypto.map(|crypto| Crypto { key: key(crypto.key.suite()), ..crypto.clone() });
        let sections: Vec<String> = self
            .sections
            .iter()
            .enumerate()
            .map(|(index, section)| match index == at {
                true => write::audio(section, &stream, local, ours.as_ref()),
                false => write::refused(section),
            })
            .collect();
        let keys = crypto.zip(ours).map(|(theirs, ours)| theirs.keys(ours.key));
        Ok(Answer { stream, keys, sdp: write::description(local, &sections).into() })
    }

    /// Whether there is an answer to it.
    pub fn fits(&self, local: &Local) -> Result<(), Unacceptable> {
        self.agree(local).map(drop)
    }

    /// Takes it as the answer to [`Local::offer`] with that key.
    pub fn accept(&self, local: &Local, key: Option<&Key>) -> Result<(Stream, Option<Keys>), Unacceptable> {
        let Agreed { stream, crypto, .. } = self.agree(local)?;
        match (key, crypto) {
            (None, None) => Ok((stream, None)),
            (Some(key), Some(crypto)) if crypto.answers(key) => Ok((stream, Some(crypto.keys(key.clone())))),
            _ => Err(Unacceptable::NoKey),
        }
    }

    fn agree(&self, local: &Local) -> Result<Agreed<'_>, Unacceptable> {
        let mut why = Unacceptable::NoAudio;
        let mut audio: Vec<_> =
            self.sections.iter().enumerate().filter(|(_, section)| section.is_audio()).collect();
        audio.sort_by_key(|(_, section)| section.is_srtp() != local.secure);
        for (at, section) in audio {
            match section.stream(local).and_then(|stream| Ok((stream, section.crypto(local)?))) {
                Ok((stream, crypto)) => return Ok(Agreed { at, stream, crypto }),
                Err(error) => why = error,
            }
        }
        Err(why)
    }
}

/// What fits of a description.
struct Agreed<'d> {
    /// Which section.
    at: usize,
    stream: Stream,
    crypto: Option<&'d Crypto>,
}

impl Local {
    /// Offers audio to a caller who left that to us: the call's codec first, then the others. With a key, it is sealed.
    pub fn offer(&self, key: Option<&Key>) -> Text {
        write::description(self, &[write::offered(self, key)]).into()
    }

    /// How much work it is to send the session's frames so.
    fn effort(&self, codec: Codec) -> u8 {
        let is_g711 = |codec: Codec| codec.law().is_some();
        match self.codec {
            None => 0,
            Some(own) if own == codec => 0,
            Some(own) if is_g711(own) && is_g711(codec) => 1,
            Some(_) => 2,
        }
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
    /// The first that we can do.
    crypto: Option<Crypto>,
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
    Comfort { rate: u32 },
}

impl Section {
    fn is_audio(&self) -> bool {
        let is_rtp = self.is_srtp() || matches!(self.protocol.as_str(), "RTP/AVP" | "RTP/AVPF");
        self.media == "audio" && self.port != 0 && is_rtp
    }

    fn is_srtp(&self) -> bool {
        matches!(self.protocol.as_str(), "RTP/SAVP" | "RTP/SAVPF")
    }

    /// How the caller seals it; `None` of plain RTP.
    fn crypto(&self, local: &Local) -> Result<Option<&Crypto>, Unacceptable> {
        match (self.is_srtp(), local.secure) {
            (false, _) => Ok(None),
            (true, false) => Err(Unacceptable::KeysInClear),
            (true, true) => self.crypto.as_ref().map(Some).ok_or(Unacceptable::NoKey),
        }
    }

    fn stream(&self, local: &Local) -> Result<Stream, Unacceptable> {
        let formats = || self.formats.iter().filter_map(|format| self.format(format));
        let audio = formats().filter_map(|(payload_type, format)| match format {
            Format::Audio(codec) if local.codecs.contains(codec) => Some((payload_type, codec)),
            Format::Audio(_) | Format::Keys { .. } | Format::Comfort { .. } => None,
        });
        let audio = audio.min_by_key(|(_, codec)| local.effort(*codec));
        let (payload_type, codec) = audio.ok_or(Unacceptable::NoCodec)?;
        let keys = formats().filter_map(|(payload_type, format)| match format {
            Format::Keys { rate } => Some(KeyEvents { payload_type, rate }),
            Format::Audio(_) | Format::Comfort { .. } => None,
        });
        let keys = keys.max_by_key(|keys| keys.rate == codec.clock_rate());
        let comfort = formats().find_map(|(payload_type, format)| match format {
            Format::Comfort { rate } => (rate == codec.clock_rate()).then_some(payload_type),
            Format::Audio(_) | Format::Keys { .. } => None,
        });
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
        Ok(Stream { codec, payload_type, keys, comfort, rtp, rtcp, sends, receives })
    }

    /// What a format of the m= line stands for, if it is anything to us.
    fn format(&self, format: &str) -> Option<(u8, Format)> {
        let payload_type = format.parse().ok().filter(|number| *number < 128)?;
        let Some(map) = self.maps.iter().find(|map| map.payload_type == payload_type) else {
            // RFC 3551, table 4.
            return match payload_type {
                0 => Some((0, Format::Audio(Codec::Pcmu))),
                8 => Some((8, Format::Audio(Codec::Pcma))),
                9 => Some((9, Format::Audio(Codec::G722))),
                13 => Some((13, Format::Comfort { rate: COMFORT_RATE })),
                _ => None,
            };
        };
        if map.encoding.eq_ignore_ascii_case("telephone-event") {
            return Some((payload_type, Format::Keys { rate: map.rate }));
        }
        if map.encoding.eq_ignore_ascii_case(COMFORT) {
            return Some((payload_type, Format::Comfort { rate: map.rate }));
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

/// Whether a description of ours shows our key.
pub fn has_key(description: &[u8]) -> bool {
    const LINE: &[u8] = b"a=crypto:";
    description.windows(LINE.len()).any(|window| window == LINE)
}

#[cfg(test)]
mod tests;
