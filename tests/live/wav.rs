//! WAV files of 16-bit mono PCM at the telephone's rate.

use crate::ear::RATE;

/// The canonical header.
const HEADER: usize = 44;

pub fn of(samples: &[i16]) -> Vec<u8> {
    let (rate, bytes) = (RATE as u32, (samples.len() * 2) as u32);
    let mut file = Vec::with_capacity(HEADER + samples.len() * 2);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend([1, 0, 1, 0]);
    file.extend(rate.to_le_bytes());
    file.extend((rate * 2).to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// The samples of a file that may still be growing: its header does not count them yet.
pub fn samples(file: &[u8]) -> Vec<i16> {
    let number = |at: usize, bytes: usize| {
        let bytes = file.get(at..at + bytes).unwrap_or_default();
        bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    // Channels and rate: what is more than one channel at 8 kHz is taken together.
    let together = (number(22, 2) * number(24, 4) / RATE).max(1);
    let data = file.get(HEADER..).unwrap_or_default();
    let samples: Vec<i32> =
        data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair).into()).collect();
    let mean = |group: &[i32]| i16::try_from(group.iter().sum::<i32>() / group.len() as i32).unwrap();
    samples.chunks_exact(together).map(mean).collect()
}
