//! A room we joined: signalling and media as one stream of events.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::select;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::peer::{Out, Peer, PeerError, PeerEvent};
use super::signal::Signal;
use crate::ingress::leg::Frame;
use crate::livekit::socket::{ConnectError, Dialer, SocketError};
use crate::livekit::wire::data::FromPeer;
use crate::livekit::wire::signal::{Departure, FromRoom, Joined, Participant, ToRoom};
use crate::media::packet::Packet;
use crate::media::quality::Report;
use crate::pii::Redacted;

/// A server that sends us away closes the media as well, and its word may come a little later.
const WORD: Duration = Duration::from_millis(500);

/// More than any path's MTU that WebRTC uses.
const DATAGRAM_MAX: usize = 2048;

pub struct Room {
    signal: Signal,
    peer: Peer,
    udp: UdpSocket,
    datagram: Box<[u8; DATAGRAM_MAX]>,
    peer_deadline: Instant,
    /// The media is gone; the room is lost then, unless the server says what became of it.
    lost_at: Option<Instant>,
    published: u32,
}

/// What happens in the room.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomEvent {
    /// We are in, with those who were here before us.
    Joined(Joined),
    /// These joined, changed or left.
    Changed(Vec<Participant>),
    /// Media flows.
    Connected,
    /// Someone subscribed to our track.
    Subscribed,
    /// A newer token to come back with.
    Token(Redacted<String>),
    /// The server sent us away.
    Left(Departure),
    /// A packet of the caller's, as it arrived.
    Audio(Packet),
    /// The socket did not take a frame of ours.
    Unsent,
    /// What the server says of what we send.
    Report(Report),
    Data(FromPeer),
    /// Nothing that concerns a call; [`Room::settle`] has work.
    Idle,
}

/// Why a room could not be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("no local address leads to LiveKit")]
    Route(#[from] io::Error),
    #[error(transparent)]
    Media(#[from] PeerError),
    #[error(transparent)]
    Signal(#[from] ConnectError),
}

/// The room is lost, whatever it said before.
#[derive(Debug, thiserror::Error)]
pub enum RoomLost {
    #[error(transparent)]
    Media(#[from] PeerError),
    #[error(transparent)]
    Signal(#[from] SocketError),
    #[error("the media socket failed")]
    Udp(#[from] io::Error),
    #[error("the media connection broke off")]
    Unreachable,
}

impl Room {
    /// Asks to join; [`RoomEvent::Joined`] and [`RoomEvent::Connected`] follow.
    pub async fn join(dialer: &Dialer, server: &Url, token: &Redacted<String>) -> Result<Self, JoinError> {
        let udp = UdpSocket::bind((route_to(server).await?, 0)).await?;
        let now = Instant::now();
        let (peer, offer) = Peer::new(now.into_std(), udp.local_addr()?)?;
        let signal = Signal::join(dialer, server, token, offer).await?;
        let datagram = Box::new([0; DATAGRAM_MAX]);
        Ok(Self { signal, peer, udp, datagram, peer_deadline: now, lost_at: None, published: 0 })
    }

    /// Sends what is owed to the signalling: offers and pings. Call it before every [`Room::next`].
    pub async fn settle(&mut self) -> Result<(), RoomLost> {
        self.signal.keep_alive(Instant::now()).await?;
        if let Some((announced, offer)) = self.peer.next_offer() {
            if let Some(cid) = announced {
                self.signal.send(ToRoom::AddTrack { cid }).await?;
            }
            self.signal.send(ToRoom::Offer(offer)).await?;
        }
        Ok(())
    }

    /// What happens next. Cancel safe.
    pub async fn next(&mut self) -> Result<RoomEvent, RoomLost> {
        if let Some(event) = self.drain()? {
            return Ok(event);
        }
        if self.lost_at.is_some_and(|at| Instant::now() >= at) {
            return Err(RoomLost::Unreachable);
        }
        let deadline = self.peer_deadline.min(self.signal.deadline());
        let deadline = self.lost_at.map_or(deadline, |at| deadline.min(at));
        select! {
            biased;
            received = self.udp.recv_from(self.datagram.as_mut_slice()) => {
                let (length, source) = received?;
                if let Some(datagram) = self.datagram.get(..length) {
                    self.peer.handle_datagram(Instant::now().into_std(), source, datagram)?;
                }
                Ok(self.drain()?.unwrap_or(RoomEvent::Idle))
            }
            message = self.signal.next() => Ok(self.read(message?)?),
            () = sleep_until(deadline) => Ok(RoomEvent::Idle),
        }
    }

    /// Publishes our audio track; a call that rings is answered by it.
    pub fn publish(&mut self) {
        self.published += 1;
        self.peer.publish(format!("dialplane-audio-{}", self.published));
    }

    pub fn hear_only(&mut self, tracks: Vec<String>) {
        self.peer.hear_only(tracks);
    }

    /// Sends a frame with the next [`Room::next`]; `false` when there is no way to the caller yet, or just now.
    pub fn write_frame(&mut self, frame: Frame) -> bool {
        self.peer.write_frame(Instant::now().into_std(), frame)
    }

    /// Sends a packet on the reliable data channel; `false` when it could not take it.
    pub fn send_data(&mut self, packet: &[u8]) -> bool {
        self.peer.send_data(packet)
    }

    /// Leaves, saying so on both ways.
    pub async fn leave(mut self) {
        self.peer.close();
        // Whatever is not sent now, the server finds out by itself.
        while let Ok(Some(_)) = self.drain() {}
        self.signal.leave().await;
    }

    /// Sends what the peer has to send, up to its next event of concern.
    fn drain(&mut self) -> Result<Option<RoomEvent>, RoomLost> {
        let now = Instant::now().into_std();
        loop {
            match self.peer.poll(now)? {
                Out::Transmit(datagram) => {
                    let taken = self.udp.try_send_to(&datagram.contents, datagram.destination);
                    // What is no media is sent again when the network loses it.
                    if taken.is_err() && is_media(&datagram.contents) {
                        return Ok(Some(RoomEvent::Unsent));
                    }
                }
                Out::Event(PeerEvent::Connected) => return Ok(Some(RoomEvent::Connected)),
                // Whoever has something to send may do so now.
                Out::Event(PeerEvent::ChannelOpen) => return Ok(Some(RoomEvent::Idle)),
                Out::Event(PeerEvent::Audio(packet)) => return Ok(Some(RoomEvent::Audio(packet))),
                Out::Event(PeerEvent::Report(report)) => return Ok(Some(RoomEvent::Report(report))),
                Out::Event(PeerEvent::Data(data)) => return Ok(Some(RoomEvent::Data(data))),
                Out::Event(PeerEvent::Lost) => {
                    self.lost_at.get_or_insert_with(|| Instant::now() + WORD);
                }
                Out::Wait(until) => {
                    self.peer_deadline = Instant::from_std(until);
                    return Ok(None);
                }
            }
        }
    }

    fn read(&mut self, message: FromRoom) -> Result<RoomEvent, RoomLost> {
        Ok(match message {
            FromRoom::Joined(joined) => RoomEvent::Joined(joined),
            FromRoom::Participants(participants) => RoomEvent::Changed(participants),
            FromRoom::Subscribed => RoomEvent::Subscribed,
            FromRoom::Token(token) => RoomEvent::Token(token),
            FromRoom::Left(departure) => RoomEvent::Left(departure),
            FromRoom::Answer(answer) => {
                self.peer.accept_answer(answer)?;
                RoomEvent::Idle
            }
            FromRoom::Candidate(line) => {
                self.peer.add_candidate(&line);
                RoomEvent::Idle
            }
            FromRoom::SectionsWanted(count) => {
                self.peer.want_sections(count);
                RoomEvent::Idle
            }
            FromRoom::Other => RoomEvent::Idle,
        })
    }
}

/// RTP and not RTCP, DTLS or STUN (RFC 7983, RFC 5761).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !matches!(kind & 0x7F, 64..=95))
}

/// The local address from which `server` is reached. Nothing is sent: a connected UDP socket knows its route.
async fn route_to(server: &Url) -> io::Result<IpAddr> {
    let unknown = || io::Error::from(io::ErrorKind::AddrNotAvailable);
    let host = server.host_str().ok_or_else(unknown)?.trim_matches(['[', ']']);
    let port = server.port_or_known_default().unwrap_or(443);
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    let target = addresses.iter().find(|a| a.is_ipv4()).or(addresses.first()).ok_or_else(unknown)?;
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let probe = UdpSocket::bind((any, 0)).await?;
    probe.connect(target).await?;
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_on_loopback_is_reached_from_loopback() {
        for server in ["ws://127.0.0.1:7880", "wss://127.0.0.1"] {
            let server = Url::parse(server).expect("a valid URL");
            assert_eq!(route_to(&server).await.ok(), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
    }
}
