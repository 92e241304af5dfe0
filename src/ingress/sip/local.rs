//! Where we are, on this machine and on the way to others.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};

/// How often a port is looked for that is free for both UDP and TCP, where any will do.
const TRIES: usize = 16;

/// Why the port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DIALPLANE_SIP: cannot listen on {address}: {error}; accepted: a free address of this machine")]
    Listen { address: SocketAddr, error: io::Error },
    #[error(
        "[sip] tls.listen: cannot listen on {address}: {error}; accepted: a free address of this machine"
    )]
    ListenTls { address: SocketAddr, error: io::Error },
    #[error("the SIP port cannot be set up: {0}")]
    SetUp(#[from] io::Error),
}

pub(super) async fn bind(listen: SocketAddr) -> Result<(Arc<UdpSocket>, TcpListener), OpenError> {
    bind_both(listen).await.map_err(|error| OpenError::Listen { address: listen, error })
}

pub(super) async fn bind_tls(listen: SocketAddr) -> Result<TcpListener, OpenError> {
    TcpListener::bind(listen).await.map_err(|error| OpenError::ListenTls { address: listen, error })
}

/// The same address and port for UDP and TCP.
async fn bind_both(listen: SocketAddr) -> io::Result<(Arc<UdpSocket>, TcpListener)> {
    let mut tries = if listen.port() == 0 { TRIES } else { 1 };
    loop {
        let listener = TcpListener::bind(listen).await?;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(udp) => return Ok((Arc::new(udp), listener)),
            Err(error) if tries == 1 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}

/// The address that this machine has on the way to `peer`. Nothing is sent.
pub(super) async fn address_towards(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: SocketAddr = if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let probe = UdpSocket::bind(any).await?;
    probe.connect(peer).await?;
    Ok(probe.local_addr()?.ip())
}
