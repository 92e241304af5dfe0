use std::sync::Arc;

use crate::media::clip::Clip;

/// What we say ourselves, when no model is there to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phrase {
    /// No model serves the call any more, and the caller is about to be let go.
    Apology,
    /// As the apology, and the caller is about to be transferred.
    Connecting,
    /// The call must end now, and nothing is wrong with it.
    Goodbye,
}

/// The recordings of every phrase. Clones share them, and what is encoded of them.
#[derive(Debug, Clone)]
pub struct Phrases(Arc<[Recording]>);

#[derive(Debug)]
struct Recording {
    phrase: Phrase,
    /// The primary subtag of BCP 47.
    language: &'static str,
    file: &'static str,
    clip: Arc<Clip>,
}

/// The words of every recording: its file, the voice's language, and the text.
const WORDS: &str = include_str!("../../assets/phrases.txt");

/// Stands in for every language that has no recordings.
const ENGLISH: &str = "en";

macro_rules! recordings {
    ($($phrase:ident $file:literal: $($language:literal),+;)+) => {
        [$($(Recording {
            phrase: Phrase::$phrase,
            language: $language,
            file: concat!($file, ".", $language),
            clip: Arc::new(Clip::asset(include_bytes!(concat!("../../assets/", $file, ".", $language, ".wav")))),
        }),+),+]
    };
}

impl Default for Phrases {
    fn default() -> Self {
        Self(Arc::new(recordings! {
            Apology "apology": "en", "de", "es", "fr", "it";
            Connecting "connecting": "en", "de", "es", "fr", "it";
            Goodbye "goodbye": "en", "de", "es", "fr", "it";
        }))
    }
}

impl Phrases {
    /// In the language of a BCP 47 tag, such as `de-AT`, or in English.
    pub fn get(&self, phrase: Phrase, language: Option<&str>) -> Arc<Clip> {
        Arc::clone(&self.find(phrase, language).clip)
    }

    /// What the recording says, for a model to say.
    pub fn words(&self, phrase: Phrase, language: Option<&str>) -> &'static str {
        self.find(phrase, language).words()
    }

    fn find(&self, phrase: Phrase, language: Option<&str>) -> &Recording {
        let primary = language.and_then(|tag| tag.split('-').next()).unwrap_or(ENGLISH);
        let in_language = |language: &str| {
            self.0.iter().find(|of| of.phrase == phrase && of.language.eq_ignore_ascii_case(language))
        };
        let found = in_language(primary).or_else(|| in_language(ENGLISH));
        found.expect("every phrase is recorded in English")
    }
}

impl Recording {
    fn words(&self) -> &'static str {
        let text = |line: &'static str| line.strip_prefix(self.file)?.strip_prefix('|')?.split('|').nth(1);
        WORDS.lines().find_map(text).expect("a test finds the words of every recording")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::{Codec, Decoder};

    #[test]
    fn every_recording_is_short_loud_enough_and_not_too_loud() {
        for recording in Phrases::default().0.iter() {
            let (clip, mut decoder) = (&recording.clip, Decoder::new(Codec::Opus));
            clip.prepare(Codec::Opus);
            let frames = clip.frames(Codec::Opus).expect("it is prepared");
            let context = format!("{:?} in {}", recording.phrase, recording.language);
            assert!((40..130).contains(&recording.words().len()), "{context}: {}", recording.words());
            assert!((150..450).contains(&frames.len()), "{context}: {} frames", frames.len());
            let pcm: Vec<f64> = frames
                .flat_map(|frame| decoder.decode(frame))
                .map(|sample| f64::from(sample) / 32_768.0)
                .collect();
            let peak = pcm.iter().fold(0.0, |peak: f64, sample| peak.max(sample.abs()));
            assert!(peak < 0.95, "{context}: peak {peak}");
            // Of the frames that are speech, not pauses.
            let powers = pcm.chunks(480).map(|frame| frame.iter().map(|s| s * s).sum::<f64>() / 480.0);
            let speech: Vec<f64> = powers.filter(|power| *power > 1e-4).collect();
            let level = 10.0 * (speech.iter().sum::<f64>() / speech.len() as f64).log10();
            assert!((-18.0..-14.0).contains(&level), "{context}: {level} dBFS");
        }
    }

    #[test]
    fn a_language_is_found_by_its_first_subtag_and_english_stands_in() {
        let phrases = Phrases::default();
        let english = phrases.get(Phrase::Apology, Some("en"));
        for (language, is_english) in [
            (None, true),
            (Some("en-GB"), true),
            (Some("pt-BR"), true),
            (Some(""), true),
            (Some("de"), false),
            (Some("DE-at"), false),
        ] {
            let found = phrases.get(Phrase::Apology, language);
            assert_eq!(found == english, is_english, "{language:?}");
        }
        assert_ne!(phrases.get(Phrase::Goodbye, None), english);
        assert!(phrases.words(Phrase::Goodbye, Some("de-AT")).ends_with("Auf Wiederhören."));
    }
}
