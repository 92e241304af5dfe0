//! The media of one call: what was agreed on, and the audio that flows.

use std::future::pending;
use std::net::IpAddr;

use tokio::time::Instant;

use super::message::Reply;
use super::rtp::ports::{Port, Ports};
use super::rtp::{Heard, Session};
use super::sdp::{Description, Local, Stream, Text, Unacceptable};
use super::srtp::{Key, Keys, Suite};
use super::transport::Transport;
use crate::call::Digits;
use crate::ingress::leg::Frame;
use crate::media::codec::{Codec, Codecs};
use crate::media::quality::Quality;
use crate::telemetry::Metrics;

/// How what we offer is sealed, over TLS.
const OFFERED_SUITE: Suite = Suite::Aes128Sha1Tag80;

/// The port that media is opened on.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    /// What the caller reaches us by.
    pub address: IpAddr,
    /// What the call may be in.
    pub codecs: Codecs,
    /// The INVITE came over TLS: SRTP's keys may stand in its answer.
    pub secure: bool,
    pub ports: &'p Ports,
    pub metrics: &'p Metrics,
}

/// One call's media, from its INVITE on.
#[derive(Debug)]
pub struct Media {
    local: Local,
    /// What the session encodes for.
    codec: Codec,
    /// What we seal with, once the call is sealed.
    key: Option<Key>,
    stage: Stage,
    metrics: Metrics,
    /// Our last description.
    described: Text,
    /// The call is answered.
    started: bool,
}

#[derive(Debug)]
enum Stage {
    /// Our offer waits for its answer.
    Offered(Port),
    Agreed(Box<Session>),
    /// It went so.
    Over(Option<Quality>),
}

impl Media {
    /// Answers an INVITE's description, or, where it has none, makes an offer.
    pub async fn open(offer: &[u8], place: Place<'_>) -> Result<Self, Reply> {
        let Place { address, codecs, secure, ports, metrics } = place;
        let offered = if offer.is_empty() { None } else { Some(parse(offer)?) };
        let session = rand::random::<u32>().into();
        let mut local = Local { address, port: 0, session, version: 1, codecs, codec: None, secure };
        // An offer that we cannot take needs no port.
        if let Some(offered) = &offered {
            offered.fits(&local).map_err(refused)?;
        }
        let port = ports.take().await.map_err(|error| {
            tracing::warn!(%error, "call refused for want of an RTP port");
            Reply::status(503)
        })?;
        local.port = port.number();
        let metrics = metrics.clone();
        let Some(offered) = offered else {
            // The session begins to encode before the caller has chosen.
            let codec = codecs.first();
            local.codec = Some(codec);
            let key = secure.then(|| Key::fresh(OFFERED_SUITE));
            let (stage, described) = (Stage::Offered(port), local.offer(key.as_ref()));
            return Ok(Self { local, codec, key, stage, metrics, described, started: false });
        };
        let answer = offered.answer(&local, Key::fresh).map_err(refused)?;
        let codec = answer.stream.codec;
        local.codec = Some(codec);
        let key = answer.keys.as_ref().map(|keys| keys.ours.clone());
        let session = Session::new(port, answer.stream, answer.keys, codec, Instant::now(), metrics.clone());
        let stage = Stage::Agreed(Box::new(session));
        Ok(Self { local, codec, key, stage, metrics, described: answer.sdp, started: false })
    }

    /// What frames are to be encoded for.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Our last description: what answers the INVITE.
    pub fn describe(&self) -> Vec<u8> {
        self.described.reveal().clone().into_bytes()
    }

    /// Offers anew to a caller who asks for it.
    pub fn offer(&mut self, over: Transport) -> Result<Vec<u8>, Reply> {
        self.local = self.next_local(over)?;
        self.described = self.local.offer(self.key.as_ref());
        Ok(self.describe())
    }

    /// The caller's answer to our offer.
    pub fn answered(&mut self, body: &[u8]) -> Result<(), Reply> {
        let (stream, keys) = parse(body)?.accept(&self.local, self.key.as_ref()).map_err(refused)?;
        self.agree(stream, keys);
        Ok(())
    }

    /// The caller offers anew. Where that fits, this answers it; else all stays as it is. Our key stays while its suite does.
    pub fn negotiate(&mut self, offer: &[u8], over: Transport) -> Result<Vec<u8>, Reply> {
        let offered = parse(offer)?;
        let local = self.next_local(over)?;
        let ours = self.key.clone();
        let key = |suite| ours.filter(|key| key.suite() == suite).unwrap_or_else(|| Key::fresh(suite));
        let answer = offered.answer(&local, key).map_err(refused)?;
        (self.local, self.described) = (local, answer.sdp);
        self.agree(answer.stream, answer.keys);
        Ok(self.describe())
    }

    /// Whether the caller has put us on hold.
    pub fn is_held(&self) -> bool {
        match &self.stage {
            Stage::Agreed(session) => !session.stream().sends,
            Stage::Offered(_) | Stage::Over(_) => false,
        }
    }

    /// The call is answered.
    pub fn start(&mut self) {
        self.started = true;
        if let Stage::Agreed(session) = &mut self.stage {
            session.answer(Instant::now());
        }
    }

    /// The call is over: its port is given back.
    pub fn stop(&mut self) {
        if let Stage::Agreed(session) = &mut self.stage {
            session.leave(Instant::now());
        }
        self.stage = Stage::Over(self.quality());
    }

    /// Sends 20 ms now, if anybody is there.
    pub fn send(&mut self, frame: &Frame) {
        if let Stage::Agreed(session) = &mut self.stage {
            session.send(frame, Instant::now());
        }
    }

    /// Presses these keys, if the caller can be told of any; [`Heard::Pressed`] follows then.
    pub fn press(&mut self, digits: &Digits) -> bool {
        match &mut self.stage {
            Stage::Agreed(session) => session.press(digits, Instant::now()),
            Stage::Offered(_) | Stage::Over(_) => false,
        }
    }

    /// What the caller is heard to do next. Cancel safe.
    pub async fn next(&mut self) -> Heard {
        match &mut self.stage {
            Stage::Agreed(session) => session.next().await,
            Stage::Offered(_) | Stage::Over(_) => pending().await,
        }
    }

    /// How the media went so far; `None` when there was none.
    pub fn quality(&self) -> Option<Quality> {
        match &self.stage {
            Stage::Agreed(session) => session.quality(Instant::now()),
            Stage::Offered(_) => None,
            Stage::Over(quality) => *quality,
        }
    }

    /// What we describe next to a request that came so. Who could read our key on the way gets none, nor may they have a
    /// sealed call opened.
    fn next_local(&self, over: Transport) -> Result<Local, Reply> {
        let secure = over.is_secure();
        if self.key.is_some() && !secure {
            return Err(refused(Unacceptable::KeysInClear));
        }
        Ok(Local { version: self.local.version + 1, secure, ..self.local })
    }

    fn agree(&mut self, stream: Stream, keys: Option<Keys>) {
        let now = Instant::now();
        self.key = keys.as_ref().map(|keys| keys.ours.clone());
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over(None)) {
            Stage::Offered(port) => {
                let mut session = Session::new(port, stream, keys, self.codec, now, self.metrics.clone());
                if self.started {
                    session.answer(now);
                }
                Stage::Agreed(Box::new(session))
            }
            Stage::Agreed(mut session) => {
                session.change(stream, keys, now);
                Stage::Agreed(session)
            }
            over @ Stage::Over(_) => over,
        };
    }
}

fn parse(description: &[u8]) -> Result<Description, Reply> {
    Description::parse(description).map_err(|_| Reply::status(400))
}

/// With a Warning (RFC 3261, section 20.43) that says what does not fit.
fn refused(why: Unacceptable) -> Reply {
    let code = match why {
        Unacceptable::Address => 301,
        Unacceptable::NoAudio => 304,
        Unacceptable::NoCodec => 305,
        Unacceptable::NoKey => 306,
        Unacceptable::KeysInClear => 399,
    };
    Reply::status(488).with("Warning", format!("{code} dialplane \"{why}\""))
}

#[cfg(test)]
mod tests;
