//! What is said in the demo, recorded. The words and how they were made stand beside the recordings.

use std::sync::Arc;

use crate::kit::model::script::{Behaviour, Recorded, Rule, Script};
use crate::media::clip::Clip;
use crate::media::resample::Up;

macro_rules! recording {
    ($name:literal) => {
        include_bytes!(concat!("../../assets/demo/", $name, ".wav"))
    };
}

/// What the caller says, at the telephone's 8 kHz.
pub(super) fn caller() -> Vec<i16> {
    telephone(recording!("caller"))
}

/// What the agent says in a recording of that name, at the telephone's 8 kHz.
pub(super) fn agent(name: &str) -> Vec<i16> {
    telephone(match name {
        "dental-greeting" => recording!("dental-greeting"),
        "dental-reply" => recording!("dental-reply"),
        "kettle-greeting" => recording!("kettle-greeting"),
        "clinic-greeting" => recording!("clinic-greeting"),
        _ => recording!("default-greeting"),
    })
}

/// A model that has a voice for each tenant, and one for everybody else.
pub(super) fn model() -> Script {
    let behaviour = |greeting: &str| {
        let said = |name| Arc::from(Up::default().push(&agent(name)));
        let recorded = Recorded { greeting: said(greeting), reply: said("dental-reply") };
        Behaviour { recorded: Some(recorded), ..Behaviour::default() }
    };
    Script::always(behaviour("default-greeting"))
        .with(Rule::voice("marin", behaviour("dental-greeting")))
        .with(Rule::voice("cedar", behaviour("kettle-greeting")))
        .with(Rule::voice("ash", behaviour("clinic-greeting")))
}

/// The words of a recording, by its name.
pub(super) fn words(name: &str) -> &'static str {
    let mut lines = include_str!("../../assets/demo/words.txt").lines();
    lines
        .find_map(|line| line.strip_prefix(name)?.rsplit('|').next())
        .expect("a recording has its words there")
}

fn telephone(wav: &[u8]) -> Vec<i16> {
    Clip::samples(wav).expect("a test plays every recording").0
}
