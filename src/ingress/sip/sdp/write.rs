use std::fmt::Write;

use super::crypto::{Crypto, OFFERED};
use super::{COMFORT, COMFORT_RATE, KeyEvents, Local, Rtcp, Section, Stream};
use crate::ingress::sip::srtp::Key;
use crate::media::codec::Codec;

/// Payload types in our offers: of Opus, of comfort noise (RFC 3551), and of keys at either clock.
const OPUS: u8 = 111;
const COMFORT_NOISE: u8 = 13;
const KEYS: [KeyEvents; 2] =
    [KeyEvents { payload_type: 101, rate: 8_000 }, KeyEvents { payload_type: 110, rate: 48_000 }];

pub(super) fn description(local: &Local, sections: &[String]) -> String {
    let Local { address, session, version, .. } = local;
    let ip = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- {session} {version} IN {ip} {address}\r\ns=-\r\nc=IN {ip} {address}\r\nt=0 0\r\n{}",
        sections.concat()
    )
}

/// Our audio, as the offered `section` allows, sealed with `ours`.
pub(super) fn audio(section: &Section, stream: &Stream, local: &Local, ours: Option<&Crypto>) -> String {
    let mut text = media(
        &section.protocol,
        local.port,
        &[(stream.payload_type, stream.codec)],
        stream.comfort,
        stream.keys.as_slice(),
    );
    let _ = write!(text, "a={}\r\n", section.direction.mirrored().name());
    if stream.rtcp == Rtcp::Together {
        text.push_str("a=rtcp-mux\r\n");
    }
    if let Some(Crypto { tag, key, .. }) = ours {
        text.push_str(&Crypto::line(*tag, key));
    }
    text
}

/// What we offer of our own accord.
pub(super) fn offered(local: &Local, key: Option<&Key>) -> String {
    let mut codecs: Vec<Codec> = local.codecs.iter().collect();
    codecs.sort_by_key(|codec| local.effort(*codec));
    let payload_type = |codec| match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::Opus => OPUS,
    };
    let codecs: Vec<_> = codecs.into_iter().map(|codec| (payload_type(codec), codec)).collect();
    // Keys go by the clock of the codec that they interrupt (RFC 4733, section 2.1).
    let is_clock = |rate: u32| codecs.iter().any(|(_, codec)| codec.clock_rate() == rate);
    let keys: Vec<_> = KEYS.into_iter().filter(|keys| is_clock(keys.rate)).collect();
    let comfort = is_clock(COMFORT_RATE).then_some(COMFORT_NOISE);
    let protocol = if key.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let crypto = key.map(|key| Crypto::line(OFFERED, key)).unwrap_or_default();
    media(protocol, local.port, &codecs, comfort, &keys) + "a=sendrecv\r\n" + &crypto
}

/// The section stands in its place, with port 0 (RFC 3264, section 6).
pub(super) fn refused(section: &Section) -> String {
    format!("m={} 0 {} {}\r\n", section.media, section.protocol, section.formats.join(" "))
}

fn media(
    protocol: &str,
    port: u16,
    codecs: &[(u8, Codec)],
    comfort: Option<u8>,
    keys: &[KeyEvents],
) -> String {
    let formats = codecs.iter().map(|(payload_type, _)| *payload_type).chain(comfort);
    let formats = formats.chain(keys.iter().map(|keys| keys.payload_type));
    let formats: String = formats.map(|payload_type| format!(" {payload_type}")).collect();
    let mut text = format!("m=audio {port} {protocol}{formats}\r\n");
    for (payload_type, codec) in codecs {
        // Opus is always two channels here, whatever is sent (RFC 7587, section 7).
        let channels = if *codec == Codec::Opus { "/2" } else { "" };
        let (name, rate) = (codec.name(), codec.clock_rate());
        let _ = write!(text, "a=rtpmap:{payload_type} {name}/{rate}{channels}\r\n");
    }
    if let Some(comfort) = comfort {
        let _ = write!(text, "a=rtpmap:{comfort} {COMFORT}/{COMFORT_RATE}\r\n");
    }
    for KeyEvents { payload_type, rate } in keys {
        let _ =
            write!(text, "a=rtpmap:{payload_type} telephone-event/{rate}\r\na=fmtp:{payload_type} 0-15\r\n");
    }
    text.push_str("a=ptime:20\r\n");
    text
}
