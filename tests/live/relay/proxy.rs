//! The signalling, with addresses exchanged on the way.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the rest of an address may take.
const STRAGGLER: Duration = Duration::from_millis(10);

/// A running proxy; dropping it ends its connections.
pub struct Proxy {
    pub address: SocketAddr,
    _task: JoinSet<()>,
}

impl Proxy {
    /// Passes what it hears on to `server`, and what the server answers back, with `relay` in place of `media`.
    pub async fn open(server: SocketAddr, media: SocketAddr, relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exchange = (candidate(media), candidate(relay));
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((router, _)) = listener.accept().await {
                let exchange = exchange.clone();
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let (from_router, to_router) = router.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Whichever way ends first ends both.
                    tokio::select! {
                        _ended = ask(from_router, to_server) => {}
                        _ended = answer(from_server, to_router, &exchange) => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        };
        Self { address, _task: JoinSet::from_iter([accept]) }
    }
}

/// An address as a candidate has it, in JSON and in SDP.
fn candidate(address: SocketAddr) -> Vec<u8> {
    format!(" {} {} typ ", address.ip(), address.port()).into_bytes()
}

/// Passes requests on; the router's own candidate, which a request to join holds, becomes one that nobody answers.
async fn ask(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if from.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    to.write_all(&without_candidate(&head)).await?;
    copy(&mut from, &mut to).await.map(drop)
}

/// The first line names the offer as base64 of protobuf; every length in it stays as it is.
fn without_candidate(head: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"join_request=";
    let Some(start) = head.windows(NAME.len()).position(|name| name == NAME).map(|at| at + NAME.len()) else {
        return head.to_vec();
    };
    let end = start + head[start..].iter().position(|byte| b"& ".contains(byte)).unwrap();
    let coded = String::from_utf8(head[start..end].to_vec()).unwrap();
    let mut request = URL_SAFE.decode(coded.replace("%3D", "=")).unwrap();
    let candidates: Vec<usize> = places(&request, b"a=candidate:").collect();
    assert!(!candidates.is_empty(), "an offer without a candidate");
    for at in candidates {
        // foundation, component, transport, priority, address, port
        let spaces: Vec<usize> = places(&request[at..], b" ").take(6).map(|space| at + space).collect();
        // The port of "discard", with zeros in front.
        request[spaces[4] + 1..spaces[5]].fill(b'0');
        request[spaces[5] - 1] = b'9';
    }
    let coded = URL_SAFE.encode(request).replace('=', "%3D");
    [&head[..start], coded.as_bytes(), &head[end..]].concat()
}

fn places<'a>(bytes: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(part.len()).enumerate().filter(move |(_, window)| *window == part).map(|(at, _)| at)
}

/// Passes answers back with one address in place of the other, wherever it stands; they are equally long.
async fn answer(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (old, new): &(Vec<u8>, Vec<u8>),
) -> std::io::Result<()> {
    assert_eq!(old.len(), new.len(), "messages must keep their lengths");
    let mut bytes = Vec::new();
    loop {
        match timeout(STRAGGLER, from.read_buf(&mut bytes)).await {
            Ok(Ok(0)) => return to.write_all(&bytes).await,
            Ok(read) => read?,
            // It was the end of a message.
            Err(_) => {
                to.write_all(&std::mem::take(&mut bytes)).await?;
                continue;
            }
        };
        let found: Vec<usize> = places(&bytes, old).collect();
        for at in found {
            bytes[at..at + old.len()].copy_from_slice(new);
        }
        // What may be the beginning of an address waits for its rest.
        let begun = (1..old.len().min(bytes.len() + 1)).rev().find(|length| bytes.ends_with(&old[..*length]));
        let rest = bytes.split_off(bytes.len() - begun.unwrap_or(0));
        to.write_all(&bytes).await?;
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_exchanged_wherever_the_pieces_break() {
        let (old, new) = (b" 127.0.0.1 7882 typ ".to_vec(), b" 127.0.0.1 6001 typ ".to_vec());
        let text =
            b"udp 2130706431 127.0.0.1 7882 typ host, 127.0.0.1 7881 typ host, 127.0.0.1 7882 typ host 1"
                .to_vec();
        for length in 1..40 {
            let (mut sender, receiver) = tokio::io::duplex(length);
            let (sink, mut out) = tokio::io::duplex(4096);
            let exchange = (old.clone(), new.clone());
            let passing = async move { answer(receiver, sink, &exchange).await };
            let sending = async {
                sender.write_all(&text).await.unwrap();
                drop(sender);
            };
            let (passed, ()) = tokio::join!(passing, sending);
            passed.unwrap();
            let mut heard = String::new();
            out.read_to_string(&mut heard).await.unwrap();
            let expected = String::from_utf8(text.clone()).unwrap().replace("7882", "6001");
            assert_eq!(heard, expected, "in pieces of {length}");
        }
    }

    #[test]
    fn the_routers_candidate_is_hidden_and_no_length_changes() {
        let sdp = b"\x0a\x40a=candidate:1 1 udp 2130706175 127.0.0.1 54321 typ host\r\na=x\r\n";
        let coded = URL_SAFE.encode(sdp).replace('=', "%3D");
        let head = format!("GET /rtc/v1?join_request={coded}&x=1 HTTP/1.1\r\n\r\n");
        let hidden = without_candidate(head.as_bytes());
        assert_eq!(hidden.len(), head.len());
        let hidden = String::from_utf8(hidden).unwrap();
        let (_, rest) = hidden.split_once("join_request=").unwrap();
        let (coded, rest) = rest.split_once('&').unwrap();
        let request = URL_SAFE.decode(coded.replace("%3D", "=")).unwrap();
        assert_eq!(rest, "x=1 HTTP/1.1\r\n\r\n");
        assert_eq!(String::from_utf8(request).unwrap().split(' ').nth(5), Some("00009"));
        assert_eq!(without_candidate(b"GET /agent HTTP/1.1\r\n\r\n"), b"GET /agent HTTP/1.1\r\n\r\n");
    }
}
