//! Broken copies of good messages, the same ones for the same seed.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The most that is done to one message.
const CHANGES: usize = 4;

/// What stands in place of a number.
const NUMBERS: [&str; 10] = [
    "0",
    "-1",
    "65536",
    "2147483648",
    "4294967290",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999",
    "1e9",
];

pub struct Mutator {
    rng: SmallRng,
    /// The last message, of which a piece may get into the next.
    other: Vec<u8>,
}

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), other: Vec::new() }
    }

    /// One of them.
    pub fn choose<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    pub fn up_to(&mut self, most: usize) -> usize {
        self.rng.random_range(0..=most)
    }

    /// A broken copy.
    pub fn mutate(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..self.rng.random_range(1..=CHANGES) {
            self.change(&mut bytes);
        }
        self.other = good.to_vec();
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        match self.rng.random_range(0..12) {
            0..=2 => self.flip(bytes),
            3 => self.splice(bytes),
            4 => bytes.truncate(self.up_to(bytes.len())),
            5 => self.repeat_a_line(bytes),
            6 => self.put_another_number(bytes),
            7 => self.insert_what_is_no_text(bytes),
            8 => self.fold_a_line(bytes),
            9 => self.drop_a_line(bytes),
            10 => self.swap_lines(bytes),
            _ => self.change_line_ends(bytes),
        }
    }

    fn flip(&mut self, bytes: &mut [u8]) {
        if let Some(last) = bytes.len().checked_sub(1) {
            let at = self.up_to(last);
            bytes[at] ^= 1 << self.up_to(7);
        }
    }

    /// The head of the one and the tail of the other.
    fn splice(&mut self, bytes: &mut Vec<u8>) {
        bytes.truncate(self.up_to(bytes.len()));
        let from = self.up_to(self.other.len());
        bytes.extend_from_slice(&self.other[from..]);
    }

    /// The lines, each with its end; and one of them.
    fn lines(&mut self, bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let at = self.up_to(lines.len().saturating_sub(1));
        (lines, at)
    }

    fn repeat_a_line(&mut self, bytes: &mut Vec<u8>) {
        let (mut lines, at) = self.lines(bytes);
        if let Some(line) = lines.get(at).cloned() {
            let times = self.choose(&[1, 2, 40]);
            lines.splice(at..at, std::iter::repeat_n(line, times));
        }
        *bytes = lines.concat();
    }

    fn drop_a_line(&mut self, bytes: &mut Vec<u8>) {
        let (mut lines, at) = self.lines(bytes);
        if at < lines.len() {
            lines.remove(at);
        }
        *bytes = lines.concat();
    }

    fn swap_lines(&mut self, bytes: &mut Vec<u8>) {
        let (mut lines, at) = self.lines(bytes);
        if !lines.is_empty() {
            let other = self.up_to(lines.len() - 1);
            lines.swap(at, other);
        }
        *bytes = lines.concat();
    }

    fn put_another_number(&mut self, bytes: &mut Vec<u8>) {
        let starts: Vec<usize> = (0..bytes.len())
            .filter(|at| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[at - 1].is_ascii_digit()))
            .collect();
        if starts.is_empty() {
            return;
        }
        let start = self.choose(&starts);
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = self.choose(&NUMBERS);
        bytes.splice(start..start + length, number.bytes());
    }

    fn insert_what_is_no_text(&mut self, bytes: &mut Vec<u8>) {
        let at = self.up_to(bytes.len());
        let junk: [&[u8]; 6] = [b"\xff\xfe", b"\xe9", b"\0", b"\xf0\x28\x8c\x28", b"\r", b"\x1b[2J"];
        let piece = self.choose(&junk);
        bytes.splice(at..at, piece.iter().copied());
    }

    /// A line goes on in the next (RFC 3261, section 7.3.1).
    fn fold_a_line(&mut self, bytes: &mut Vec<u8>) {
        let spaces: Vec<usize> = (0..bytes.len()).filter(|at| matches!(bytes[*at], b' ' | b';')).collect();
        if !spaces.is_empty() {
            let at = self.choose(&spaces);
            bytes.splice(at..at, *b"\r\n ");
        }
    }

    fn change_line_ends(&mut self, bytes: &mut Vec<u8>) {
        let end: &[u8] = self.choose(&[b"\n", b"\r", b"\r\r\n", b"", b"\r\n\r\n"]);
        let (lines, at) = self.lines(bytes);
        let all = self.up_to(3) == 0;
        let changed = lines.into_iter().enumerate().flat_map(|(index, mut line)| {
            if (all || index == at) && line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                line.extend(end);
            }
            line
        });
        *bytes = changed.collect();
    }
}

#[test]
fn a_seed_gives_the_same_messages_again_and_hardly_a_good_one() {
    let good = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\nCSeq: 8 INVITE\r\n\r\nv=0\r\n";
    let all = |seed: u64| -> Vec<Vec<u8>> {
        let mut mutator = Mutator::new(seed);
        (0..1_000).map(|_| mutator.mutate(good)).collect()
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
    let unchanged = all(7).iter().filter(|bytes| **bytes == good).count();
    assert!(unchanged < 50, "{unchanged}");
}
