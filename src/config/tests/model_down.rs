use super::*;
use crate::call::Refusal;

fn settings(when_model_down: &str) -> Result<Option<Instead>, Vec<String>> {
    read(Some(&format!("[when_model_down]\n{when_model_down}")), &with(&[])).map(|read| read.when_model_down)
}

#[test]
fn what_becomes_of_calls_that_no_model_serves_is_said_for_the_whole_router() {
    assert_eq!(read(None, &with(&[])).expect("settings").when_model_down, None);
    assert_eq!(settings("reject = 'busy'"), Ok(Some(Instead::Refuse(Refusal::Busy))));
    let Ok(Some(Instead::Transfer(to))) = settings("transfer = '+1 555 777 0099'") else {
        panic!("a transfer")
    };
    assert_eq!(to.as_uri(), "tel:+15557770099");
}

#[test]
fn what_is_wrong_with_it_is_named() {
    for (written, expected) in [
        ("", "1:1: when_model_down: found 0 of its keys; accepted: one of reject, transfer and play"),
        (
            "reject = 'busy'\nplay = 'sorry.wav'",
            "1:1: when_model_down: found 2 of its keys; accepted: one of reject, transfer and play",
        ),
        (
            "reject = 'engaged'",
            "2:10: reject: found \"engaged\"; accepted: not-found, declined, busy, unavailable",
        ),
        (
            "play = 'sorry.wav'",
            "2:8: play: found a file that cannot be read (entity not found); accepted: the path of a WAV file, from the \
             folder of this one, of at most 12044288 bytes",
        ),
        ("hang_up = true", "2:1: found the unknown key \"hang_up\"; accepted: reject, transfer, play"),
    ] {
        let found = settings(written).expect_err("errors");
        assert!(found.contains(&format!("dialplane.toml:{expected}")), "{written}: {found:?}");
    }
}
