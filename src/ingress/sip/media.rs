//! The media of one call: what was agreed on.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::message::Reply;
use super::sdp::{Description, Local, Stream};

/// The two sides' descriptions so far.
pub struct Media {
    local: Local,
    stream: Option<Stream>,
    described: String,
}

impl Media {
    pub fn open(offer: &[u8], address: IpAddr, ports: &RangeInclusive<u16>) -> Result<Self, Reply> {
        let mut local = Local {
            address,
            port: *ports.start(),
            session: rand::random::<u32>().into(),
            version: 1,
            codec: None,
        };
        if offer.is_empty() {
            let described = local.offer();
            return Ok(Self { local, stream: None, described });
        }
        let offered = Description::parse(offer).map_err(|_| Reply::status(400))?;
        let answer = offered.answer(&local).map_err(|_| Reply::status(488))?;
        local.codec = Some(answer.stream.codec);
        Ok(Self { local, stream: Some(answer.stream), described: answer.sdp })
    }

    pub fn describe(&self) -> Vec<u8> {
        self.described.clone().into_bytes()
    }

    pub fn answered(&mut self, body: &[u8]) -> Result<(), Reply> {
        let answer = Description::parse(body).map_err(|_| Reply::status(400))?;
        self.stream = Some(answer.accept(&self.local).map_err(|_| Reply::status(488))?);
        Ok(())
    }

    pub fn negotiate(&mut self, offer: &[u8]) -> Result<Vec<u8>, Reply> {
        let offered = Description::parse(offer).map_err(|_| Reply::status(400))?;
        self.local.version += 1;
        let answer = offered.answer(&self.local).map_err(|_| Reply::status(488))?;
        self.stream = Some(answer.stream);
        self.described = answer.sdp;
        Ok(self.describe())
    }

    pub fn is_held(&self) -> bool {
        self.stream.is_some_and(|stream| !stream.sends)
    }
}
