//! A recording that callers are played: a WAV file, encoded once for all of them, by a thread that carries no call.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use hound::{SampleFormat, WavReader, WavSpec};

use super::codec::{Codec, transcode};
use super::opus::encode_recording;

/// A recording as 20 ms frames, one stream from its first frame on: in each codec from [`Clip::prepare`] on.
#[derive(Clone)]
pub struct Clip {
    source: Source,
    /// What is made of it when it is first needed, by the codec's place in [`Codec::ALL`].
    encoded: [OnceLock<Frames>; Codec::ALL.len()],
}

type Frames = Box<[Arc<[u8]>]>;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Source {
    /// A file, as Opus: it is kept for as long as its dialplan.
    Opus(Frames),
    /// A WAV file that is part of the program.
    Asset(&'static [u8]),
}

impl PartialEq for Clip {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Clip {}

impl Hash for Clip {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

/// Why a file is no [`Clip`]: what was found in it.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ClipError {
    #[error("something that is no WAV of PCM")]
    NotWav,
    #[error("samples of floating point")]
    Float,
    #[error("samples of {0} bits")]
    Bits(u16),
    #[error("{0} channels")]
    Channels(u16),
    #[error("{0} Hz")]
    Rate(u32),
    #[error("{0:.2} s of sound")]
    Length(f64),
    #[error("a WAV that breaks off")]
    BreaksOff,
}

impl Clip {
    /// What [`Clip::read`] accepts, for error texts.
    pub const ACCEPTED: &str =
        "a WAV of 16 bit PCM, mono or stereo, of 8000, 16000, 24000 or 48000 Hz, from 0.1 to 60 s long";

    /// The largest file that can be one, in bytes: 60 s of 48 kHz stereo, and what stands around it.
    pub const LARGEST: u64 = 60 * 48_000 * 2 * 2 + 512 * 1024;

    const SHORTEST: f64 = 0.1;
    const LONGEST: f64 = 60.0;

    /// Reads and encodes the bytes of a WAV file. Both channels of stereo are heard.
    pub fn read(wav: &[u8]) -> Result<Self, ClipError> {
        let (mono, rate) = Self::samples(wav)?;
        Ok(Self::of(Source::Opus(encode_recording(&mono, rate).into())))
    }

    /// A WAV file that is part of the program, and that [`Clip::read`] would take: a test sees to that.
    pub fn asset(wav: &'static [u8]) -> Self {
        Self::of(Source::Asset(wav))
    }

    fn of(source: Source) -> Self {
        Self { source, encoded: Default::default() }
    }

    /// The samples of a WAV file that can be a clip, and how many a second has.
    pub fn samples(wav: &[u8]) -> Result<(Vec<i16>, u32), ClipError> {
        let reader = WavReader::new(wav).map_err(|_| ClipError::NotWav)?;
        let WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format } = reader.spec();
        if sample_format == SampleFormat::Float {
            return Err(ClipError::Float);
        }
        if bits != 16 {
            return Err(ClipError::Bits(bits));
        }
        if !matches!(channels, 1 | 2) {
            return Err(ClipError::Channels(channels));
        }
        // What libopus takes as it is, but for 12 kHz, which nobody records at.
        if !matches!(rate, 8_000 | 16_000 | 24_000 | 48_000) {
            return Err(ClipError::Rate(rate));
        }
        let length = f64::from(reader.duration()) / f64::from(rate);
        if !(Self::SHORTEST..=Self::LONGEST).contains(&length) {
            return Err(ClipError::Length(length));
        }
        let samples: Vec<i16> =
            reader.into_samples().collect::<Result<_, _>>().map_err(|_| ClipError::BreaksOff)?;
        Ok((samples.chunks(channels.into()).map(mean).collect(), rate))
    }

    /// Encodes it, unless that is done. A minute takes a second: nothing for a thread that carries calls.
    pub fn prepare(&self, codec: Codec) {
        let opus = self.opus();
        if codec != Codec::Opus {
            self.place(codec).get_or_init(|| transcode(opus, codec));
        }
    }

    /// `None` before it is prepared.
    pub fn frames(&self, codec: Codec) -> Option<impl ExactSizeIterator<Item = &Arc<[u8]>>> {
        let frames = match (&self.source, codec) {
            (Source::Opus(opus), Codec::Opus) => Some(opus),
            _ => self.place(codec).get(),
        };
        frames.map(|frames| frames.iter())
    }

    fn opus(&self) -> &Frames {
        match &self.source {
            Source::Opus(opus) => opus,
            Source::Asset(wav) => self.place(Codec::Opus).get_or_init(|| {
                let (mono, rate) = Self::samples(wav).expect("a test reads every asset");
                encode_recording(&mono, rate).into()
            }),
        }
    }

    fn place(&self, codec: Codec) -> &OnceLock<Frames> {
        self.encoded.get(codec as usize).expect("every codec has its place")
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clip")
    }
}

fn mean(channels: &[i16]) -> i16 {
    match channels {
        [left, right] => left.midpoint(*right),
        _ => channels.first().copied().unwrap_or_default(),
    }
}

/// WAV files for tests.
#[cfg(test)]
pub(crate) mod samples {
    use std::f64::consts::TAU;
    use std::io::Cursor;

    use hound::{SampleFormat, WavSpec, WavWriter};

    pub(crate) const SPEC: WavSpec =
        WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

    /// A tone at half of full scale, the same on every channel.
    pub(crate) fn wav(spec: WavSpec, hz: f64, seconds: f64) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).expect("hound writes it");
        for n in 0..(f64::from(spec.sample_rate) * seconds) as u32 {
            let wave = (TAU * hz * f64::from(n) / f64::from(spec.sample_rate)).sin() * 0.5;
            for _ in 0..spec.channels {
                match (spec.sample_format, spec.bits_per_sample) {
                    (SampleFormat::Float, _) => writer.write_sample(wave as f32),
                    (SampleFormat::Int, 8) => writer.write_sample((wave * 127.0) as i8),
                    (SampleFormat::Int, 16) => writer.write_sample((wave * 32_767.0) as i16),
                    (SampleFormat::Int, _) => writer.write_sample((wave * 8_388_607.0) as i32),
                }
                .expect("it fits");
            }
        }
        writer.finalize().expect("it is whole");
        file.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::samples::{SPEC, wav};
    use super::*;
    use crate::media::codec::Decoder;
    use crate::media::outlet::Outlet;

    /// How often it crosses zero upwards, and its loudest sample.
    fn measure(clip: &Clip, codec: Codec) -> (usize, i16) {
        let (mut outlet, mut decoder) = (Outlet::new(codec, codec), Decoder::new(codec));
        clip.prepare(codec);
        let frames = clip.frames(codec).expect("it is prepared");
        let pcm: Vec<i16> = frames.flat_map(|frame| decoder.decode(&outlet.payload(frame))).collect();
        let loud = |sample: i16| if sample.abs() < 1_000 { 0 } else { sample.signum() };
        let signs: Vec<i16> = pcm.iter().map(|sample| loud(*sample)).filter(|sign| *sign != 0).collect();
        let crossings = signs.windows(2).filter(|pair| pair[0] < pair[1]).count();
        (crossings, pcm.iter().copied().max().expect("samples"))
    }

    #[test]
    fn a_tone_of_any_accepted_rate_keeps_its_pitch_length_and_level() {
        for rate in [8_000, 16_000, 24_000, 48_000] {
            for channels in [1, 2] {
                let clip = Clip::read(&wav(WavSpec { sample_rate: rate, channels, ..SPEC }, 400.0, 1.0));
                let clip = clip.expect("it is accepted");
                let length = clip.frames(Codec::Opus).expect("a file is read as Opus").len();
                assert!((50..=52).contains(&length), "{rate} Hz: {length} frames");
                for codec in Codec::ALL {
                    let (crossings, peak) = measure(&clip, codec);
                    let found = format!("{rate} Hz, {channels}, {codec:?}: {crossings} periods, peak {peak}");
                    assert!((396..=402).contains(&crossings) && (14_000..19_500).contains(&peak), "{found}");
                }
            }
        }
    }

    #[test]
    fn an_asset_is_encoded_when_it_is_asked_for_and_then_the_same_as_a_file() {
        let tone = wav(SPEC, 400.0, 0.5);
        let (asset, file) = (Clip::asset(tone.clone().leak()), Clip::read(&tone).expect("a recording"));
        for codec in Codec::ALL {
            assert!(asset.frames(codec).is_none(), "{codec:?}");
            asset.prepare(codec);
            file.prepare(codec);
            let (asset, file) = (asset.frames(codec).expect("frames"), file.frames(codec).expect("frames"));
            assert!(asset.eq(file), "{codec:?}");
        }
    }

    #[test]
    fn what_is_no_recording_is_told_by_what_was_found() {
        let tone = |spec, seconds| wav(spec, 400.0, seconds);
        let whole = tone(SPEC, 0.5);
        for (bytes, found) in [
            (Vec::new(), "something that is no WAV of PCM"),
            (b"ID3 an MP3".to_vec(), "something that is no WAV of PCM"),
            (whole[..30].to_vec(), "something that is no WAV of PCM"),
            (whole[..400].to_vec(), "a WAV that breaks off"),
            (tone(WavSpec { bits_per_sample: 8, ..SPEC }, 0.5), "samples of 8 bits"),
            (tone(WavSpec { bits_per_sample: 24, ..SPEC }, 0.5), "samples of 24 bits"),
            (
                tone(WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..SPEC }, 0.5),
                "samples of floating point",
            ),
            (tone(WavSpec { channels: 3, ..SPEC }, 0.5), "3 channels"),
            (tone(WavSpec { sample_rate: 44_100, ..SPEC }, 0.5), "44100 Hz"),
            (tone(SPEC, 0.05), "0.05 s of sound"),
            (tone(SPEC, 60.5), "60.50 s of sound"),
        ] {
            let error = Clip::read(&bytes).expect_err(found);
            assert_eq!(error.to_string(), found);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(at in 0usize..60, byte in any::<u8>(), length in 0usize..2_000) {
            let mut bytes = wav(SPEC, 400.0, 0.1);
            bytes[at] = byte;
            bytes.truncate(length.max(1));
            let _either = Clip::read(&bytes);
        }
    }
}
