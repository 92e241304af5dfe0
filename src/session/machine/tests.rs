//! Whole calls against the pure machine in virtual time, thousands of them, each from a seed. `DIALPLANE_RANDOM_CALLS` sets
//! how many.

mod acts;
mod ends;
mod keys;
mod lost;
pub(super) mod models;
mod moods;
mod redirected;
mod resumed;
mod world;

use std::collections::HashMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use acts::Wish;
use ends::Ends;
use keys::Keys;
use moods::{Props, Route, TROUBLES, Trouble};
use world::{Happening, World};

use super::*;
use crate::call::{Destination, Digit, Fault, Fault as CallFault, Refusal};
use crate::fleet::calls::{Admission, Limit};
use crate::ingress::leg::Frame;
use crate::lookup::{ConfigSource, Decision, Report};
use crate::media::audio::{Audio, Format};
use crate::media::clip::Clip;
use crate::media::clip::samples::{SPEC, wav};
use crate::realtime::{
    Capabilities, Closed, Dialect, ItemId, ModelCommand, ModelEvent, Opening, Provider, ResponseId,
    ResponseOutcome, Usage,
};
use crate::session::SessionNo;
use crate::session::phrases::{Phrase, Phrases};
use crate::tenant::{Agent, Greeting, Interruptible, TenantId};

const CALLS: u64 = 10_000;
/// Of them, with sessions that get old.
const LONG_CALLS: u64 = 40;
const MS: Duration = Duration::from_millis(1);
const SPEECH: u8 = 1;
const COMFORT: u8 = 2;
const SILENCE: u8 = 0;
/// From the caller's last sound, and ours. What the way to the telephone and back takes comes on top, and is under 300 ms.
const DEAD_AIR: Duration = Duration::from_millis(1_700);
/// A frame of the caller's; none is as short as the real ones, for there are many.
const VOICE: [i16; 4] = [8_000, -8_000, 8_000, -8_000];

#[test]
fn any_call_has_one_ending_one_record_and_no_dead_air() {
    let (mut endings, mut given_up) = (HashMap::<_, u32>::new(), HashMap::<_, u32>::new());
    let (mut worst, mut failovers, mut keys) = (Duration::ZERO, 0, 0);
    let mut redirected = HashMap::<_, u32>::new();
    let props = Props::default();
    let calls =
        std::env::var("DIALPLANE_RANDOM_CALLS").map_or(CALLS, |calls| calls.parse().expect("a number"));
    for seed in 0..calls {
        let trouble = match seed {
            0..LONG_CALLS => Trouble::Long,
            _ => TROUBLES[(seed % TROUBLES.len() as u64) as usize],
        };
        let world = World::new(seed, trouble, &props).run();
        let record = world.check(seed, &props);
        *endings.entry(record.ending.detail().unwrap_or(record.ending.name())).or_default() += 1;
        for session in record.model.iter().flat_map(|model| &model.sessions) {
            *given_up.entry(session.ended.unwrap_or("lasted")).or_default() += 1;
        }
        failovers += record.model.as_ref().map_or(0, |model| model.failovers);
        worst = worst.max(world.seen.worst_silence);
        keys += world.keys.told();
        if world.acts.redirected {
            *redirected.entry(record.ending.detail().unwrap_or(record.ending.name())).or_default() += 1;
        }
    }
    println!("{calls} calls, {failovers} failovers, worst silence while speech was owed {worst:?}");
    println!("{endings:?}\n{given_up:?}\nredirected: {redirected:?}");
    assert!(keys > 1_000, "models were told of {keys} keys");
    for ending in [
        "caller-hung-up",
        "caller-cancelled",
        "busy",
        "played",
        "transferred",
        "agent-hung-up",
        "time-limit",
        "turn-limit",
        "silence-limit",
        "drained",
        "model-lost",
        "model-unavailable",
        "transfer",
    ] {
        assert!(endings.contains_key(ending), "no call ended {ending}: {endings:?}");
    }
    for ending in ["transferred", "transfer", "model-unavailable", "caller-cancelled", "drained"] {
        assert!(redirected.contains_key(ending), "no redirected call ended {ending}: {redirected:?}");
    }
    for why in ["lasted", "lost", "busy", "refused", "expired", "late", "silent", "failed", "renewed"] {
        assert!(given_up.contains_key(why), "no session was {why}: {given_up:?}");
    }
}

impl World {
    fn check(&self, seed: u64, props: &Props) -> &CallRecord {
        let (seen, trouble) = (&self.seen, self.trouble);
        let context = format!("seed {seed}, {trouble:?}");
        assert_eq!(seen.records.len(), 1, "{context}: one record");
        assert_eq!(seen.leaves, 1, "{context}: the leg is left once");
        assert!(seen.hang_ups <= 1 && seen.answers <= 1, "{context}");
        let servers = &self.machine.context.servers;
        let candidates: usize = servers.iter().map(|of| 2 + of.provider.fallback.len()).sum();
        let record = &seen.records[0];
        let sessions = record.model.iter().flat_map(|model| &model.sessions);
        // Each that was lost is sought another for 10 s, one a second.
        let most = 2 * candidates + 12 * sessions.filter(|session| session.served).count();
        assert!(self.models.opened() <= most, "{context}: {} sessions", self.models.opened());
        self.models.check(&context);
        assert!(self.machine.deadline().is_none(), "{context}: nothing is waited for");
        // A model that contradicts itself may be waited for once more.
        let most = if trouble == Trouble::Noise { MS * 2_000 } else { DEAD_AIR };
        assert!(seen.worst_silence < most, "{context}: {:?} silence", seen.worst_silence);
        if let (Some(first), Some(last)) = (seen.first_frame, seen.last_frame)
            && !trouble.is_away()
        {
            let expected = (last - first).as_millis() / 20 + 1;
            let early = u128::from(seen.frames) - expected;
            assert!(early <= 1, "{context}: a frame every 20 ms, and one at once when the call is active");
        }
        let failed = matches!(record.ending, Ending::Failed(_));
        let not_transferred = record.ending == Ending::Failed(Fault::Transfer);
        let healthy = matches!(trouble, Trouble::None | Trouble::Long | Trouble::Away);
        assert!(
            !failed || not_transferred || !healthy,
            "{context}: a healthy call ended {:?}",
            record.ending
        );
        let ended = record.model.iter().flat_map(|model| &model.sessions).filter_map(|session| session.ended);
        let sound = |why| ["renewed", "overtaken"].contains(&why);
        assert!(
            !healthy || ended.clone().all(sound),
            "{context}: {:?} of a healthy model",
            ended.collect::<Vec<_>>()
        );
        let refused = matches!(record.ending, Ending::Refused(_));
        assert!(!refused || seen.answers == 0, "{context}: a refused call was answered");
        let full = record.limit.is_some();
        assert_eq!(full, seen.full, "{context}: the record says which limit");
        assert!(!full || seen.answers == 0, "{context}: a full tenant's call went on");
        self.check_errand(record, props, &context);
        self.check_redirect(record, &context);
        self.check_acts(record, &context);
        self.check_keys(record, &context);
        self.check_end(record, &context);
        record
    }

    /// What is done without a model is done whole, by nothing else, and told as it was.
    fn check_errand(&self, record: &CallRecord, props: &Props, context: &str) {
        let (seen, ending) = (&self.seen, record.ending);
        assert!(self.route == Route::Answers || self.models.opened() == 0, "{context}: no model is asked");
        let of = |clip: &Clip| {
            clip.prepare(props.sounds.codec);
            clip.frames(props.sounds.codec).expect("it is prepared").len()
        };
        let frames = |phrase| of(&props.sounds.phrases.get(phrase, None));
        let apology = frames(Phrase::Apology);
        let (whole, transfers) = match (&self.route, &self.machine.context.when_model_down) {
            (Route::Plays(clip), _) | (Route::Answers, Some(Instead::Play(clip))) => (of(clip), false),
            (Route::Transfers, _) => (0, true),
            (Route::Answers, Some(Instead::Transfer(_))) => (frames(Phrase::Connecting) + apology, true),
            (Route::Answers, _) => (apology, false),
        };
        let asked = self.wish == Wish::Transfer;
        assert!(asked || seen.transfers <= u32::from(transfers), "{context}");
        assert!(seen.played <= whole + frames(Phrase::Goodbye), "{context}: once");
        let apologised = ending == Ending::Failed(Fault::ModelLost);
        let told = ending == Ending::Played || apologised;
        assert!(!told || seen.played == whole, "{context}: to its end, {} of {whole}", seen.played);
        assert!(ending != Ending::Transferred || self.acts.handed_on, "{context}");
        let failed = ending == Ending::Failed(Fault::Transfer);
        assert!(!failed || asked || (seen.transfers == 1 && seen.transferred != Some(true)), "{context}");
    }
}

/// Tenants: the router's own backend names one for every other call, and one in ten is full.
impl World {
    fn named(&mut self) -> Option<TenantId> {
        self.rng.random_bool(0.5).then(|| TenantId::parse("named").expect("an id"))
    }

    fn admit(&mut self) {
        assert!(self.seen.answers == 0, "nothing is done without a permit");
        self.seen.full = self.rng.random_bool(0.1);
        let beyond = [Admission::Beyond(Limit::Calls), Admission::Crowded(Limit::CallsPerSecond)];
        let admission = if self.seen.full { beyond[self.rng.random_range(0..2)] } else { Admission::Within };
        self.at(self.elapsed(), Happening::Event(Event::Admitted(admission)));
    }
}
