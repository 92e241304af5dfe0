//! How SIP messages come and go, and between whom.

use std::net::SocketAddr;

use rsipstack::sip::{Param, Scheme, Transport as Named, Uri};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// The other end of a datagram's way or of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    pub transport: Transport,
    pub address: SocketAddr,
}

/// A peer that we send to first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Remote {
    pub peer: Peer,
    /// Its name, or its address: what its certificate has to be for, over TLS.
    pub host: String,
}

impl Transport {
    /// Whether nobody on the way reads it: only then may it carry keys.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls)
    }

    /// Whether it is of connections.
    pub const fn is_stream(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// As Via names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    pub const fn of_the_stack(self) -> Named {
        match self {
            Self::Udp => Named::Udp,
            Self::Tcp => Named::Tcp,
            Self::Tls => Named::Tls,
        }
    }

    /// What `uri` wants to be reached by; `None` where it doesn't say, or wants what we lack.
    pub fn wanted_by(uri: &Uri) -> Option<Self> {
        if uri.scheme == Some(Scheme::Sips) {
            return Some(Self::Tls);
        }
        uri.params.iter().find_map(|param| match param {
            Param::Transport(Named::Udp) => Some(Self::Udp),
            Param::Transport(Named::Tcp) => Some(Self::Tcp),
            Param::Transport(Named::Tls) => Some(Self::Tls),
            _ => None,
        })
    }

    /// What a Contact of ours adds to the address; UDP is what is meant without a word (RFC 3263, section 4.1).
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_says_how_it_wants_to_be_reached() {
        for (uri, expected) in [
            ("sip:ada@192.0.2.1", None),
            ("sip:ada@192.0.2.1;transport=udp", Some(Transport::Udp)),
            ("sip:ada@192.0.2.1;transport=TCP", Some(Transport::Tcp)),
            ("sip:ada@192.0.2.1;lr;transport=tls", Some(Transport::Tls)),
            ("sips:ada@192.0.2.1;transport=tcp", Some(Transport::Tls)),
            ("sip:ada@192.0.2.1;transport=ws", None),
        ] {
            assert_eq!(Transport::wanted_by(&Uri::try_from(uri).unwrap()), expected, "{uri}");
        }
    }
}
