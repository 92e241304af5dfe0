//! The UDP ports that callers' audio comes to: pairs of an even one for RTP and the odd one above for RTCP.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

/// How many pairs are tried before the machine's other programs are taken to have them all.
const TRIES: usize = 64;

/// The pairs of a range. Clones share them.
#[derive(Debug, Clone)]
pub struct Ports {
    address: IpAddr,
    /// The even ports; the one that was given back longest ago is the first, so that what is still on its way to a
    /// call that is over comes to nobody.
    free: Arc<Mutex<VecDeque<u16>>>,
}

/// Why there is no pair.
#[derive(Debug, thiserror::Error)]
pub enum NoPort {
    #[error("every RTP port is taken by a call")]
    AllTaken,
    #[error("no RTP port can be bound: {0}")]
    Io(#[from] io::Error),
}

/// A pair that is bound, until it is dropped.
#[derive(Debug)]
pub struct Port {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    held: Held,
}

/// A pair is one call's.
#[derive(Debug)]
struct Held {
    number: u16,
    free: Arc<Mutex<VecDeque<u16>>>,
}

impl Ports {
    /// Those of a range, from a random one on: another router on this machine may have the same range.
    pub fn new(address: IpAddr, range: &RangeInclusive<u16>) -> Self {
        Self::beginning(address, range, rand::random())
    }

    fn beginning(address: IpAddr, range: &RangeInclusive<u16>, at: u32) -> Self {
        let even = (*range.start()..*range.end()).filter(|port| *port != 0 && port % 2 == 0);
        let mut free: VecDeque<u16> = even.collect();
        free.rotate_left(at as usize % free.len().max(1));
        Self { address, free: Arc::new(Mutex::new(free)) }
    }

    /// Takes and binds a pair.
    pub async fn take(&self) -> Result<Port, NoPort> {
        let mut error = NoPort::AllTaken;
        // Pairs of other programs are held meanwhile, so that none is tried twice.
        let mut others = Vec::new();
        while others.len() < TRIES {
            let Some(number) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
                break;
            };
            let held = Held { number, free: Arc::clone(&self.free) };
            match self.bind(number).await {
                Ok((rtp, rtcp)) => return Ok(Port { rtp, rtcp, held }),
                Err(why) => error = why.into(),
            }
            others.push(held);
        }
        Err(error)
    }

    async fn bind(&self, number: u16) -> io::Result<(UdpSocket, UdpSocket)> {
        let rtp = UdpSocket::bind((self.address, number)).await?;
        Ok((rtp, UdpSocket::bind((self.address, number + 1)).await?))
    }
}

/// The next datagram, with its source in the version of IP that it came by. Cancel safe.
pub(super) async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let (length, source) = socket.recv_from(buffer).await?;
    Ok((length, SocketAddr::new(source.ip().to_canonical(), source.port())))
}

impl Port {
    /// Of RTP.
    pub const fn number(&self) -> u16 {
        self.held.number
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Pairs that nobody has at the moment.
    async fn free_range() -> RangeInclusive<u16> {
        loop {
            let probe = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
            let start = probe.local_addr().unwrap().port() & !1;
            drop(probe);
            let Some(end) = start.checked_add(5) else { continue };
            let mut bound = Vec::new();
            for port in start..=end {
                bound.extend(UdpSocket::bind((LOOPBACK, port)).await);
            }
            if bound.len() == 6 {
                return start..=end;
            }
        }
    }

    #[test]
    fn every_pair_of_the_range_is_there_wherever_it_begins() {
        for (at, expected) in [(0, [20, 22, 24]), (1, [22, 24, 20]), (u32::MAX, [20, 22, 24])] {
            let ports = Ports::beginning(LOOPBACK, &(19..=25), at);
            assert_eq!(*ports.free.lock().unwrap(), expected);
        }
        assert!(Ports::new(LOOPBACK, &(21..=22)).free.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_pair_is_one_calls_until_it_is_dropped_and_then_the_last_to_be_taken() {
        let range = free_range().await;
        let first = *range.start();
        let ports = Ports::beginning(LOOPBACK, &range, 0);
        let a = ports.take().await.unwrap();
        let b = ports.take().await.unwrap();
        assert_eq!((a.number(), b.number()), (first, first + 2));
        drop(a);
        let c = ports.take().await.unwrap();
        let d = ports.take().await.unwrap();
        assert_eq!((c.number(), d.number()), (first + 4, first));
        assert!(matches!(ports.take().await, Err(NoPort::AllTaken)));
    }

    #[tokio::test]
    async fn a_pair_of_which_another_program_has_one_is_passed_over() {
        let range = free_range().await;
        let first = *range.start();
        let _other = UdpSocket::bind((LOOPBACK, first + 1)).await.unwrap();
        let ports = Ports::beginning(LOOPBACK, &range, 0);
        let taken = ports.take().await.unwrap();
        assert_eq!(taken.number(), first + 2);
        let _last = ports.take().await.unwrap();
        let none = ports.take().await;
        assert!(matches!(none, Err(NoPort::Io(_))), "{none:?}");
    }
}
