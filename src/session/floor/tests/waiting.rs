//! Since when the caller waits, and who covers it.

use super::*;

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
    talk.floor.listened(true, talk.now);
    talk.floor.caller_started(talk.now);
    talk.floor.caller_stopped(talk.now);
    let quiet = talk.run(70);
    assert_eq!(quiet.iter().position(|frame| *frame == COMFORT), Some(68), "1.4 s after the last comfort");
}

#[test]
fn a_model_that_notices_late_what_was_said_before_still_owes_what_was_owed_since() {
    for spoken_since in [false, true] {
        let mut talk = Talk::new();
        talk.floor.hand_over(SessionNo::new(2), false, talk.now);
        talk.floor.caller_voiced(false, talk.now);
        talk.floor.owe_answer(talk.now);
        talk.floor.listened(true, talk.now);
        talk.run(1);
        if spoken_since {
            talk.floor.caller_voiced(true, talk.now);
        }
        talk.floor.caller_started(talk.now);
        assert_eq!(talk.floor.is_owing(), !spoken_since);
    }
}

#[test]
fn what_is_owed_later_makes_nobody_wait_anew_whose_words_no_model_has_noticed() {
    let mut talk = Talk::new();
    talk.floor.hand_over(SessionNo::new(2), false, talk.now);
    talk.floor.caller_voiced(false, talk.now);
    let mut quiet = talk.run(60);
    talk.floor.listened(true, talk.now);
    talk.floor.owe_answer(talk.now);
    quiet.extend(talk.run(60));
    assert_eq!(quiet.iter().position(|frame| *frame == COMFORT), Some(69));
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
        (0, ResponseOutcome::Completed, true),
        (1, ResponseOutcome::Completed, false),
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
