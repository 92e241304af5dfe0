use std::net::IpAddr;

use super::crypto::Crypto;
use super::{Address, Description, Direction, LONGEST, Malformed, Map, Section};

const MOST_SECTIONS: usize = 16;
const MOST_FORMATS: usize = 64;

pub(super) fn description(body: &[u8]) -> Result<Description, Malformed> {
    if body.len() > LONGEST {
        return Err(Malformed::TooLong);
    }
    // Names may be in any character set; what we read is ASCII.
    let text = String::from_utf8_lossy(body);
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(Malformed::Version);
    }
    let mut reader = Reader::default();
    lines.try_for_each(|line| reader.line(line))?;
    Ok(Description { sections: reader.sections })
}

/// What stands before the first m= line is true of every section that says nothing else.
#[derive(Default)]
struct Reader {
    address: Address,
    direction: Direction,
    sections: Vec<Section>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), Malformed> {
        let (kind, value) = line.split_once('=').ok_or(Malformed::Line)?;
        match kind {
            "m" => self.media(value),
            "c" => {
                let address = connection(value).ok_or(Malformed::Line)?;
                *self.sections.last_mut().map_or(&mut self.address, |section| &mut section.address) = address;
                Ok(())
            }
            "a" => self.attribute(value),
            // Whatever else there is makes no difference.
            _ if kind.len() == 1 => Ok(()),
            _ => Err(Malformed::Line),
        }
    }

    fn media(&mut self, value: &str) -> Result<(), Malformed> {
        // They are said again where a section is refused.
        if !value.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Err(Malformed::Line);
        }
        let mut words = value.split(' ').filter(|word| !word.is_empty());
        let (Some(media), Some(port), Some(protocol)) = (words.next(), words.next(), words.next()) else {
            return Err(Malformed::Line);
        };
        // "49170/2" are two streams, of which we take one.
        let port = port.split('/').next().and_then(|port| port.parse().ok()).ok_or(Malformed::Line)?;
        let formats: Vec<String> = words.take(MOST_FORMATS + 1).map(str::to_owned).collect();
        if formats.is_empty() {
            return Err(Malformed::Line);
        }
        if formats.len() > MOST_FORMATS || self.sections.len() == MOST_SECTIONS {
            return Err(Malformed::TooMany);
        }
        self.sections.push(Section {
            media: media.to_owned(),
            port,
            protocol: protocol.to_owned(),
            formats,
            address: self.address,
            maps: Vec::new(),
            direction: self.direction,
            rtcp: None,
            rtcp_mux: false,
            crypto: None,
        });
        Ok(())
    }

    fn attribute(&mut self, attribute: &str) -> Result<(), Malformed> {
        if let Some(direction) = Direction::named(attribute) {
            *self.sections.last_mut().map_or(&mut self.direction, |section| &mut section.direction) =
                direction;
            return Ok(());
        }
        let Some(section) = self.sections.last_mut() else { return Ok(()) };
        match attribute.split_once(':') {
            Some(("rtpmap", value)) if section.maps.len() < MOST_FORMATS => {
                section.maps.push(map(value).ok_or(Malformed::Line)?);
            }
            Some(("rtpmap", _)) => return Err(Malformed::TooMany),
            Some(("rtcp", value)) => section.rtcp = Some(rtcp(value).ok_or(Malformed::Line)?),
            Some(("crypto", value)) => section.crypto = section.crypto.take().or_else(|| Crypto::read(value)),
            _ => section.rtcp_mux |= attribute == "rtcp-mux",
        }
        Ok(())
    }
}

/// `IN IP4 192.0.2.1/127`
fn connection(value: &str) -> Option<Address> {
    let mut words = value.split_whitespace();
    let (network, version, host) = (words.next()?, words.next()?, words.next()?);
    if network != "IN" || !matches!(version, "IP4" | "IP6") {
        return None;
    }
    let host = host.split('/').next()?;
    let Ok(address) = host.parse::<IpAddr>() else { return Some(Address::Unknown) };
    (address.is_ipv4() == (version == "IP4")).then_some(Address::Ip(address))
}

/// `111 opus/48000/2`
fn map(value: &str) -> Option<Map> {
    let (payload_type, encoding) = value.split_once(' ')?;
    let mut parts = encoding.trim().split('/');
    Some(Map {
        payload_type: payload_type.parse().ok()?,
        encoding: parts.next()?.to_owned(),
        rate: parts.next()?.parse().ok()?,
    })
}

/// `53020` or `53020 IN IP4 192.0.2.1`
fn rtcp(value: &str) -> Option<(u16, Address)> {
    let (port, address) = value.split_once(' ').map_or((value, None), |(port, rest)| (port, Some(rest)));
    let address = address.map_or(Some(Address::Unknown), connection)?;
    Some((port.parse().ok()?, address))
}
