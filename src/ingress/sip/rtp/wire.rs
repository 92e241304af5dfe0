//! RTP's header (RFC 3550, section 5.1).

const VERSION: u8 = 2;
const HEADER: usize = 12;

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtp<'d> {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'d [u8],
}

impl<'d> Rtp<'d> {
    /// Reads a datagram; `None` of what is no RTP, RTCP among it.
    pub fn read(datagram: &'d [u8]) -> Option<Self> {
        let (header, _) = datagram.split_first_chunk::<HEADER>()?;
        let [first, second, sequence @ .., t0, t1, t2, t3, s0, s1, s2, s3] = *header;
        let mut payload = datagram.get(header_length(datagram)?..)?;
        if first & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        Some(Self {
            payload_type: second & 0x7F,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes(sequence),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            payload,
        })
    }

    pub fn write(&self) -> Vec<u8> {
        let mut datagram = Vec::with_capacity(HEADER + self.payload.len());
        datagram.extend([VERSION << 6, self.payload_type | u8::from(self.marker) << 7]);
        datagram.extend(self.sequence.to_be_bytes());
        datagram.extend(self.timestamp.to_be_bytes());
        datagram.extend(self.ssrc.to_be_bytes());
        datagram.extend(self.payload);
        datagram
    }
}

/// How much of an RTP packet stands before its payload; `None` of what is no RTP.
pub fn header_length(datagram: &[u8]) -> Option<usize> {
    let first = *datagram.first()?;
    if first >> 6 != VERSION || is_rtcp(datagram) {
        return None;
    }
    let mut length = HEADER + usize::from(first & 0x0F) * 4;
    if first & 0x10 != 0 {
        let [_, _, words @ ..] = *datagram.get(length..)?.first_chunk::<4>()?;
        length += 4 + usize::from(u16::from_be_bytes(words)) * 4;
    }
    (length <= datagram.len()).then_some(length)
}

/// Whether a datagram of an RTP port is RTCP (RFC 5761, section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == VERSION)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_is_read_past_its_sources_extension_and_padding() {
        let plain = [0x80, 0x88, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 0xAA, 0xBB];
        let expected = Rtp {
            payload_type: 8,
            marker: true,
            sequence: 7,
            timestamp: 160,
            ssrc: 0x0102_0304,
            payload: &[0xAA, 0xBB],
        };
        assert_eq!(Rtp::read(&plain), Some(expected));
        assert_eq!(expected.write(), plain);
        let (head, payload) = plain.split_at(12);
        let dressed = [head, &[9; 4], &[0xBE, 0xDE, 0, 1], &[9; 4], payload, &[0, 0, 3]].concat();
        let dressed: Vec<u8> =
            [0x80 | 0x20 | 0x10 | 1].into_iter().chain(dressed[1..].iter().copied()).collect();
        assert_eq!(Rtp::read(&dressed), Some(expected));
    }

    #[test]
    fn what_is_no_rtp_is_left_alone() {
        let packet =
            Rtp { payload_type: 0, marker: false, sequence: 1, timestamp: 0, ssrc: 1, payload: &[1] };
        for (at, byte, what) in [
            (0, 0x40, "version 1"),
            (1, 200, "RTCP"),
            (0, 0x8F, "more sources than bytes"),
            (0, 0x90, "an extension"),
            (0, 0xA0, "more padding than payload"),
        ] {
            let mut datagram = packet.write();
            datagram[at] = byte;
            datagram[12] = if byte == 0xA0 { 9 } else { 1 };
            assert_eq!(Rtp::read(&datagram), None, "{what}");
        }
        assert_eq!(Rtp::read(&packet.write()[..11]), None);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_or_not(datagram in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(packet) = Rtp::read(&datagram) {
                prop_assert!(packet.payload.len() + 12 <= datagram.len());
                let written = packet.write();
                prop_assert_eq!(Rtp::read(&written), Some(packet));
            }
        }
    }
}
