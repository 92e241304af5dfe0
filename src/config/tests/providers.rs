use super::*;

#[test]
fn providers_stand_in_order_of_preference_each_with_its_models() {
    let file = "[[provider]]\nname = 'first'\napi_key = 'env:ONE'\nmodel = 'a'\nfallback = ['b', 'c']\n\
                transcription = 'whisper-1'\n[[provider]]\nname = 'second'\nurl = 'https://b.example/v1'\n\
                api_key = 'env:TWO'\ntranscription = ''\n[[provider]]\nname = 'third'\napi_key = 'env:ONE'\nmodel = 'd'\n";
    let settings = read(Some(file), &with(&[("ONE", "1"), ("TWO", "2")])).expect("settings");
    let found: Vec<_> = settings
        .providers
        .iter()
        .map(|provider| {
            let fallback: Vec<&str> = provider.fallback.iter().map(String::as_str).collect();
            let (key, transcription) =
                (provider.api_key.reveal().as_str(), provider.transcription.as_deref());
            (&*provider.name, provider.url.as_str(), key, provider.model.as_str(), fallback, transcription)
        })
        .collect();
    let openai = "https://api.openai.com/v1";
    assert_eq!(
        found,
        [
            ("first", openai, "1", "a", vec!["b", "c"], Some("whisper-1")),
            ("second", "https://b.example/v1", "2", "gpt-realtime-2.1", vec!["gpt-realtime-2.1-mini"], None),
            ("third", openai, "1", "d", vec![], Some("gpt-transcribe")),
        ]
    );
}

#[test]
fn a_variable_is_of_no_provider_where_there_are_several() {
    let file = "[[provider]]\nname = 'a'\napi_key = 'env:OPENAI_API_KEY'\n[[provider]]\nname = 'a'\n";
    let found = read(Some(file), &with(&[("OPENAI_BASE_URL", "https://b.example/v1")])).expect_err("errors");
    assert_eq!(
        found,
        [
            "dialplane.toml:4:1: found no api_key in [[provider]]; accepted: env:NAME or file:PATH",
            "dialplane.toml:5:8: name: found the name of another one; accepted: a name of its own for each",
            "OPENAI_BASE_URL: found beside 2 [[provider]]; accepted: beside one at most",
        ]
    );
}

#[test]
fn a_dialect_that_is_not_spoken_yet_is_refused() {
    let file = "[[provider]]\nname = 'p'\ndialect = 'gemini-live'\n";
    let expected = "dialplane.toml:3:11: dialect: gemini-live is not yet supported; accepted: openai-realtime, openai-realtime-beta";
    assert_eq!(read(Some(file), &with(&[])).expect_err("an error"), [expected]);
}

#[test]
fn a_server_of_the_older_dialect_has_an_address_of_its_own_and_transcribes_by_what_it_is_told() {
    let file = "[[provider]]\nname = 'p'\ndialect = 'openai-realtime-beta'\n";
    let accepted = "an http or https address, such as https://api.openai.com/v1";
    let missing = format!(
        "dialplane.toml:1:1: found no url in [[provider]]; accepted: {accepted}, or the variable OPENAI_BASE_URL"
    );
    assert_eq!(read(Some(file), &with(&[])).expect_err("an error"), [missing]);
    let settings =
        read(Some(&format!("{file}url = 'http://own.example/v1'\n")), &with(&[])).expect("settings");
    let provider = settings.providers.first().expect("a provider");
    assert_eq!((provider.dialect, provider.transcription.as_deref()), (Dialect::OpenAiRealtimeBeta, None));
}

#[test]
fn g711_goes_unchanged_to_openai_itself_and_elsewhere_where_the_settings_say_so() {
    for (keys, expected) in [
        ("", true),
        ("url = 'https://eu.api.openai.com/v1'\n", true),
        ("url = 'https://api.openai.com.example/v1'\n", false),
        ("url = 'https://own.example/v1'\n", false),
        ("url = 'https://own.example/v1'\ng711 = true\n", true),
        ("g711 = false\n", false),
        ("url = 'http://own.example/v1'\ndialect = 'openai-realtime-beta'\ng711 = true\n", true),
    ] {
        let file = format!("[[provider]]\nname = 'p'\n{keys}");
        let settings = read(Some(&file), &with(&[])).expect("settings");
        assert_eq!(settings.providers.first().map(|provider| provider.g711), Some(expected), "{keys}");
    }
    let by_variable = read(None, &with(&[("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")])).expect("settings");
    assert_eq!(by_variable.providers.first().map(|provider| provider.g711), Some(false));
    let found = read(Some("[[provider]]\nname = 'p'\ng711 = 'yes'\n"), &with(&[])).expect_err("an error");
    assert_eq!(found, ["dialplane.toml:3:8: g711: found text; accepted: true or false"]);
}
