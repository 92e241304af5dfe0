mod waiting;

use super::*;
use crate::media::clip::Clip;
use crate::media::clip::samples::{SPEC, wav};
use crate::media::codec::Codec;
use crate::session::phrases::Phrases;

/// What the way to the caller holds back.
const HELD_BACK: Duration = Duration::from_millis(100);
const SPEECH: u8 = 1;
const COMFORT: u8 = 2;
const SILENCE: u8 = 0;

/// A floor whose caller hears it, and its clock.
struct Talk {
    floor: Floor,
    now: Instant,
    timings: Timings,
}

impl Talk {
    fn new() -> Self {
        let comfort = [Arc::from([COMFORT]); 1].into();
        let (codec, silence, phrases) = (Codec::Opus, Arc::from([SILENCE]), Phrases::default());
        let sounds = Sounds { codec, silence, comfort, phrases };
        let (mut floor, now) = (Floor::new(sounds, HELD_BACK), Instant::now());
        floor.open(false, now);
        floor.start(now + FRAME);
        Self { floor, now, timings: Timings::default() }
    }

    /// 20 ms at a time; what left, by its first byte.
    fn run(&mut self, frames: u32) -> Vec<u8> {
        let mut left = Vec::new();
        for _ in 0..frames {
            self.now += FRAME;
            for action in self.floor.on_time(self.now, &self.timings) {
                let Action::Leg(LegCommand::Frame(frame)) = action else {
                    panic!("only frames leave by time")
                };
                left.push(frame[0]);
            }
        }
        left
    }

    fn speech(&mut self, name: &str, frames: usize) -> Vec<Action> {
        (0..frames).flat_map(|_| self.floor.speech(item(name), Arc::from([SPEECH]), self.now)).collect()
    }
}

fn item(name: &str) -> ItemId {
    ItemId(name.into())
}

fn response(name: &str) -> ResponseId {
    ResponseId(name.into())
}

/// What was heard of interrupted items, as item and milliseconds.
fn heard(interrupted: Vec<Interrupted>) -> Vec<(String, u128)> {
    interrupted.into_iter().map(|of| (of.item.0.to_string(), of.heard.as_millis())).collect()
}

#[test]
fn barge_in_silences_us_at_once_and_tells_what_was_heard_of_each_item() {
    let mut talk = Talk::new();
    talk.speech("first", 50);
    talk.floor.speech_done(item("first"));
    talk.speech("second", 50);
    assert_eq!(talk.run(30), [SPEECH; 30]);
    let interrupted = heard(talk.floor.caller_started(talk.now));
    assert_eq!(
        interrupted,
        [("first".into(), 500), ("second".into(), 0)],
        "30 frames less what the bridge holds"
    );
    assert_eq!(talk.run(3), [SILENCE; 3]);
    talk.speech("first", 5);
    talk.speech("second", 5);
    assert_eq!(talk.run(3), [SILENCE; 3], "late audio of a cut item is not heard");
    talk.speech("third", 1);
    assert_eq!(talk.run(2), [SPEECH, SILENCE]);
    assert_eq!(talk.floor.barge_ins(), 1);
}

#[test]
fn the_first_100_ms_may_not_have_been_heard_at_all() {
    let mut talk = Talk::new();
    talk.speech("greeting", 50);
    talk.run(3);
    assert_eq!(heard(talk.floor.caller_started(talk.now)), [("greeting".into(), 0)]);
}

#[test]
fn while_keys_are_pressed_speech_waits_and_nobody_counts_as_silent() {
    let mut talk = Talk::new();
    talk.floor.caller_stopped(talk.now);
    talk.speech("words", 3);
    talk.floor.presses(true, talk.now);
    assert_eq!(talk.run(500), [SILENCE; 500], "no speech, and no comfort");
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply) && !talk.floor.is_quiet());
    talk.floor.presses(false, talk.now);
    assert_eq!(talk.run(3), [SPEECH; 3], "all of it");
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply));
}

#[test]
fn a_caller_who_speaks_into_silence_interrupts_nothing() {
    let mut talk = Talk::new();
    assert!(talk.floor.caller_started(talk.now).is_empty());
    talk.speech("answer", 2);
    talk.floor.speech_done(item("answer"));
    talk.run(3);
    assert!(talk.floor.caller_started(talk.now).is_empty(), "the item was over");
    assert_eq!(talk.floor.barge_ins(), 0);
}

#[test]
fn a_greeting_that_was_made_before_the_caller_hears_us_is_owed_no_more() {
    let mut talk = Talk::new();
    talk.floor.open = false;
    talk.floor.agent_started(response("r"), talk.now);
    talk.speech("greeting", 10);
    talk.floor.speech_done(item("greeting"));
    talk.floor.agent_done(&response("r"), &ResponseOutcome::Completed);
    talk.floor.open(true, talk.now);
    assert!(!talk.run(100).contains(&COMFORT));
    talk.run(500);
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply));
}

#[test]
fn speech_waits_until_the_caller_hears_it() {
    let mut talk = Talk::new();
    talk.floor.open = false;
    talk.speech("greeting", 2);
    assert_eq!(talk.run(2), [SILENCE; 2]);
    talk.floor.open(true, talk.now);
    assert_eq!(talk.run(2), [SPEECH, SPEECH, SILENCE], "and then not a tick longer");
}

#[test]
fn an_item_that_outgrows_the_queue_is_cut_short_and_the_model_told() {
    let mut talk = Talk::new();
    assert!(talk.speech("endless", QUEUE_LIMIT).is_empty());
    let mut actions = talk.speech("endless", 2);
    assert!(matches!(actions.remove(0), Action::Model { command: ModelCommand::StopSpeaking, .. }));
    let Some(Action::Model { command: ModelCommand::Heard { heard, .. }, .. }) = actions.pop() else {
        panic!("the model is told")
    };
    assert_eq!(heard.as_millis(), 240_000, "all that was queued will be heard");
}

#[test]
fn speech_waits_for_a_leg_that_does_not_keep_up_and_none_is_lost() {
    let mut talk = Talk::new();
    talk.speech("first", 20);
    assert_eq!(talk.run(5), [SPEECH; 5]);
    talk.floor.leg_keeps_up(false);
    assert!(talk.run(10).is_empty());
    talk.floor.leg_keeps_up(true);
    assert_eq!(talk.run(16), [[SPEECH; 15].as_slice(), &[SILENCE]].concat(), "at its own pace");
}

#[test]
fn what_a_caller_who_is_away_has_not_heard_waits_for_them_and_is_told_as_unheard() {
    let mut talk = Talk::new();
    talk.speech("answer", 50);
    assert_eq!(talk.run(20), [SPEECH; 20]);
    talk.floor.away();
    talk.speech("answer", 10);
    assert!(talk.run(100).is_empty(), "nothing leaves");
    talk.floor.back(talk.now);
    assert_eq!(talk.run(20), [SPEECH; 20], "and nothing is made up for");
    talk.floor.away();
    talk.run(100);
    assert_eq!(
        heard(talk.floor.caller_started(talk.now)),
        [("answer".into(), 700)],
        "40 frames less the bridge's"
    );

    let mut talk = Talk::new();
    talk.speech("answer", 50);
    talk.run(20);
    talk.floor.away();
    talk.floor.hand_over(SessionNo::new(2), false, talk.now);
    talk.run(100);
    talk.floor.back(talk.now);
    assert_eq!(talk.run(31)[29..], [SPEECH, SILENCE], "though the model that said it was lost meanwhile");
}

#[test]
fn who_talks_over_us_is_owed_an_answer_when_we_have_finished() {
    let mut talk = Talk::new();
    talk.floor.agent_started(response("greeting"), talk.now);
    talk.speech("hello", 10);
    talk.floor.talked_over(talk.now);
    assert_eq!(talk.run(5), [SPEECH; 5], "we go on");
    talk.floor.caller_stopped(talk.now);
    assert!(talk.floor.agent_done(&response("greeting"), &ResponseOutcome::Completed));
    assert!(talk.floor.is_owing(), "the greeting was no answer");
    talk.floor.agent_started(response("answer"), talk.now);
    talk.speech("answer", 1);
    assert!(talk.floor.agent_done(&response("answer"), &ResponseOutcome::Completed));
    assert!(!talk.floor.is_owing());
    assert_eq!(talk.floor.barge_ins(), 0);
}

#[test]
fn a_greeting_is_over_once_all_of_it_was_sent() {
    let mut talk = Talk::new();
    talk.speech("hello", 10);
    talk.floor.speech_done(item("hello"));
    talk.floor.greeting_done();
    talk.speech("answer", 10);
    talk.run(10);
    assert!(!talk.floor.has_greeted());
    assert_eq!(talk.floor.heard(), FRAME * 10 - HELD_BACK);
    talk.run(1);
    assert!(talk.floor.has_greeted());
}

#[test]
fn a_recording_that_nobody_encodes_is_left_out_after_a_while_and_silence_leaves_until_then() {
    let mut talk = Talk::new();
    let recording = Arc::new(Clip::asset(wav(SPEC, 400.0, 0.5).leak()));
    talk.floor.play(&recording);
    let (mut asked, mut frames) = (0, 0);
    while !talk.floor.is_quiet() {
        talk.now += FRAME;
        for action in talk.floor.on_time(talk.now, &talk.timings) {
            match action {
                Action::Prepare { clip, codec } => {
                    assert_eq!((clip, codec), (Arc::clone(&recording), Codec::Opus));
                    asked += 1;
                }
                Action::Leg(LegCommand::Frame(frame)) => {
                    assert_eq!(frame[0], SILENCE);
                    frames += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((asked, frames), (1, 251));
    recording.prepare(Codec::Opus);
    talk.floor.play(&recording);
    assert!(talk.floor.waiting() >= FRAME * 25, "it is encoded by now");
}
