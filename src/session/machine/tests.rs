//! Whole calls against the pure machine in virtual time, thousands of them, each from a seed.

mod moods;
mod world;

use std::collections::HashMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use moods::{Route, TROUBLES, Trouble};
use world::World;

use super::*;
use crate::call::Destination;
use crate::ingress::leg::Frame;
use crate::lookup::{ConfigSource, Decision, Report};
use crate::media::clip::Clip;
use crate::media::clip::samples::{SPEC, wav};
use crate::realtime::{Closed, Dialect, ItemId, ResponseId, ResponseOutcome, Usage};
use crate::tenant::Agent;

const CALLS: u64 = 4_000;
const MS: Duration = Duration::from_millis(1);
const SPEECH: u8 = 1;
const COMFORT: u8 = 2;
const SILENCE: u8 = 0;

#[test]
fn any_call_has_one_ending_one_record_and_no_dead_air() {
    let mut endings: HashMap<&str, u32> = HashMap::new();
    let mut worst = Duration::ZERO;
    for seed in 0..CALLS {
        let trouble = TROUBLES[(seed % TROUBLES.len() as u64) as usize];
        let world = World::new(seed, trouble).run();
        let record = world.check(seed);
        *endings.entry(record.ending.name()).or_default() += 1;
        worst = worst.max(world.seen.worst_silence);
    }
    println!("{CALLS} calls, worst silence while speech was owed {worst:?}: {endings:?}");
    for ending in [
        "caller-hung-up",
        "caller-cancelled",
        "refused",
        "played",
        "transferred",
        "time-limit",
        "drained",
        "failed",
    ] {
        assert!(endings.contains_key(ending), "no call ended {ending}: {endings:?}");
    }
}

impl World {
    fn check(&self, seed: u64) -> &CallRecord {
        let (seen, trouble) = (&self.seen, self.trouble);
        let context = format!("seed {seed}, {trouble:?}");
        assert_eq!(seen.records.len(), 1, "{context}: one record");
        assert_eq!(seen.leaves, 1, "{context}: the leg is left once");
        assert!(seen.hang_ups <= 1 && seen.answers <= 1 && seen.opened <= 1, "{context}");
        if trouble != Trouble::Noise {
            assert_eq!(
                seen.closes + seen.model_closed,
                seen.opened,
                "{context}: every session is closed once"
            );
        }
        assert!(self.machine.deadline().is_none(), "{context}: nothing is waited for");
        assert!(seen.worst_silence < Duration::from_secs(2), "{context}: {:?} silence", seen.worst_silence);
        if let (Some(first), Some(last)) = (seen.first_frame, seen.last_frame) {
            let expected = (last - first).as_millis() / 20 + 1;
            let early = u128::from(seen.frames) - expected;
            assert!(early <= 1, "{context}: a frame every 20 ms, and one at once when the call is active");
        }
        let record = &seen.records[0];
        let failed = matches!(record.ending, Ending::Failed(_));
        let not_transferred = record.ending == Ending::Failed(Fault::Transfer);
        assert!(
            !failed || not_transferred || trouble != Trouble::None,
            "{context}: a healthy call ended {:?}",
            record.ending
        );
        let refused = matches!(record.ending, Ending::Refused(_));
        assert!(!refused || seen.answers == 0, "{context}: a refused call was answered");
        self.check_errand(record, &context);
        record
    }

    /// What a route does without a model is done whole, by nothing else, and told as it was.
    fn check_errand(&self, record: &CallRecord, context: &str) {
        let (seen, ending) = (&self.seen, record.ending);
        assert!(self.route == Route::Answers || seen.opened == 0, "{context}: no model is asked");
        assert!(seen.transfers <= u32::from(self.route == Route::Transfers), "{context}");
        let whole = match &self.route {
            Route::Plays(clip) => clip.frames().len(),
            Route::Answers | Route::Transfers => 0,
        };
        assert!(seen.played <= whole, "{context}: once");
        assert!(ending != Ending::Played || (whole > 0 && seen.played == whole), "{context}: to its end");
        assert!(ending != Ending::Transferred || seen.transferred == Some(true), "{context}");
        let failed = ending == Ending::Failed(Fault::Transfer);
        assert!(!failed || (seen.transfers == 1 && seen.transferred != Some(true)), "{context}");
    }
}

fn provider() -> Provider {
    Provider {
        name: "test".into(),
        dialect: Dialect::OpenAiRealtime,
        url: "http://127.0.0.1/v1".parse().expect("a URL"),
        api_key: "".into(),
        model: "test".into(),
        fallback: Vec::new(),
        transcription: None,
    }
}
