//! Audio as models hear and speak it: linear, or in G.711 as the telephone has it.

use std::borrow::Cow;

use super::g711::Law;
use super::resample::{Down, Up};
use super::{MODEL_RATE, Pcm, g711};

/// What audio is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Linear, at [`MODEL_RATE`].
    #[default]
    Pcm,
    /// At 8 kHz.
    G711(Law),
}

impl Format {
    /// As the call record names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcm => "pcm",
            Self::G711(Law::Mu) => "pcmu",
            Self::G711(Law::A) => "pcma",
        }
    }

    /// Samples a second.
    pub const fn rate(self) -> u32 {
        match self {
            Self::Pcm => MODEL_RATE,
            Self::G711(_) => g711::RATE,
        }
    }
}

/// Any length of mono audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audio {
    Pcm(Pcm),
    G711(Law, Vec<u8>),
}

impl Audio {
    /// At the format's own rate.
    pub fn samples(&self) -> Cow<'_, [i16]> {
        match self {
            Self::Pcm(pcm) => pcm.into(),
            Self::G711(law, bytes) => law.samples(bytes).into(),
        }
    }

    /// Silence that is as long.
    #[must_use]
    pub fn silenced(&self) -> Self {
        match self {
            Self::Pcm(pcm) => Self::Pcm(vec![0; pcm.len()]),
            Self::G711(law, bytes) => Self::G711(*law, vec![law.silence(); bytes.len()]),
        }
    }

    /// One piece after the other, as few as there can be: those of one format are one.
    pub fn joined(pieces: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut joined: Vec<Self> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Self::Pcm(all)), Self::Pcm(more)) => all.extend(more),
                (Some(Self::G711(law, all)), Self::G711(of, more)) if *law == of => all.extend(more),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }
}

/// One stream of audio as whoever takes it has it. What is in that format already stays as it is, bit for bit.
#[derive(Debug, Default)]
pub struct Converter {
    up: Option<Up>,
    down: Option<Down>,
}

impl Converter {
    pub fn pcm<'a>(&mut self, audio: &'a Audio) -> Cow<'a, [i16]> {
        match audio {
            Audio::Pcm(pcm) => pcm.into(),
            Audio::G711(law, bytes) => self.up.get_or_insert_default().push(&law.samples(bytes)).into(),
        }
    }

    pub fn g711<'a>(&mut self, law: Law, audio: &'a Audio) -> Cow<'a, [u8]> {
        match audio {
            Audio::Pcm(pcm) => {
                let samples = self.down.get_or_insert_default().push(pcm);
                samples.into_iter().map(|sample| law.encode(sample)).collect()
            }
            Audio::G711(of, bytes) if *of == law => bytes.into(),
            Audio::G711(of, bytes) => of.transcode(bytes, law).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tone::measure;

    /// A tone of 440 Hz, in pieces of 20 ms.
    fn tone(format: Format) -> Vec<Audio> {
        let rate = f64::from(format.rate());
        let sample = |n: u32| ((std::f64::consts::TAU * 440.0 * f64::from(n) / rate).sin() * 8_000.0) as i16;
        let samples: Vec<i16> = (0..format.rate()).map(sample).collect();
        let piece = |samples: &[i16]| match format {
            Format::Pcm => Audio::Pcm(samples.to_vec()),
            Format::G711(law) => Audio::G711(law, samples.iter().map(|sample| law.encode(*sample)).collect()),
        };
        samples.chunks(samples.len() / 50).map(piece).collect()
    }

    #[test]
    fn a_tone_is_the_same_in_every_format() {
        for from in [Format::Pcm, Format::G711(Law::Mu), Format::G711(Law::A)] {
            let pieces = tone(from);
            let (mut to_pcm, mut to_law) = (Converter::default(), Converter::default());
            let pcm: Vec<i16> = pieces.iter().flat_map(|piece| to_pcm.pcm(piece).into_owned()).collect();
            let (level, rest) =
                measure(&pcm[MODEL_RATE as usize / 2..], 440.0, f64::from(MODEL_RATE), 8_000.0);
            assert!(
                pcm.len() == MODEL_RATE as usize && level.abs() < 0.2 && rest < -30.0,
                "{from:?}: {rest:.1} dB"
            );
            for law in [Law::Mu, Law::A] {
                let bytes: Vec<u8> =
                    pieces.iter().flat_map(|piece| to_law.g711(law, piece).into_owned()).collect();
                let (level, rest) = measure(&law.samples(&bytes)[4_000..], 440.0, 8_000.0, 8_000.0);
                assert!(
                    bytes.len() == 8_000 && level.abs() < 0.2 && rest < -30.0,
                    "{from:?} {law:?}: {rest:.1} dB"
                );
            }
        }
    }

    #[test]
    fn what_is_in_the_format_already_is_not_touched() {
        for law in [Law::Mu, Law::A] {
            let bytes: Vec<u8> = (0..=u8::MAX).collect();
            let audio = Audio::G711(law, bytes.clone());
            assert_eq!(*Converter::default().g711(law, &audio), bytes);
        }
        let pcm = Audio::Pcm(vec![i16::MIN, -1, 0, 1, i16::MAX]);
        assert_eq!(*Converter::default().pcm(&pcm), *pcm.samples());
    }

    #[test]
    fn pieces_are_joined_where_they_are_of_one_format() {
        let mu = |bytes: &[u8]| Audio::G711(Law::Mu, bytes.to_vec());
        let pieces = [
            mu(&[1]),
            mu(&[2]),
            Audio::G711(Law::A, vec![3]),
            Audio::Pcm(vec![4]),
            Audio::Pcm(vec![5]),
            mu(&[6]),
        ];
        let joined = [mu(&[1, 2]), Audio::G711(Law::A, vec![3]), Audio::Pcm(vec![4, 5]), mu(&[6])];
        assert_eq!(Audio::joined(pieces), joined);
        assert_eq!(mu(&[1, 2]).silenced(), mu(&[0xFF, 0xFF]));
        assert_eq!(Audio::joined([]), []);
    }
}
