//! Ports for programs that can't be asked which one they took.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Above the RTP of livekit-sip and of a router, and below what Linux gives to sockets that ask for any: nobody else is
/// given one of these between our look and the program's start.
const PORTS: Range<u16> = 30_000..32_768;

/// An address of loopback that nobody has, for UDP and TCP. None is given twice before all were.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Not where another run on this machine begins.
    let start = std::process::id().wrapping_mul(101);
    for _ in PORTS {
        let at =
            start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS.end - PORTS.start);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORTS.start + at as u16));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port of {PORTS:?} is free");
}
