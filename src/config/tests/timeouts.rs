use super::*;

#[test]
fn how_long_a_model_may_take_is_the_operators() {
    let ms = Duration::from_millis;
    assert_eq!(read(None, &with(&[])).expect("settings").timeouts, Timeouts::default());
    let file = "[timeouts]\nmodel_open = '4s'\ngreeting = '900ms'\nanswer = '20s'\n";
    let expected = Timeouts {
        model_open: Some(ms(4000)),
        model_configured: None,
        greeting: Some(ms(900)),
        answer: Some(ms(20_000)),
    };
    assert_eq!(read(Some(file), &with(&[])).expect("settings").timeouts, expected);
    for (line, expected) in [
        ("answer = '61s'", "2:10: answer: found \"61s\"; accepted: from 100ms to 60s"),
        ("greeting = 3", "2:12: greeting: found a whole number; accepted: from 100ms to 60s"),
        (
            "model_opne = '2s'",
            "2:1: found the unknown key \"model_opne\", did you mean model_open?; accepted: model_open, \
             model_configured, greeting, answer",
        ),
    ] {
        let found = read(Some(&format!("[timeouts]\n{line}\n")), &with(&[])).expect_err(line);
        assert_eq!(found, [format!("dialplane.toml:{expected}")]);
    }
}
