mod addresses;
mod misspelt;
mod model_down;
mod providers;
mod sip;
mod timeouts;

use super::*;
use crate::call::Country;
use crate::document::Given;
use crate::http::sign::Secret;
use crate::livekit::Orphans;
use crate::realtime::Dialect;
use crate::tenant::{By, Choice, Facet};

const ENOUGH: [(&str, &str); 4] = [
    ("LIVEKIT_URL", "wss://acme.livekit.cloud"),
    ("LIVEKIT_API_KEY", "APIkey"),
    ("LIVEKIT_API_SECRET", "lk-secret"),
    ("OPENAI_API_KEY", "sk-secret"),
];

/// [`ENOUGH`] with `more` over it; an empty value unsets.
fn with(more: &[(&str, &str)]) -> Given {
    let mut given = Given::variables(ENOUGH);
    given.variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    given
}

fn secrets<const N: usize>(texts: [&str; N]) -> [Secret; N] {
    texts.map(|text| Secret::parse(text).expect("a secret"))
}

fn read(file: Option<&str>, given: &Given) -> Result<Settings, Vec<String>> {
    let file = file.map(|text| (Path::new("dialplane.toml"), text));
    Settings::read(file, given, 2).map_err(|found| found.iter().map(ToString::to_string).collect())
}

#[test]
fn the_variables_alone_are_enough() {
    let settings = read(None, &with(&[])).expect("settings");
    let project = Project {
        name: "main".into(),
        url: "wss://acme.livekit.cloud".parse().expect("a URL"),
        api_key: "APIkey".into(),
        api_secret: "lk-secret".into(),
        agent_names: vec!["pstn-voice-agent".into()],
        orphans: Orphans::Resume,
    };
    assert_eq!(settings.projects, [project]);
    let provider = Provider {
        name: "openai".into(),
        dialect: Dialect::OpenAiRealtime,
        url: "https://api.openai.com/v1".parse().expect("a URL"),
        api_key: "sk-secret".into(),
        model: "gpt-realtime-2.1".into(),
        fallback: vec!["gpt-realtime-2.1-mini".into()],
        transcription: Some("gpt-transcribe".into()),
        g711: true,
    };
    assert_eq!(settings.providers, [provider]);
    assert!(matches!(settings.default_agent.prompt, Choice::This(_)));
    assert!(matches!(settings.default_agent.start_message, Choice::This(_)));
    assert_eq!((settings.backend, settings.unmatched_action), (None, None));
    assert_eq!((settings.dialplans, settings.records, settings.log), (None, None, None));
    assert_eq!((settings.max_calls, settings.drain), (200, Duration::from_secs(20)));
    assert_eq!(settings.http.to_string(), "127.0.0.1:8080");
}

#[test]
fn every_variable_is_read() {
    let given = with(&[
        ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1"),
        ("DIALPLANE_AGENT_NAME", "night-shift"),
        ("DIALPLANE_CALL_CONFIG_URL", "https://backend.example/call-config"),
        ("DIALPLANE_CALL_CONFIG_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        ("DIALPLANE_DIALPLANS", "dialplans"),
        ("DIALPLANE_RECORDS", "calls.jsonl"),
        ("DIALPLANE_MAX_CALLS", "7"),
        ("DIALPLANE_HTTP", "[::]:80"),
        ("DIALPLANE_LOG", "json"),
        ("DIALPLANE_DRAIN_SECONDS", "0"),
    ]);
    let settings = read(None, &given).expect("settings");
    let first = |settings: &Settings| {
        (settings.projects[0].agent_names[0].to_string(), settings.providers[0].url.to_string())
    };
    assert_eq!(first(&settings), ("night-shift".to_owned(), "http://127.0.0.1:9000/v1".to_owned()));
    let backend = settings.backend.expect("a backend");
    assert_eq!(backend.url.as_str(), "https://backend.example/call-config");
    assert_eq!(backend.secrets, secrets(["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]));
    assert_eq!(settings.dialplans, Some("dialplans".into()));
    assert_eq!(settings.records, Some("calls.jsonl".into()));
    assert_eq!((settings.max_calls, settings.drain), (7, Duration::ZERO));
    assert_eq!((settings.http.to_string().as_str(), settings.log), ("[::]:80", Some(Format::Json)));
}

#[test]
fn each_missing_or_wrong_variable_is_named_with_what_is_accepted() {
    let livekit = "the server's ws, wss, http or https address, such as wss://project.livekit.cloud";
    for (name, value, expected) in [
        (
            "LIVEKIT_URL",
            "",
            format!("found nothing; accepted: {livekit}, or DIALPLANE_SIP to take SIP calls without LiveKit"),
        ),
        ("LIVEKIT_URL", "acme", format!("found something that is no address (not shown); accepted: {livekit}")),
        (
            "LIVEKIT_URL",
            "ftp://key:hunter2@acme",
            format!("found an address with more than host and path (not shown); accepted: {livekit}"),
        ),
        ("LIVEKIT_API_KEY", "", "found nothing; accepted: the project's API key".into()),
        ("LIVEKIT_API_SECRET", "", "found nothing; accepted: the project's API secret".into()),
        ("OPENAI_API_KEY", "", "found nothing; accepted: the model server's API key".into()),
        (
            "OPENAI_BASE_URL",
            "wss://api.openai.com",
            "found \"wss://api.openai.com\"; accepted: an http or https address, such as https://api.openai.com/v1"
                .into(),
        ),
        (
            "DIALPLANE_CALL_CONFIG_URL",
            "backend",
            format!("found something that is no address (not shown); accepted: {}", Backend::ACCEPTED),
        ),
        ("DIALPLANE_MAX_CALLS", "0", "found \"0\"; accepted: a whole number from 1 to 100000".into()),
        ("DIALPLANE_MAX_CALLS", "many", "found \"many\"; accepted: a whole number from 1 to 100000".into()),
        ("DIALPLANE_HTTP", ":8080", "found \":8080\"; accepted: an address and port such as 127.0.0.1:8080".into()),
        ("DIALPLANE_LOG", "JSON", "found \"JSON\"; accepted: human or json".into()),
        ("DIALPLANE_DRAIN_SECONDS", "20s", "found \"20s\"; accepted: a whole number from 0 to 86400".into()),
        ("DIALPLANE_SIP", "5060", "found \"5060\"; accepted: an address and port such as 0.0.0.0:5060".into()),
        ("DIALPLANE_REDIS_URL", "redis://:hunter2@r", "is not yet supported; accepted: unset".into()),
        ("DIALPLANE_DATABASE_URL", "postgres://u:hunter2@d", "is not yet supported; accepted: unset".into()),
    ] {
        let found = read(None, &with(&[(name, value)])).expect_err(name);
        assert_eq!(found, [format!("{name}: {expected}")]);
    }
    let secret_alone =
        read(None, &with(&[("DIALPLANE_CALL_CONFIG_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]));
    let no_url = "DIALPLANE_CALL_CONFIG_URL: found nothing; accepted: the address that the secret is for";
    assert_eq!(secret_alone.expect_err("a secret for nobody"), [no_url]);
    let bad_alone = read(None, &with(&[("DIALPLANE_CALL_CONFIG_SECRET", "whsec_hunter2!")]));
    let bad = "DIALPLANE_CALL_CONFIG_SECRET: found a secret that cannot sign (not shown); accepted: whsec_ and base64, \
               or any other text";
    assert_eq!(bad_alone.expect_err("no secret, and for nobody"), [bad, no_url]);
}

const FILE: &str = r#"
[[livekit]]
name = "cloud"
url = "wss://file.livekit.cloud"
api_key = "env:CLOUD_KEY"
api_secret = "file:livekit.secret"
agent_names = ["day", "night"]
orphans = "hang-up"

[[trunk]]
name = "acme-sip"
ids = ["ST_abc", "ST_def"]
country = "US"

[[provider]]
name = "openai"
dialect = "openai-realtime"
url = "https://eu.api.openai.com/v1"
api_key = "env:OPENAI_API_KEY"
model = "gpt-realtime-2.1-mini"

[call_config]
url = "https://backend.example/call-config"
secret = ["env:CLOUD_KEY", "env:OPENAI_API_KEY"]
token = "env:CLOUD_KEY"

[default_agent]
prompt = "Say where to call instead."
voice = "marin"

[transfers]
operator = "tel:+15557770001"

[unmatched]
action = "reject"
"#;

#[test]
fn the_file_is_read_and_variables_lie_over_it() {
    let mut given = Given::variables([("CLOUD_KEY", "cloud"), ("OPENAI_API_KEY", "sk-secret")]);
    given.files.insert("livekit.secret".into(), "from-file\n".into());
    let settings = read(Some(FILE), &given).expect("settings");
    let project = settings.projects.first().expect("a project");
    assert_eq!((&*project.name, project.url.as_str()), ("cloud", "wss://file.livekit.cloud/"));
    assert_eq!(
        (project.api_key.reveal().as_str(), project.api_secret.reveal().as_str()),
        ("cloud", "from-file")
    );
    assert_eq!(project.agent_names, ["day".into(), "night".into()]);
    assert_eq!(project.orphans, Orphans::HangUp);
    let trunk = settings.trunks.of("ST_def").expect("a trunk");
    assert_eq!((&*trunk.name, trunk.rules.numbers.country), ("acme-sip", Country::parse("US")));
    assert_eq!(settings.trunks.of("ST_x"), None);
    assert_eq!(settings.providers[0].model, "gpt-realtime-2.1-mini");
    assert_eq!(settings.backend.as_ref().expect("a backend").secrets, secrets(["cloud", "sk-secret"]));
    assert_eq!(settings.default_agent.prompt, Choice::This("Say where to call instead.".into()));
    assert!(matches!(settings.default_agent.start_message, Choice::This(_)), "the built-in greeting stays");
    assert_eq!(settings.transfers.names().collect::<Vec<_>>(), ["operator"]);
    assert_eq!(settings.unmatched_action, Some(Unmatched::Reject));

    let over = [
        ("LIVEKIT_URL", "ws://127.0.0.1:7880"),
        ("LIVEKIT_API_KEY", "not-this"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9000/v1"),
        ("DIALPLANE_AGENT_NAME", "rig"),
        ("DIALPLANE_CALL_CONFIG_URL", "http://127.0.0.1:9001/"),
    ];
    given.variables.extend(over.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let settings = read(Some(FILE), &given).expect("settings");
    let project = settings.projects.first().expect("a project");
    assert_eq!(
        (project.url.as_str(), &project.agent_names[..]),
        ("ws://127.0.0.1:7880/", &["rig".into()][..])
    );
    assert_eq!(project.api_key.reveal(), "cloud", "the file's reference decides");
    assert_eq!(settings.providers[0].url.as_str(), "http://127.0.0.1:9000/v1");
    assert_eq!(settings.backend.expect("a backend").url.as_str(), "http://127.0.0.1:9001/");
}

#[test]
fn a_section_of_the_file_leaves_to_the_variables_what_it_does_not_say() {
    let file = "[[livekit]]\nname = 'cloud'\n[[provider]]\nname = 'mini'\nmodel = 'gpt-realtime-2.1-mini'\n\
                [call_config]\n";
    let given = with(&[
        ("DIALPLANE_CALL_CONFIG_URL", "https://backend.example/"),
        ("DIALPLANE_CALL_CONFIG_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
    ]);
    let settings = read(Some(file), &given).expect("settings");
    assert_eq!(settings.projects[0].api_secret.reveal(), "lk-secret");
    assert_eq!(settings.providers[0].api_key.reveal(), "sk-secret");
    assert_eq!(
        settings.backend.expect("a backend").secrets,
        secrets(["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])
    );
}

#[test]
fn what_answers_depend_on_is_the_variables_word_over_the_files() {
    let by = |facets: &[Facet]| Some(By::of(facets));
    for (written, variable, expected) in [
        ("", "", None),
        ("", " called, trunk", by(&[Facet::Called, Facet::Trunk])),
        ("cache_by = ['diverted', 'caller']", "", by(&[Facet::Caller, Facet::Diverted])),
        ("cache_by = ['caller']", "called,route", by(&[Facet::Called, Facet::Route])),
        ("cache_by = []", "", by(&[])),
    ] {
        let file = format!("[call_config]\nurl = 'https://backend.example/'\n{written}\n");
        let settings = read(Some(&file), &with(&[("DIALPLANE_CALL_CONFIG_CACHE_BY", variable)]));
        assert_eq!(settings.expect("settings").backend.expect("a backend").cache_by, expected, "{file}");
    }
    let variables = [
        ("DIALPLANE_CALL_CONFIG_URL", "https://b.example/"),
        ("DIALPLANE_CALL_CONFIG_CACHE_BY", "called;trunk"),
    ];
    let found =
        "found \"called;trunk\"; accepted: caller, called, diverted, trunk or route, with commas between";
    assert_eq!(
        read(None, &with(&variables)).expect_err("an error"),
        [format!("DIALPLANE_CALL_CONFIG_CACHE_BY: {found}")]
    );
}

#[test]
fn the_budget_and_the_cache_are_set_with_or_without_a_backend_of_the_router() {
    let ms = Duration::from_millis;
    let usual = read(None, &with(&[])).expect("settings");
    assert_eq!((usual.budget, usual.cache), (Budget::default(), CacheBounds::default()));
    let file =
        "[call_config]\nconnect = '250ms'\nattempt = '1s'\nbudget = '7s'\ncache_entries = 10\ncache_mb = 2\n";
    let set = read(Some(file), &with(&[])).expect("settings");
    assert_eq!(set.budget, Budget { connect: ms(250), attempt: ms(1000), whole: ms(7000) });
    assert_eq!(set.cache, CacheBounds { entries: 10, bytes: 2 << 20 });
    assert_eq!((set.backend.is_none(), set.unmatched(true)), (true, Unmatched::Reject));
    for (line, expected) in [
        ("budget = '7001ms'", "2:10: budget: found \"7001ms\"; accepted: from 50ms to 7s"),
        ("attempt = 1", "2:11: attempt: found a whole number; accepted: from 50ms to 7s"),
        ("cache_entries = 0", "2:17: cache_entries: found \"0\"; accepted: a number from 1 to 10000000"),
        (
            "secret = 'env:OPENAI_API_KEY'",
            "1:1: found no url in [call_config]; accepted: the http or https address of the webhook, without a user name or password",
        ),
    ] {
        let found = read(Some(&format!("[call_config]\n{line}\n")), &with(&[])).expect_err(line);
        assert_eq!(found, [format!("dialplane.toml:{expected}")]);
    }
}

#[test]
fn the_errors_of_file_and_variables_come_together() {
    let file = "[[livekit]]\nname = 'a'\nurl = 'acme'\napi_key = 'APIhunter2'\n[[livekit]]\nname = 'a'\n\
                agent_names = []\n[[trunk]]\nname = 't'\nids = ['ST_a']\ncountry = 'USA'\n[[trunk]]\nname = 't'\n\
                ids = ['ST_b', 'ST_b']\n[[provider]]\nname = 'p'\ndialect = 'gemini-live'\nfallback = 'x'\n\
                [[provider]]\n[unmatched]\naction = 'ask'\n[watchdogs]\n";
    let found = read(Some(file), &with(&[("DIALPLANE_LOG", "xml")])).expect_err("errors");
    let livekit = "the server's ws, wss, http or https address, such as wss://project.livekit.cloud";
    let reference = "env:NAME or file:PATH";
    let expected = [
        format!("dialplane.toml:1:1: found no api_secret in [[livekit]]; accepted: {reference}"),
        format!("dialplane.toml:3:7: url: found something that is no address (not shown); accepted: {livekit}"),
        format!("dialplane.toml:4:11: api_key: found a value that is no reference (not shown); accepted: {reference}"),
        format!("dialplane.toml:5:1: found no url in [[livekit]]; accepted: {livekit}"),
        format!("dialplane.toml:5:1: found no api_key in [[livekit]]; accepted: {reference}"),
        format!("dialplane.toml:5:1: found no api_secret in [[livekit]]; accepted: {reference}"),
        "dialplane.toml:6:8: name: found the name of another one; accepted: a name of its own for each".into(),
        "dialplane.toml:7:15: agent_names: found an empty array; accepted: an array of at least one agent name".into(),
        "dialplane.toml:11:11: country: found \"USA\"; accepted: an ISO 3166 code of two letters, such as US".into(),
        "dialplane.toml:13:8: name: found the name of another trunk; accepted: a name of its own for each".into(),
        "dialplane.toml:14:16: ids: found \"ST_b\" again; accepted: each id once, in one [[trunk]]".into(),
        format!("dialplane.toml:15:1: found no api_key in [[provider]]; accepted: {reference}"),
        "dialplane.toml:17:11: dialect: gemini-live is not yet supported; accepted: openai-realtime, openai-realtime-beta".into(),
        "dialplane.toml:18:12: fallback: found text; accepted: an array of names of models".into(),
        "dialplane.toml:19:1: found no name in [[provider]]; accepted: text".into(),
        format!("dialplane.toml:19:1: found no api_key in [[provider]]; accepted: {reference}"),
        "dialplane.toml:21:10: action: found ask without a backend; accepted: reject or default, or ask with \
         [call_config]"
            .into(),
        "dialplane.toml:22:2: found the unknown key \"watchdogs\"; accepted: livekit, sip, trunk, provider, \
         call_config, default_agent, transfers, unmatched, when_model_down, addresses, timeouts"
            .into(),
        "LIVEKIT_URL: found beside 2 [[livekit]]; accepted: beside one at most".into(),
        "DIALPLANE_LOG: found \"xml\"; accepted: human or json".into(),
    ];
    assert_eq!(found, expected);
}

#[test]
fn calls_that_no_route_names_go_where_the_design_says() {
    let backend = [("DIALPLANE_CALL_CONFIG_URL", "https://backend.example/")];
    for (more, file, dialplans_exist, expected) in [
        (&backend[..], None, true, Unmatched::Ask),
        (&backend[..], None, false, Unmatched::Ask),
        (&[], None, true, Unmatched::Reject),
        (&[], None, false, Unmatched::Default),
        (&[], Some("[unmatched]\naction = 'default'\n"), true, Unmatched::Default),
        (&backend[..], Some("[unmatched]\naction = 'reject'\n"), false, Unmatched::Reject),
    ] {
        let settings = read(file, &with(more)).expect("settings");
        assert_eq!(settings.unmatched(dialplans_exist), expected, "{file:?} {dialplans_exist}");
    }
}

#[test]
fn the_file_is_the_one_of_the_argument_or_of_the_variable() {
    let mut given = with(&[("DIALPLANE_CONFIG", "variable.toml")]);
    given.files.insert("variable.toml".into(), "[[livekit]]\nname = 'variable'\n".into());
    given.files.insert("argument.toml".into(), "[[livekit]]\nname = 'argument'\n".into());
    let name = |path: Option<&str>| {
        Settings::load(path.map(Path::new), &given, 1).map(|s| s.projects[0].name.to_string())
    };
    assert_eq!(name(None), Ok("variable".into()));
    assert_eq!(name(Some("argument.toml")), Ok("argument".into()));

    let nothing = Given::variables([("DIALPLANE_LOG", "xml")]);
    let found = Settings::load(Some(Path::new("gone.toml")), &nothing, 1).expect_err("no file");
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "gone.toml: cannot be read: entity not found; accepted: a TOML file in UTF-8",
            "DIALPLANE_LOG: found \"xml\"; accepted: human or json",
        ]
    );
}

#[test]
fn no_secret_shows() {
    let settings = read(None, &with(&[])).expect("settings");
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("lk-secret") && !shown.contains("sk-secret") && !shown.contains("APIkey"),
        "{shown}"
    );
}
