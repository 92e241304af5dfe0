//! The page of the settings file has all that is accepted, and what it shows is taken.

use std::collections::BTreeSet;
use std::path::Path;

use dialplane::config::Settings;
use dialplane::document::Given;

/// The file that the page shows.
fn page() -> String {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md")).unwrap();
    let (_, after) = text.split_once("```toml dialplane.toml\n").unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

fn read(file: &str) -> Result<Settings, String> {
    let secrets = [
        "LIVEKIT_API_KEY",
        "LIVEKIT_API_SECRET",
        "OPENAI_API_KEY",
        "CALL_CONFIG_SECRET",
        "CALL_CONFIG_TOKEN",
    ];
    let given = Given::variables(secrets.map(|name| (name, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")));
    let read = Settings::read(Some((Path::new("dialplane.toml"), file)), &given, 1);
    read.map_err(|found| found.iter().map(|found| format!("{found}\n")).collect())
}

/// What an unknown key is told to be in the place of.
fn accepted(section: &str) -> BTreeSet<String> {
    let told = read(&format!("{section}\nno_such_key = 1\n")).expect_err("an unknown key");
    let line =
        told.lines().find(|line| line.contains("the unknown key \"no_such_key\"")).expect("it is told");
    line.rsplit("accepted: ").next().unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn the_page_s_file_is_taken_and_has_every_key() {
    let page = page();
    read(&page).expect("settings");
    let (mut told, mut here) = (BTreeSet::new(), String::new());
    for line in page.lines() {
        let key =
            || line.trim_start_matches(['#', ' ']).split([' ', '=']).next().unwrap_or_default().to_owned();
        match line.split_once(']') {
            Some((section, _)) if line.starts_with('[') => here = section.trim_start_matches('[').to_owned(),
            _ if line.contains('=') => {
                told.insert((here.clone(), key()));
            }
            _ => {}
        }
    }
    let sections: BTreeSet<_> = told.iter().map(|(section, _)| section.clone()).collect();
    assert_eq!(sections, accepted(""));
    // A trunk's, an agent's and destinations have pages of their own; when_model_down takes one of three.
    for (section, header) in [
        ("livekit", "[[livekit]]"),
        ("sip", "[sip]"),
        ("provider", "[[provider]]"),
        ("call_config", "[call_config]"),
        ("addresses", "[addresses]"),
        ("timeouts", "[timeouts]"),
        ("unmatched", "[unmatched]"),
    ] {
        let keys: BTreeSet<_> =
            told.iter().filter(|(of, _)| of == section).map(|(_, key)| key.clone()).collect();
        assert_eq!(keys, accepted(header), "{header}");
    }
}
