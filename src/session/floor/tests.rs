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
fn a_model_that_lets_the_caller_wait_is_covered_by_comfort_and_then_given_up() {
    let mut talk = Talk::new();
    talk.floor.caller_stopped(talk.now);
    let quiet = talk.run(70);
    assert_eq!(quiet.iter().filter(|frame| **frame == COMFORT).count(), 1, "one after 1.4 s");
    assert_eq!(quiet.last(), Some(&COMFORT));
    talk.run(200);
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply));
    talk.run(130);
    assert!(talk.floor.is_abandoned(talk.now, talk.timings.reply), "8 s without a sign of the model");
}

#[test]
fn a_model_that_says_nothing_to_the_result_of_its_tool_is_covered_by_comfort_and_then_given_up() {
    // The response that called the tool said something, or did not.
    for (spoken, comfort_after) in [(5, 70), (0, 50)] {
        let mut talk = Talk::new();
        talk.floor.caller_stopped(talk.now);
        talk.floor.agent_started(response("calls"), talk.now);
        talk.speech("words", spoken);
        assert_eq!(talk.run(20).iter().filter(|frame| **frame == SPEECH).count(), spoken);
        talk.floor.owe_after_tool(talk.now);
        assert!(talk.floor.agent_done(&response("calls"), &ResponseOutcome::Completed));
        assert!(talk.floor.is_owing());
        let quiet = talk.run(70);
        let first = quiet.iter().position(|frame| *frame == COMFORT).expect("comfort");
        assert_eq!(first + 1, comfort_after, "{spoken} frames of speech");
        talk.run(320);
        assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply));
        talk.run(20);
        assert!(talk.floor.is_abandoned(talk.now, talk.timings.reply), "8 s without a sign of the model");
    }
}

#[test]
fn a_caller_waits_from_their_last_word_on_or_a_little_before_the_model_takes_their_turn_for_over() {
    for (told_after, comfort_after) in [(10, 70), (25, 70), (35, 70), (36, 71), (200, 235)] {
        let mut talk = Talk::new();
        talk.floor.turns_end_within(Duration::from_secs(20));
        talk.floor.caller_started(talk.now);
        talk.floor.caller_voiced(true, talk.now);
        talk.run(told_after);
        talk.floor.caller_stopped(talk.now);
        let quiet = talk.run(300);
        let first = quiet.iter().position(|frame| *frame == COMFORT).expect("comfort");
        assert_eq!(told_after as usize + first + 1, comfort_after, "told after {told_after} frames");
    }
}

#[test]
fn a_caller_whom_no_model_hears_is_not_spoken_over_and_waits_from_their_last_word_on() {
    let mut talk = Talk::new();
    talk.floor.hand_over(SessionNo::new(2), false, talk.now);
    for _ in 0..200 {
        talk.floor.caller_voiced(false, talk.now);
        assert_eq!(talk.run(1), [SILENCE]);
    }
    let quiet = talk.run(70);
    assert_eq!(quiet.iter().position(|frame| *frame == COMFORT), Some(68));
    // The next model listens to it, and says at once that it was a turn.
    talk.floor.listened(true);
    talk.floor.caller_started(talk.now);
    talk.floor.caller_stopped(talk.now);
    let quiet = talk.run(70);
    assert_eq!(quiet.iter().position(|frame| *frame == COMFORT), Some(68), "1.4 s after the last comfort");
}

#[test]
fn a_model_that_notices_a_turn_before_our_ear_does_is_not_overdue() {
    let mut talk = Talk::new();
    talk.floor.turns_end_within(Duration::from_secs(2));
    talk.floor.caller_voiced(true, talk.now);
    talk.run(1_000);
    talk.floor.caller_started(talk.now);
    assert_eq!(talk.run(50), [SILENCE; 50]);
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply_elsewhere));
}

#[test]
fn a_model_that_never_ends_a_turn_is_covered_by_comfort_and_given_up() {
    let mut talk = Talk::new();
    talk.floor.turns_end_within(Duration::from_secs(2));
    talk.floor.caller_started(talk.now);
    for _ in 0..500 {
        talk.floor.caller_voiced(true, talk.now);
        assert_eq!(talk.run(1), [SILENCE], "10 s of the caller's own voice");
    }
    let quiet = talk.run(100);
    assert_eq!(quiet.iter().position(|frame| *frame == COMFORT), Some(98), "2 s after their last word");
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply));
    talk.run(400);
    assert!(talk.floor.is_abandoned(talk.now, talk.timings.reply), "8 s after that");
}

#[test]
fn a_debt_is_paid_by_the_response_that_took_it_on_unless_it_failed_or_said_nothing() {
    let failed = || ResponseOutcome::Failed { code: "x".into() };
    let filtered = || ResponseOutcome::Incomplete { reason: "content_filter".into() };
    for (words, outcome, comfort) in [
        (0, ResponseOutcome::Completed, false),
        (0, ResponseOutcome::Cancelled, false),
        (0, filtered(), true),
        (1, filtered(), false),
        (1, failed(), true),
    ] {
        let mut talk = Talk::new();
        talk.floor.agent_started(response("r"), talk.now);
        talk.speech("answer", words);
        talk.floor.agent_done(&response("r"), &outcome);
        assert_eq!(talk.run(100).contains(&COMFORT), comfort, "{outcome:?} after {words} frames");
    }
    let mut talk = Talk::new();
    talk.floor.caller_stopped(talk.now);
    talk.floor.agent_started(response("new"), talk.now);
    talk.floor.agent_done(&response("old"), &ResponseOutcome::Completed);
    assert!(talk.run(100).contains(&COMFORT), "an older response pays nothing");
}

#[test]
fn a_caller_who_speaks_is_owed_nothing_meanwhile() {
    let mut talk = Talk::new();
    talk.floor.caller_started(talk.now);
    talk.floor.agent_started(response("late"), talk.now);
    for _ in 0..600 {
        talk.floor.caller_voiced(true, talk.now);
        assert_eq!(talk.run(1), [SILENCE], "12 s of the caller's own voice");
    }
    assert!(!talk.floor.is_abandoned(talk.now, talk.timings.reply));
    talk.floor.caller_stopped(talk.now);
    assert!(talk.run(100).contains(&COMFORT));
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
