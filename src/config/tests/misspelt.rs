use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;

use super::*;

/// Notes which variables are asked for.
#[derive(Default)]
struct Asked(RefCell<BTreeSet<String>>);

impl Surroundings for Asked {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.borrow_mut().insert(name.to_owned());
        None
    }

    fn read(&self, _path: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[test]
fn a_misspelt_variable_is_told_from_others() {
    let guess = |name: &str| misspelt([(name.into(), "x".into())]).next().map(|(_, meant)| meant);
    for (name, meant) in [
        ("DIALPLANE_SPI", Some("DIALPLANE_SIP")),
        ("DIALPLANE_DIALPLAN", Some("DIALPLANE_DIALPLANS")),
        ("OPENAI_API_KYE", Some("OPENAI_API_KEY")),
        ("OPENAI_KEY", None),
        ("DIALPLANE_ACME_SECRET", None),
        ("DIALPLANE_SERVICE_HOST", None),
        ("DIALPLANE_PORT_8080_TCP", None),
        ("DIALPLANE_REDIS_URL", None),
        ("PATH", None),
    ] {
        assert_eq!(guess(name), meant, "{name}");
    }
    let asked = Asked::default();
    let _missing = Settings::load(None, &asked, 1);
    let asked = asked.0.into_inner();
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        assert_eq!(guess(&name), None, "{name} is one of ours");
    }
}
