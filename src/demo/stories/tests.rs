use serde_json::json;

use super::*;

fn record() -> Value {
    json!({
        "tenant": "bright-smile", "route": {"id": "front-desk"}, "config_source": "backend",
        "call": {"ingress": "sip"}, "ending": {"how": "caller-hung-up"},
    })
}

fn heard() -> Played {
    let heard = Recording { samples: vec![5_000; 3 * RATE as usize], ..Recording::default() };
    Played { heard, greeted: Some(PAUSE), replied: Some(PAUSE), ..Played::default() }
}

fn refused(status: u16) -> (Played, Value) {
    let record = json!({
        "tenant": "bright-smile", "limit": "calls",
        "call": {"ingress": "sip"}, "ending": {"how": "refused"},
    });
    (Played { refused: Some(status), ..Played::default() }, record)
}

#[test]
fn a_call_that_did_not_go_as_it_should_says_what_was_wrong() {
    let [first, .., at_its_cap, _] = &all()[..] else { panic!("six stories") };
    let faults = |story: &Story, played: &Played, record: &Value| story.faults(played, Some(record), true);
    assert_eq!(faults(first, &heard(), &record()), [""; 0]);
    for (pointer, name) in [
        ("/tenant", "tenant"),
        ("/route/id", "route"),
        ("/config_source", "source"),
        ("/ending/how", "ending"),
    ] {
        let mut other = record();
        *other.pointer_mut(pointer).unwrap() = json!("another");
        let found = faults(first, &heard(), &other);
        assert!(found.len() == 1 && found[0].contains(name), "{found:?}");
    }
    for (wrong, what) in [
        (Played { heard: Recording::default(), ..heard() }, "no more than 0ns"),
        (Played { greeted: None, ..heard() }, "not greeted"),
        (Played { replied: None, ..heard() }, "not answered"),
        (Played { error: Some("what was waited for was late".to_owned()), ..heard() }, "late"),
    ] {
        let found = faults(first, &wrong, &record());
        assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
    }
    assert_eq!(first.faults(&heard(), None, true).len(), 1, "no record");
    let (played, record) = refused(486);
    assert_eq!(faults(at_its_cap, &played, &record), [""; 0]);
    assert_eq!(faults(at_its_cap, &refused(404).0, &record), ["the caller was told 404 and not 486"]);
    assert_eq!(faults(at_its_cap, &Played::default(), &record).len(), 1, "told nothing");
    let mut unlimited = record;
    unlimited["limit"] = Value::Null;
    assert_eq!(faults(at_its_cap, &played, &unlimited), ["the limit is none and not calls"]);
}

#[test]
fn a_recording_has_what_both_said_where_they_said_it() {
    let second = samples(Duration::from_secs(1));
    let agent = || vec![100; second];
    let samples = [agent(), vec![0; 4 * second]].concat();
    let heard = Recording { samples, ..Recording::default() };
    let spoke = Some(Duration::from_secs(2));
    let both = Played { heard, spoke, ..Played::default() }.conversation().samples;
    assert_eq!((both.len(), &both[..second]), (5 * second, &agent()[..]));
    assert!(both[second..2 * second].iter().all(|sample| *sample == 0));
    assert_eq!(both[2 * second..], speech::caller()[..3 * second]);
}

#[test]
fn what_a_real_model_says_and_for_how_long_nobody_knows_before() {
    let story = &all()[0];
    let talks_on = Played { replied: None, unheard: Some("it had not fallen silent".to_owned()), ..heard() };
    assert_eq!(story.faults(&talks_on, Some(&record()), true).len(), 2);
    assert_eq!(story.faults(&talks_on, Some(&record()), false), [""; 0]);
    let says_nothing = Played { greeted: None, ..talks_on };
    assert_eq!(story.faults(&says_nothing, Some(&record()), false).len(), 1);
}

#[test]
fn a_recorded_speaker_is_heard_out_whatever_pauses_a_busy_machine_makes() {
    let words = speech::agent("dental-greeting");
    let least = spoken(&words);
    assert!(least > Duration::from_secs(3) && samples(least) < words.len(), "{least:?}");
    let (first, rest) = words.split_at(samples(SHORTEST));
    let pause = vec![0; samples(PAUSE)];
    let heard = |parts: &[&[i16]]| Recording { samples: parts.concat(), ..Recording::default() };
    let stalled = heard(&[first, &pause]);
    assert!(
        has_finished(&stalled, Duration::ZERO, SHORTEST) && !has_finished(&stalled, Duration::ZERO, least)
    );
    assert!(has_finished(&heard(&[first, rest, &pause]), Duration::ZERO, least));
}

#[test]
fn a_speaker_has_finished_after_a_pause_and_not_before_a_word() {
    let quiet = |time: Duration| vec![0; samples(time)];
    let word = vec![5_000; samples(PAUSE)];
    for (parts, finished) in [
        (vec![quiet(PAUSE * 2)], false),
        (vec![quiet(PAUSE), word.clone()], false),
        (vec![word.clone(), quiet(PAUSE / 2)], false),
        (vec![word.clone(), quiet(PAUSE)], false),
        (vec![word, quiet(SHORTEST)], true),
    ] {
        let heard = Recording { samples: parts.concat(), ..Recording::default() };
        assert_eq!(
            has_finished(&heard, Duration::ZERO, SHORTEST),
            finished,
            "{} samples",
            heard.samples.len()
        );
        assert!(!has_finished(&heard, heard.length(), SHORTEST), "nothing since then");
    }
}
