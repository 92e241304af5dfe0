//! `[sip]` and `DIALPLANE_SIP`: the router's own SIP port.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::variables::Variables;
use crate::document::{Keys, Surroundings, Table};
use crate::ingress::sip::settings::{SipSettings, TlsSettings};
use crate::tls::{Identity, PemFile};

const KEYS: Keys = Keys::only(&["listen", "public_address", "rtp_ports", "tls"]);
const TLS_KEYS: Keys = Keys::only(&["listen", "certificate", "key"]);
const VARIABLE: &str = "DIALPLANE_SIP";
const LISTEN: &str = "an address and port such as 0.0.0.0:5060";
const PUBLIC: &str = "the IP address that callers reach this router at, such as 203.0.113.5";
const TLS_LISTEN: &str = "an address and port such as 0.0.0.0:5061";
const PORTS: &str = "the first and the last port, at least ten of them above 1023, such as 20000-29999";

pub(super) struct Sip {
    /// Whether it is turned on, with an error or without.
    pub(super) is_on: bool,
    /// `None` when something is wrong.
    pub(super) settings: Option<Option<SipSettings>>,
}

pub(super) fn read(root: &Table<'_>, variables: &Variables<'_>, surroundings: &dyn Surroundings) -> Sip {
    let table = root.table("sip", KEYS);
    let set = variables.parsed(VARIABLE, LISTEN, parse_listen);
    let is_on = root.get("sip").is_some() || variables.get(VARIABLE).is_some();
    if !is_on {
        return Sip { is_on, settings: Some(None) };
    }
    let key = |key| table.as_ref().and_then(|table| table.get(key));
    let written = key("listen").map(|value| value.parsed(LISTEN, parse_listen));
    let public = key("public_address").map(|value| value.parsed(PUBLIC, parse_public));
    let ports = key("rtp_ports").map(|value| value.parsed(PORTS, parse_ports));
    let tls = table.as_ref().map_or(Some(None), |table| read_tls(table, surroundings));
    let listen = match (variables.get(VARIABLE), written, &table) {
        (Some(_), Some(None), _) => None,
        (Some(_), _, _) => set,
        (None, Some(written), _) => written,
        (None, None, Some(table)) => {
            table.require("listen", &format!("{LISTEN}, or the variable {VARIABLE}"));
            None
        }
        (None, None, None) => None,
    };
    let read = || {
        Some(SipSettings {
            listen: listen?,
            public: public.map_or(Some(None), |public| public.map(Some))?,
            rtp_ports: ports.unwrap_or(Some(SipSettings::RTP_PORTS))?,
            tls: tls?,
        })
    };
    Sip { is_on, settings: read().map(Some) }
}

/// `None` when something is wrong.
fn read_tls(table: &Table<'_>, surroundings: &dyn Surroundings) -> Option<Option<TlsSettings>> {
    if table.get("tls").is_none() {
        return Some(None);
    }
    let tls = table.table("tls", TLS_KEYS)?;
    let listen = tls.require("listen", TLS_LISTEN);
    let listen = listen.and_then(|value| value.parsed(TLS_LISTEN, |text| text.parse().ok()));
    let file = |key, accepted| {
        let value = tls.require(key, accepted)?;
        let (path, bytes) = value.attachment(accepted, surroundings, Identity::LARGEST_FILE)?;
        Some((value, path, bytes))
    };
    let (certificate, key) = (file("certificate", Identity::CERTIFICATE), file("key", Identity::KEY));
    let ((certificate, certificate_path, chain), (key, key_path, private)) = (certificate?, key?);
    let chain = PemFile { path: &certificate_path, bytes: &chain };
    match Identity::read(&chain, &PemFile { path: &key_path, bytes: &private }) {
        Ok(identity) => Some(Some(TlsSettings { listen: listen?, identity })),
        Err(unfit) => {
            let (value, accepted) = unfit.file((certificate, Identity::CERTIFICATE), (key, Identity::KEY));
            value.report_found(&unfit.to_string(), accepted);
            None
        }
    }
}

/// `0.0.0.0:5060`, or the same with `udp://` before it.
fn parse_listen(text: &str) -> Option<SocketAddr> {
    text.strip_prefix("udp://").unwrap_or(text).parse().ok()
}

fn parse_public(text: &str) -> Option<IpAddr> {
    text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified())
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
    (first > 1023 && last >= first.checked_add(9)?).then_some(first..=last)
}
