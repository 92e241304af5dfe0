//! One connection: what it may keep, and how long it may take.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rsipstack::sip::SipMessage;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::select;
use tokio::sync::mpsc::{self, error::SendError};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Arrival;
use super::frame::{Broken, Framed, Framer};
use crate::ingress::sip::flow::{Flow, Outgoing};
use crate::ingress::sip::socket;

/// What a peer that does not read is kept for it: some forty messages.
const UNSENT: usize = 64 * 1024;
/// The longest that a message may take from its first byte to its last, and a new connection to its first message.
const UNFINISHED: Duration = Duration::from_secs(10);
/// How long nothing may come on a connection that no call is on. Pings come every two minutes at least (RFC 5626,
/// section 4.4.1).
const IDLE: Duration = Duration::from_secs(180);
/// The longest that a connection is kept after its last word.
const LINGER: Duration = Duration::from_secs(1);
const READ: usize = 4096;

pub(super) struct Connection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    flow: Flow,
    outgoing: Outgoing,
    arrivals: mpsc::Sender<Arrival>,
    framer: Framer,
    /// A message that the port has no place for yet. Until then nothing is read.
    waiting: Option<Vec<u8>>,
    unsent: VecDeque<u8>,
    unflushed: bool,
    heard: Instant,
    /// Since when a message is waited for.
    unfinished: Option<Instant>,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// By the peer, or by what is between us.
    Lost,
    Idle,
    /// A message that does not end.
    Unfinished,
    /// The peer does not read.
    Clogged,
    Broken(Broken),
    /// The port ends.
    Stopped,
}

/// What woke the connection.
enum Wake {
    Outgoing(Option<SipMessage>),
    Read(io::Result<usize>),
    Passed(Result<(), SendError<()>>),
    Written(io::Result<()>),
    Time,
    Stop,
}

impl<S: AsyncRead + AsyncWrite> Connection<S> {
    pub(super) fn new(stream: S, flow: Flow, outgoing: Outgoing, arrivals: mpsc::Sender<Arrival>) -> Self {
        let (reader, writer) = split(stream);
        Self {
            reader,
            writer,
            flow,
            outgoing,
            arrivals,
            framer: Framer::default(),
            waiting: None,
            unsent: VecDeque::new(),
            unflushed: false,
            heard: Instant::now(),
            unfinished: None,
        }
    }

    /// One whose peer has connected, and should have something to say.
    pub(super) fn awaiting(self, now: Instant) -> Self {
        Self { unfinished: Some(now), ..self }
    }

    /// Serves it to its end. What is still sent to it then is lost, as a datagram might be: who sends it has timers.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Outgoing {
        let end = self.serve(stop).await;
        tracing::debug!(why = end.name(), "SIP connection ends");
        self.flow.close();
        self.part(end).await;
        self.outgoing
    }

    async fn serve(&mut self, stop: &CancellationToken) -> End {
        let mut chunk = [0; READ];
        loop {
            let wake = match self.frame(Instant::now()) {
                Ok(()) => self.wake(&mut chunk, stop).await,
                Err(end) => return end,
            };
            let step = match wake {
                Wake::Outgoing(Some(message)) => self.queue(&message.to_bytes()),
                Wake::Read(Ok(length)) if length > 0 => {
                    self.heard = Instant::now();
                    self.framer.push(chunk.get(..length).unwrap_or_default());
                    Ok(())
                }
                Wake::Passed(Ok(())) | Wake::Written(Ok(())) => Ok(()),
                Wake::Read(_) | Wake::Written(Err(_)) | Wake::Outgoing(None) => Err(End::Lost),
                Wake::Passed(Err(_)) | Wake::Stop => Err(End::Stopped),
                Wake::Time => self.expire(Instant::now()),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn wake(&mut self, chunk: &mut [u8], stop: &CancellationToken) -> Wake {
        let deadline = self.deadline();
        let writes = !self.unsent.is_empty() || self.unflushed;
        select! {
            () = stop.cancelled() => Wake::Stop,
            message = self.outgoing.next() => Wake::Outgoing(message),
            read = self.reader.read(chunk), if self.waiting.is_none() => Wake::Read(read),
            passed = pass(&self.arrivals, &self.flow, &mut self.waiting), if self.waiting.is_some() => {
                Wake::Passed(passed)
            }
            written = write(&mut self.writer, &mut self.unsent, &mut self.unflushed), if writes => {
                Wake::Written(written)
            }
            () = sleep_until(deadline) => Wake::Time,
        }
    }

    /// Takes the next message out of what came, and answers pings.
    fn frame(&mut self, now: Instant) -> Result<(), End> {
        while self.waiting.is_none() {
            match self.framer.next_framed().map_err(End::Broken)? {
                Some(Framed::Message(message)) => self.waiting = Some(message),
                Some(Framed::Ping) => self.queue(b"\r\n")?,
                None => {
                    if self.framer.is_amid_a_message() {
                        self.unfinished.get_or_insert(now);
                    }
                    return Ok(());
                }
            }
            self.unfinished = None;
        }
        Ok(())
    }

    fn queue(&mut self, message: &[u8]) -> Result<(), End> {
        if self.unsent.len() + message.len() > UNSENT {
            return Err(End::Clogged);
        }
        self.unsent.extend(message);
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let idle = self.heard + IDLE;
        self.unfinished.map_or(idle, |since| idle.min(since + UNFINISHED))
    }

    fn expire(&mut self, now: Instant) -> Result<(), End> {
        if self.unfinished.is_some_and(|since| now >= since + UNFINISHED) {
            return Err(End::Unfinished);
        }
        if !self.flow.is_in_use() {
            return Err(End::Idle);
        }
        self.heard = now;
        Ok(())
    }

    /// Says the last word, if there is one, and lets the peer read it: what is closed with bytes unread is reset.
    async fn part(&mut self, end: End) {
        match end {
            End::Lost | End::Clogged => return,
            End::Broken(Broken { answer }) => {
                let answer = answer.and_then(|(head, status)| socket::refusal(&head, status, self.flow.peer));
                self.unsent.extend(answer.unwrap_or_default());
            }
            End::Stopped => self.unsent.extend(self.outgoing.rest()),
            End::Idle | End::Unfinished => {}
        }
        let (reader, writer, unsent) = (&mut self.reader, &mut self.writer, &mut self.unsent);
        let last_word = async {
            writer.write_all(unsent.make_contiguous()).await?;
            writer.shutdown().await?;
            let mut unread = [0; READ];
            while reader.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        // A peer that is gone reads no last word.
        let _ = timeout(LINGER, last_word).await;
    }
}

impl End {
    const fn name(&self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Idle => "idle",
            Self::Unfinished => "unfinished",
            Self::Clogged => "clogged",
            Self::Broken(_) => "broken",
            Self::Stopped => "stopped",
        }
    }
}

/// Gives the port the message that waits. Cancel safe.
async fn pass(
    arrivals: &mpsc::Sender<Arrival>,
    flow: &Flow,
    waiting: &mut Option<Vec<u8>>,
) -> Result<(), SendError<()>> {
    let place = arrivals.reserve().await?;
    if let Some(message) = waiting.take() {
        place.send(Arrival { flow: flow.clone(), message });
    }
    Ok(())
}

/// Writes what fits, or sees to it that what was written goes. Cancel safe.
async fn write<W: AsyncWrite>(
    writer: &mut WriteHalf<W>,
    unsent: &mut VecDeque<u8>,
    unflushed: &mut bool,
) -> io::Result<()> {
    if unsent.is_empty() {
        writer.flush().await?;
        *unflushed = false;
    } else {
        let written = writer.write(unsent.as_slices().0).await?;
        unsent.drain(..written);
        *unflushed = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
