//! Responses whose connection is gone (RFC 3261, section 18.2.2): they go to where the caller listens, by its Via.

use std::net::SocketAddr;

use rsipstack::sip::typed::Via;
use rsipstack::sip::{HeadersExt, Response, SipMessage};

use super::opener::Opener;
use crate::ingress::sip::flow::Outgoing;
use crate::ingress::sip::transport::{Peer, Remote};

/// Delivers what transactions still send on a connection that is gone, until they are over. Only a trunk that has called
/// over it is connected to: nobody else brings us to connect anywhere.
pub(super) async fn deliver(mut outgoing: Outgoing, peer: Peer, opener: &Opener) {
    while let Some(message) = outgoing.next().await {
        // A request of ours goes another way by itself.
        let SipMessage::Response(response) = message else { continue };
        let Some(to) = way_back(&response, peer).filter(|_| outgoing.carries_calls()) else { continue };
        match opener.open(&to).await {
            // That one may be gone by now, too.
            Ok(flow) => _ = flow.of_the_stack().send(response.into(), None).await,
            Err(error) => tracing::debug!(%error, "a SIP response is lost with its connection"),
        }
    }
}

/// The address that the request came from; its Via says but the port, and whom the certificate is to be of.
fn way_back(response: &Response, peer: Peer) -> Option<Remote> {
    let via = Via::parse(response.top_via_header().ok()?.value()).ok()?;
    let sent_by = via.sent_by();
    let port = sent_by.port.as_ref().map_or(peer.transport.default_port(), |port| port.value());
    let address = SocketAddr::new(peer.address.ip(), port);
    Some(Remote { peer: Peer { address, ..peer }, host: sent_by.host.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingress::sip::transport::Transport;

    #[test]
    fn a_response_goes_to_the_port_of_the_via_at_the_address_that_the_request_came_from() {
        for (sent_by, transport, address, host) in [
            ("198.51.100.7", Transport::Tcp, "198.51.100.7:5060", "198.51.100.7"),
            ("198.51.100.7", Transport::Tls, "198.51.100.7:5061", "198.51.100.7"),
            ("pbx.example:5071", Transport::Tls, "198.51.100.7:5071", "pbx.example"),
            ("10.1.2.3:5080;received=192.0.2.9", Transport::Tcp, "198.51.100.7:5080", "10.1.2.3"),
        ] {
            let text = format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/{} {sent_by};branch=z9hG4bK1\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n",
                transport.name()
            );
            let peer = Peer { transport, address: "198.51.100.7:40000".parse().unwrap() };
            let found = way_back(&Response::try_from(text).unwrap(), peer).unwrap();
            let expected = Peer { transport, address: address.parse().unwrap() };
            assert_eq!(found, Remote { peer: expected, host: host.into() }, "{sent_by}");
        }
    }
}
