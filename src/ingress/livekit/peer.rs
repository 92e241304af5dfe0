//! The media connection of one call: ICE, DTLS, one audio track each way and a data channel, without I/O.
//!
//! The shell feeds datagrams and time, and calls [`Peer::poll`] after every input until it says how long to wait.
//! Negotiation is ours alone (LiveKit's single-connection mode): one offer is out at a time, and whatever is wanted
//! meanwhile goes into the next.

mod liveness;
mod sections;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::format::PayloadParams;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::stats::MediaEgressStats;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use self::liveness::Liveness;
use self::sections::Sections;
use crate::ingress::leg::Frame;
use crate::livekit::wire::Received;
use crate::livekit::wire::data::FromPeer;
use crate::livekit::wire::signal::{Answer, Offer};
use crate::media::packet::{Packet, ticks};
use crate::media::quality::Report;

/// RTP ticks of one 20 ms frame; Opus always counts at 48 kHz (RFC 7587).
const FRAME_TICKS: u32 = 960;
/// How often what the server reports of our stream is looked at.
const REPORTS: Duration = Duration::from_secs(1);
/// The most that a count of 24 bits with a sign says (RFC 3550, 6.4.1). Above it are copies: nothing was lost.
const LOST_MAX: u64 = 0x7F_FFFF;
/// str0m's ICE does one thing per turn and takes a turn every 50 ms. The path of a first check, request, answer and
/// nomination, is a few such turns, while a caller hears ringing; so until it stands each input gets as many at once.
const TURNS: u8 = 4;
/// The stream our track belongs to, the first half of `a=msid`.
const STREAM: &str = "agent";

pub struct Peer {
    rtc: Rtc,
    local: SocketAddr,
    outstanding: Option<(u32, SdpPendingOffer)>,
    offers: u32,
    reliable: ChannelId,
    sections: Sections,
    receiving: Vec<Mid>,
    /// The server has asked for an offer; it may need one only to say which track a free section got.
    offer_wanted: bool,
    publication: Publication,
    /// Frames sent.
    frames: u32,
    track_of_mid: HashMap<String, String>,
    audible: BTreeSet<String>,
    liveness: Liveness,
    /// Turns of ICE still to be taken now; `None` once the connection stands.
    turns: Option<u8>,
}

/// Builds a connection and throws it away: the first one of a process initialises the cryptography, which takes
/// tens of milliseconds that no caller should wait for.
pub fn warm_up(now: Instant) {
    drop(Rtc::builder().build(now));
}

/// Our audio track on its way to the room.
enum Publication {
    None,
    /// To be offered next, in place of an earlier one that nobody subscribed to.
    Wanted {
        cid: String,
        replaces: Option<Mid>,
    },
    Offered(Mid),
    /// Answered: frames can be sent, whatever offer is out later.
    Live(Mid),
}

/// What [`Peer::poll`] gives.
pub enum Out {
    Transmit(Transmit),
    Event(PeerEvent),
    /// Nothing more until an input, or until then.
    Wait(Instant),
}

#[derive(Debug, Clone, PartialEq)]
pub enum PeerEvent {
    /// Media flows both ways.
    Connected,
    ChannelOpen,
    /// The connection is gone for too long to come back.
    Lost,
    /// A packet of the caller's, as it arrived: once, but in any order.
    Audio(Packet),
    /// What the server says of what we send.
    Report(Report),
    Data(FromPeer),
}

/// The media connection is of no more use; a fresh one may be.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error("the server's answer is no SDP")]
    Sdp,
    #[error("an answer without its offer")]
    NoOffer,
    #[error("the WebRTC session failed")]
    Session(#[source] RtcError),
}

impl From<RtcError> for PeerError {
    fn from(error: RtcError) -> Self {
        Self::Session(error)
    }
}

impl Peer {
    /// A connection that will send from `local`, and its first offer: data channels and one receiving section, so
    /// nothing that would answer the call.
    pub fn new(now: Instant, local: SocketAddr) -> Result<(Self, Offer), PeerError> {
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            // Order, gaps and lateness are for `Hearing` to judge, which knows the clock.
            .set_rtp_mode(true)
            .set_stats_interval(Some(REPORTS))
            .build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(RtcError::from)?);

        let mut changes = rtc.sdp_api();
        let reliable = changes
            .add_channel_with_config(ChannelConfig { label: "_reliable".into(), ..ChannelConfig::default() });
        changes.add_channel_with_config(ChannelConfig {
            label: "_lossy".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        });
        let receiving = changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let (sdp, pending) = changes.apply().expect("new sections need an offer");
        let offer = Offer { id: 1, sdp: sdp.to_sdp_string() };
        let peer = Self {
            rtc,
            local,
            outstanding: Some((offer.id, pending)),
            offers: offer.id,
            reliable,
            sections: Sections::one(),
            receiving: vec![receiving],
            offer_wanted: false,
            publication: Publication::None,
            frames: 0,
            track_of_mid: HashMap::new(),
            audible: BTreeSet::new(),
            liveness: Liveness::new(now),
            turns: Some(TURNS),
        };
        Ok((peer, offer))
    }

    /// Publishes our track, named `cid`, with the next offer; a track published before is withdrawn.
    pub fn publish(&mut self, cid: String) {
        let replaces = match self.publication {
            Publication::Offered(mid) | Publication::Live(mid) => Some(mid),
            Publication::Wanted { replaces, .. } => replaces,
            Publication::None => None,
        };
        self.publication = Publication::Wanted { cid, replaces };
    }

    /// The server wants this many receiving sections besides those that carry a track. Where it has bound a track
    /// to a free section since its last answer, the count is zero, and it waits for an offer to answer.
    pub fn want_sections(&mut self, count: u32) {
        self.sections.want(count);
        self.offer_wanted = true;
    }

    /// Hears only these tracks. Before it is told, and while no section's track is known, it hears all. A section that
    /// alone is unknown may be anyone's: it is heard once an answer names its track, which the server asks an offer
    /// for (see [`Peer::want_sections`]).
    pub fn hear_only(&mut self, tracks: impl IntoIterator<Item = String>) {
        self.audible = tracks.into_iter().collect();
    }

    /// The next offer, if one is wanted and none is out, and the track id to announce before it.
    pub fn next_offer(&mut self) -> Option<(Option<String>, Offer)> {
        if self.outstanding.is_some() {
            return None;
        }
        let publishes = matches!(self.publication, Publication::Wanted { .. });
        let changed = publishes || self.sections.is_any_wanted();
        let silent = std::mem::take(&mut self.offer_wanted) && !changed && self.sections.may_ask();
        if !changed && !silent {
            return None;
        }
        if changed {
            self.sections.say();
        }
        let mut changes = self.rtc.sdp_api();
        // One that lost its track was answered as inactive; offered so, the server would stop it for good, with a new track.
        for mid in &self.receiving {
            changes.set_direction(*mid, Direction::RecvOnly);
        }
        if silent {
            self.sections.ask();
            // str0m makes no offer without a change, so there is one that means nothing.
            changes.add_media(MediaKind::Audio, Direction::Inactive, None, None, None);
        }
        for _ in 0..self.sections.offer() {
            let mid = changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
            self.receiving.push(mid);
        }
        let announced = match &self.publication {
            Publication::Wanted { cid, replaces } => {
                if let Some(mid) = *replaces {
                    changes.set_direction(mid, Direction::Inactive);
                }
                let cid = cid.clone();
                let (stream, track) = (Some(STREAM.to_owned()), Some(cid.clone()));
                let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, stream, track, None);
                self.publication = Publication::Offered(mid);
                Some(cid)
            }
            Publication::None | Publication::Offered(_) | Publication::Live(_) => None,
        };
        let (sdp, pending) = changes.apply()?;
        self.offers += 1;
        self.outstanding = Some((self.offers, pending));
        Some((announced, Offer { id: self.offers, sdp: sdp.to_sdp_string() }))
    }

    pub fn accept_answer(&mut self, answer: Answer) -> Result<(), PeerError> {
        let (_, pending) = self
            .outstanding
            .take_if(|(id, _)| *id == answer.id || answer.id == 0)
            .ok_or(PeerError::NoOffer)?;
        let sdp = SdpAnswer::from_sdp_string(&answer.sdp).map_err(|_| PeerError::Sdp)?;
        self.rtc.sdp_api().accept_answer(pending, sdp)?;
        self.hurry();
        // It names the tracks of all sections: one that it leaves out is free.
        self.track_of_mid = answer.track_of_mid;
        self.sections.name(self.track_of_mid.len());
        if let Publication::Offered(mid) = self.publication {
            self.publication = Publication::Live(mid);
        }
        Ok(())
    }

    /// Adds a remote candidate that our socket can reach; others would only make ICE look broken.
    pub fn add_candidate(&mut self, line: &str) {
        if let Ok(candidate) = Candidate::from_sdp_string(line)
            && candidate.proto() == Protocol::Udp
            && candidate.addr().is_ipv4() == self.local.is_ipv4()
        {
            self.rtc.add_remote_candidate(candidate);
            self.hurry();
        }
    }

    /// A datagram from `source`. What is neither STUN, DTLS nor RTP is dropped.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), PeerError> {
        let Ok(contents) = datagram.try_into() else { return Ok(()) };
        let receive = Receive { proto: Protocol::Udp, source, destination: self.local, contents };
        self.liveness.heard(now);
        self.hurry();
        Ok(self.rtc.handle_input(Input::Receive(now, receive))?)
    }

    /// Sends one 20 ms Opus frame with the next [`Peer::poll`]; `false` when it goes nowhere, because there is no
    /// published track or no live connection.
    pub fn write_frame(&mut self, now: Instant, frame: Frame) -> bool {
        let Publication::Live(mid) = self.publication else { return false };
        let payload_type = self.rtc.codec_config().params().first().map(PayloadParams::pt);
        let (Some(payload_type), true) = (payload_type, self.rtc.is_connected()) else { return false };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        let time = self.frames.wrapping_mul(FRAME_TICKS);
        stream.write_rtp(RtpWrite::new(payload_type, u64::from(self.frames).into(), time, now, frame));
        self.frames += 1;
        true
    }

    /// Sends a packet on the reliable channel; `false` when the channel is not open or takes no more.
    pub fn send_data(&mut self, packet: &[u8]) -> bool {
        self.rtc
            .channel(self.reliable)
            .is_some_and(|mut channel| channel.write(true, packet).unwrap_or(false))
    }

    /// Starts to say goodbye; [`Peer::poll`] gives what is left to send.
    pub fn close(&mut self) {
        // A session that cannot close has nothing left to send.
        let _ = self.rtc.close();
    }

    /// What there is to do. A timeout that is due is fed at once: a timer would round it up, and a frame wait for it.
    pub fn poll(&mut self, now: Instant) -> Result<Out, PeerError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(transmit) => return Ok(Out::Transmit(transmit)),
                Output::Event(event) => {
                    if let Some(event) = self.event(event, now) {
                        return Ok(Out::Event(event));
                    }
                }
                Output::Timeout(at) if at <= now || self.takes_turn() => {
                    self.rtc.handle_input(Input::Timeout(now))?;
                }
                Output::Timeout(at) => return Ok(self.wait(at, now)),
            }
        }
    }

    fn hurry(&mut self) {
        self.turns = self.turns.map(|_| TURNS);
    }

    fn takes_turn(&mut self) -> bool {
        match &mut self.turns {
            Some(left @ 1..) => {
                *left -= 1;
                true
            }
            Some(0) | None => false,
        }
    }

    fn wait(&mut self, at: Instant, now: Instant) -> Out {
        if self.liveness.is_lost(now) {
            return Out::Event(PeerEvent::Lost);
        }
        Out::Wait(self.liveness.deadline().map_or(at, |deadline| at.min(deadline)))
    }

    fn event(&mut self, event: Event, now: Instant) -> Option<PeerEvent> {
        match event {
            Event::Connected => {
                self.turns = None;
                self.liveness.connected(now);
                Some(PeerEvent::Connected)
            }
            Event::ChannelOpen(channel, _) if channel == self.reliable => Some(PeerEvent::ChannelOpen),
            Event::IceConnectionStateChange(state) => {
                self.liveness.usable(state != IceConnectionState::Disconnected, now);
                None
            }
            Event::RtpPacket(packet) => self.hear(packet),
            Event::MediaEgressStats(stats) => self.report(&stats),
            Event::ChannelData(packet) => FromPeer::decode(&packet.data).map(PeerEvent::Data),
            Event::Closed => Some(PeerEvent::Lost),
            _ => None,
        }
    }

    fn hear(&mut self, packet: RtpPacket) -> Option<PeerEvent> {
        let source = packet.header.ssrc;
        let mid = self.rtc.direct_api().stream_rx(&source).map(|stream| stream.mid())?;
        // Packets without a payload only probe the way.
        let heard = self.is_audible(mid) && !packet.payload.is_empty();
        heard.then(|| {
            PeerEvent::Audio(Packet {
                source: *source,
                sequence: *packet.seq_no,
                time: packet.time.numer(),
                arrived: packet.timestamp.into(),
                payload: packet.payload,
            })
        })
    }

    fn report(&self, stats: &MediaEgressStats) -> Option<PeerEvent> {
        let remote = stats
            .remote
            .as_ref()
            .filter(|_| matches!(self.publication, Publication::Live(mid) if mid == stats.mid))?;
        let lost = if remote.packets_lost > LOST_MAX { 0 } else { remote.packets_lost };
        Some(PeerEvent::Report(Report { lost, jitter: ticks(remote.jitter.into()) }))
    }

    fn is_audible(&self, mid: Mid) -> bool {
        self.audible.is_empty()
            || self.track_of_mid.is_empty()
            || self.track_of_mid.get(&*mid).is_some_and(|track| self.audible.contains(track))
    }
}

#[cfg(test)]
mod tests;
