//! One dialog as the called side sees it (RFC 3261, section 12): in which order requests come, and how ours find the
//! caller.

use std::net::{IpAddr, SocketAddr};

use rsipstack::sip::typed::{Contact, RecordRoute};
use rsipstack::sip::{
    CSeq, CallId, From, Header, Headers, HeadersExt, Host, HostWithPort, Method, Param, Request, Scheme, To,
    Uri, Version,
};

use super::message::{self, call_id, cseq, from_tag, header};
use super::transport::{Peer, Transport};
use crate::call::Destination;

#[derive(Debug, Clone)]
pub struct Dialog {
    call_id: String,
    /// Our side: what the caller's To header became with our tag.
    local: String,
    local_tag: String,
    remote: String,
    remote_tag: String,
    /// The proxies that asked to stay on the way, nearest to us first.
    routes: Vec<Uri>,
    /// The caller's Contact.
    target: Uri,
    local_sequence: u32,
    remote_sequence: u32,
    /// Whom the INVITE came from.
    peer: Peer,
    /// Our Contact has to be a SIPS URI (section 12.1.1).
    sips: bool,
}

/// Why an INVITE begins no dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incomplete;

/// A request that comes out of order (section 12.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfOrder;

/// Where a request goes next, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    pub transport: Transport,
    pub address: Address,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Known(SocketAddr),
    /// A host by its name, else where the INVITE came from.
    Named {
        host: String,
        port: u16,
        otherwise: SocketAddr,
    },
}

impl Dialog {
    /// The dialog that answering `invite` begins.
    pub fn begun_by(invite: &Request, tag: String, peer: Peer) -> Result<Self, Incomplete> {
        let contact = invite.contact_header().map_err(|_| Incomplete)?;
        let contacts = Contact::parse_header_list(contact.value()).map_err(|_| Incomplete)?;
        let target =
            contacts.into_iter().next().map(|contact| contact.uri).filter(is_sip).ok_or(Incomplete)?;
        let mut routes = Vec::new();
        for header in invite.record_route_headers() {
            let routed = RecordRoute::parse_header_list(header.value()).map_err(|_| Incomplete)?;
            routes.extend(routed.into_iter().map(|route| route.uri));
        }
        if !routes.iter().all(is_sip) {
            return Err(Incomplete);
        }
        let next = routes.first().unwrap_or(&target);
        let sips = [&invite.uri, next].iter().any(|uri| uri.scheme == Some(Scheme::Sips));
        let to = invite.to_header().map_err(|_| Incomplete)?;
        let from = invite.from_header().map_err(|_| Incomplete)?;
        Ok(Self {
            call_id: call_id(invite).ok_or(Incomplete)?.to_owned(),
            local: format!("{};tag={tag}", to.0),
            local_tag: tag,
            remote: from.0.clone(),
            remote_tag: from_tag(invite).ok_or(Incomplete)?,
            routes,
            target,
            local_sequence: 0,
            remote_sequence: cseq(invite).ok_or(Incomplete)?,
            peer,
            sips,
        })
    }

    /// Our Contact, where the caller reaches us at `address`.
    pub fn contact(&self, address: SocketAddr) -> String {
        match self.peer.transport {
            Transport::Tls if self.sips => format!("<sips:{address}>"),
            transport => format!("<sip:{address}{}>", transport.parameter()),
        }
    }

    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// Whom its INVITE came from.
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether `request`, which has our tag, is of this dialog.
    pub fn owns(&self, request: &Request) -> bool {
        call_id(request) == Some(&self.call_id) && from_tag(request).as_ref() == Some(&self.remote_tag)
    }

    /// Takes a request of the caller's in its turn. One that changes the session may change the caller's Contact too.
    pub fn take(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let sequence = cseq(request).ok_or(OutOfOrder)?;
        if sequence <= self.remote_sequence {
            return Err(OutOfOrder);
        }
        self.remote_sequence = sequence;
        if matches!(request.method(), Method::Invite | Method::Update) {
            self.refresh_target(request);
        }
        Ok(())
    }

    fn refresh_target(&mut self, request: &Request) {
        let contacts = request.contact_header().map(|contact| Contact::parse_header_list(contact.value()));
        if let Some(contact) = contacts.ok().and_then(Result::ok).and_then(|all| all.into_iter().next())
            && is_sip(&contact.uri)
        {
            self.target = contact.uri;
        }
    }

    /// Our next request, as far as the dialog determines it, without Via; and its first hop.
    pub fn request(&mut self, method: Method, contact: &str, more: Vec<Header>) -> (Request, Hop) {
        self.local_sequence += 1;
        let mut headers = Headers::default();
        headers.push(Header::From(From(self.local.clone())));
        headers.push(Header::To(To(self.remote.clone())));
        headers.push(Header::CallId(CallId(self.call_id.clone())));
        headers.push(Header::CSeq(CSeq(format!("{} {method}", self.local_sequence))));
        headers.push(Header::MaxForwards(70.into()));
        let (uri, routes) = self.way();
        headers.extend(routes.iter().map(|route| header("Route", format!("<{route}>"))).collect());
        headers.push(header("Contact", contact));
        headers.push(header("User-Agent", message::SERVER));
        headers.extend(more);
        let hop = hop(routes.first().unwrap_or(&uri), self.peer);
        (Request { method, uri, headers, version: Version::V2, body: Vec::new() }, hop)
    }

    /// Where the caller is to find `to`. A number is its own switch's to route, and named at its Contact: few would call a
    /// `tel:` address.
    pub fn address_of(&self, to: &Destination) -> String {
        let Some(number) = to.as_uri().strip_prefix("tel:") else { return to.as_uri().to_owned() };
        let transport = self.target.params.iter().find(|param| matches!(param, Param::Transport(_)));
        let transport = transport.map(ToString::to_string).unwrap_or_default();
        format!("sip:{number}@{}{transport};user=phone", self.target.host_with_port)
    }

    /// The Request-URI and the Route headers (section 12.2.1.1). A first proxy without `lr` routes strictly: it takes
    /// the Request-URI's place.
    fn way(&self) -> (Uri, Vec<Uri>) {
        match self.routes.split_first() {
            Some((first, rest)) if !is_loose(first) => {
                let routes = rest.iter().chain([&self.target]).cloned().collect();
                (first.clone(), routes)
            }
            Some(_) | None => (self.target.clone(), self.routes.clone()),
        }
    }
}

/// Whether a request can name it: the parser takes hosts with spaces in them, too.
fn is_sip(uri: &Uri) -> bool {
    let is_one_word = !uri.to_string().contains(|c: char| c.is_whitespace() || c.is_control());
    is_one_word && matches!(uri.scheme, Some(Scheme::Sip | Scheme::Sips))
}

fn is_loose(uri: &Uri) -> bool {
    uri.params.iter().any(|param| matches!(param, Param::Lr))
}

/// Where `uri` is. An address that only the caller's own network knows is not ours to reach: then it is where the
/// INVITE came from. Who says not how to be reached is reached as it called, and who called over TLS is over nothing else.
fn hop(uri: &Uri, peer: Peer) -> Hop {
    let transport = match Transport::wanted_by(uri) {
        Some(wanted) if !peer.transport.is_secure() => wanted,
        _ => peer.transport,
    };
    let HostWithPort { host, port } = &uri.host_with_port;
    let port = port.as_ref().map_or(transport.default_port(), |port| port.value());
    let address = match host {
        Host::IpAddr(address) if is_private(*address) && !is_private(peer.address.ip()) => {
            return Hop { transport: peer.transport, address: Address::Known(peer.address) };
        }
        Host::IpAddr(address) => Address::Known(SocketAddr::new(*address, port)),
        Host::Domain(name) => Address::Named { host: name.to_string(), port, otherwise: peer.address },
    };
    Hop { transport, address }
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let shared = first == 100 && (64..128).contains(&second);
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || shared
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "198.51.100.7:5080";

    fn peer(transport: Transport, address: &str) -> Peer {
        Peer { transport, address: address.parse().unwrap() }
    }

    fn udp(address: &str) -> Hop {
        Hop { transport: Transport::Udp, address: Address::Known(address.parse().unwrap()) }
    }

    fn invite(more: &str) -> Request {
        let text = format!(
            "INVITE sip:+15557770001@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n\
             From: \"Ada\" <sip:+15551230001@carrier.example>;tag=abc\r\nTo: <sip:+15557770001@203.0.113.5>\r\n\
             Call-ID: call-1\r\nCSeq: 7 INVITE\r\n{more}\r\n"
        );
        Request::try_from(text).unwrap()
    }

    fn dialog(more: &str) -> Dialog {
        Dialog::begun_by(&invite(more), "ours".into(), peer(Transport::Udp, SOURCE)).unwrap()
    }

    fn lines(request: &Request, name: &str) -> Vec<String> {
        message::values(request, name).map(str::to_owned).collect()
    }

    #[test]
    fn our_requests_go_the_way_that_the_proxies_recorded() {
        let contact = "Contact: <sip:ada@192.0.2.4:5070>\r\n";
        let loose = "Record-Route: <sip:p2.example;lr>, <sip:192.0.2.1:5090;lr>\r\nRecord-Route: <sip:p3.example;lr>\r\n";
        let strict = "Record-Route: <sip:192.0.2.9:5099>, <sip:p3.example;lr>\r\n";
        let named = |host: &str| Hop {
            transport: Transport::Udp,
            address: Address::Named { host: host.into(), port: 5060, otherwise: SOURCE.parse().unwrap() },
        };
        for (routes, uri, route, hop) in [
            ("", "sip:ada@192.0.2.4:5070", &[][..], udp("192.0.2.4:5070")),
            (
                loose,
                "sip:ada@192.0.2.4:5070",
                &["<sip:p2.example;lr>", "<sip:192.0.2.1:5090;lr>", "<sip:p3.example;lr>"],
                named("p2.example"),
            ),
            (
                strict,
                "sip:192.0.2.9:5099",
                &["<sip:p3.example;lr>", "<sip:ada@192.0.2.4:5070>"],
                named("p3.example"),
            ),
        ] {
            let (bye, to) =
                dialog(&format!("{contact}{routes}")).request(Method::Bye, "<sip:us>", Vec::new());
            assert_eq!(bye.uri.to_string(), uri, "{routes}");
            assert_eq!(
                (lines(&bye, "route"), to),
                (route.iter().map(|r| (*r).to_owned()).collect(), hop),
                "{routes}"
            );
            assert_eq!(lines(&bye, "to"), ["\"Ada\" <sip:+15551230001@carrier.example>;tag=abc"]);
            assert_eq!(lines(&bye, "from"), ["<sip:+15557770001@203.0.113.5>;tag=ours"]);
            assert_eq!(lines(&bye, "cseq"), ["1 BYE"]);
        }
    }

    #[test]
    fn what_a_contact_says_of_headers_is_not_repeated() {
        for contact in ["<sip:ada@192.0.2.4?Route=c>", "sip:ada@192.0.2.4?Route=%3Csip:c%3E"] {
            let mut dialog = dialog(&format!("Contact: {contact}\r\n"));
            let (bye, _) = dialog.request(Method::Bye, "<sip:us>", Vec::new());
            assert_eq!(bye.uri.to_string(), "sip:ada@192.0.2.4", "{contact}");
        }
    }

    #[test]
    fn a_number_is_its_own_switchs_to_route() {
        let number = Destination::parse("tel:+15557770099").unwrap();
        for (contact, expected) in [
            (
                "<sip:ada@10.1.2.3:5070;transport=TCP;ob>",
                "sip:+15557770099@10.1.2.3:5070;transport=TCP;user=phone",
            ),
            ("<sip:sbc.example>", "sip:+15557770099@sbc.example;user=phone"),
            ("<sip:[2001:db8::7]:5070>", "sip:+15557770099@[2001:db8::7]:5070;user=phone"),
        ] {
            let dialog = dialog(&format!("Contact: {contact}\r\n"));
            assert_eq!(dialog.address_of(&number), expected);
            let pbx = Destination::parse("sip:sales@pbx.acme.example").unwrap();
            assert_eq!(dialog.address_of(&pbx), "sip:sales@pbx.acme.example");
        }
    }

    #[test]
    fn requests_come_in_order_and_a_new_contact_is_the_next_target() {
        let mut dialog = dialog("Contact: <sip:ada@192.0.2.4>\r\n");
        let request = |method: &str, sequence: u32, contact: &str| {
            let text = format!(
                "{method} sip:us@203.0.113.5 SIP/2.0\r\nFrom: <sip:ada@x>;tag=abc\r\nTo: <sip:us@x>;tag=ours\r\n\
                 Call-ID: call-1\r\nCSeq: {sequence} {method}\r\n{contact}\r\n"
            );
            Request::try_from(text).unwrap()
        };
        assert!(dialog.owns(&request("BYE", 9, "")));
        assert_eq!(dialog.take(&request("INFO", 8, "Contact: <sip:ada@192.0.2.99>\r\n")), Ok(()));
        assert_eq!(dialog.take(&request("INFO", 8, "")), Err(OutOfOrder));
        assert_eq!(dialog.take(&request("INVITE", 7, "")), Err(OutOfOrder));
        assert_eq!(dialog.take(&request("INVITE", 20, "Contact: <sip:ada@192.0.2.5:5075>\r\n")), Ok(()));
        let (bye, hop) = dialog.request(Method::Bye, "<sip:us>", Vec::new());
        assert_eq!(bye.uri.to_string(), "sip:ada@192.0.2.5:5075");
        assert_eq!(hop, udp("192.0.2.5:5075"));
    }

    #[test]
    fn a_caller_behind_a_nat_is_where_its_invite_came_from() {
        let private = ["10.1.2.3", "192.168.0.7:5070", "100.64.0.9", "[fd00::1]"];
        for contact in private {
            let mut dialog = dialog(&format!("Contact: <sip:ada@{contact}>\r\n"));
            let (_, hop) = dialog.request(Method::Bye, "<sip:us>", Vec::new());
            assert_eq!(hop, udp(SOURCE), "{contact}");
        }
        let uri = Uri::try_from("sip:ada@10.1.2.3").unwrap();
        let at_home = hop(&uri, peer(Transport::Udp, "10.9.9.9:5060"));
        assert_eq!(at_home, udp("10.1.2.3:5060"), "we are in that network too");
    }

    #[test]
    fn a_request_goes_as_the_way_says_else_as_the_caller_came_and_never_from_tls_to_the_clear() {
        use Transport::{Tcp, Tls, Udp};
        for (uri, caller, expected) in [
            ("sip:192.0.2.4", Udp, (Udp, "192.0.2.4:5060")),
            ("sip:192.0.2.4", Tcp, (Tcp, "192.0.2.4:5060")),
            ("sip:192.0.2.4;transport=tcp", Udp, (Tcp, "192.0.2.4:5060")),
            ("sip:192.0.2.4:5099;transport=udp", Tcp, (Udp, "192.0.2.4:5099")),
            ("sips:192.0.2.4", Tcp, (Tls, "192.0.2.4:5061")),
            ("sip:192.0.2.4;transport=tcp", Tls, (Tls, "192.0.2.4:5061")),
            ("sip:10.1.2.3;transport=udp", Tcp, (Tcp, SOURCE)),
        ] {
            let found = hop(&Uri::try_from(uri).unwrap(), peer(caller, SOURCE));
            let address = Address::Known(expected.1.parse().unwrap());
            assert_eq!(found, Hop { transport: expected.0, address }, "{uri} by {caller:?}");
        }
    }

    #[test]
    fn an_invite_that_says_not_where_the_caller_is_begins_no_dialog() {
        for more in [
            "",
            "Contact: <sip:\r\n",
            "Contact: nobody\r\n",
            "Contact: <tel:+15551230001>\r\n",
            "Contact: <sip:ada@192. .2.9>\r\n",
            "Contact: <sip:ada@b>\r\nRecord-Route: <sip:\r\n",
            "Contact: <sip:ada@b>\r\nRecord-Route: <sip:a b;lr>\r\n",
        ] {
            let begun = Dialog::begun_by(&invite(more), "ours".into(), peer(Transport::Udp, SOURCE));
            assert_eq!(begun.err(), Some(Incomplete), "{more}");
        }
    }
}
