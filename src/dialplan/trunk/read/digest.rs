use super::super::{Algorithm, Algorithms, Credentials};
use super::Taken;
use crate::document::{Keys, SecretRef, Surroundings, Table, Value};
use crate::pii::Redacted;

const DIGEST_KEYS: Keys = Keys::only(&["username", "password", "algorithms"]);

/// `digest`, and `from` where there are no addresses beside it; `None` when something is wrong.
pub(super) fn read_credentials(
    table: &Table<'_>,
    surroundings: &dyn Surroundings,
    taken: &mut Taken<'_>,
) -> Option<Option<Credentials>> {
    const SAME: &str = "the same algorithms in the same order for every trunk that calls from anywhere";
    const USERNAME: &str = "1 to 64 printable characters without a quote, a backslash or a colon";
    let from = table.get("from");
    if let Some(from) = &from {
        from.choice(["anywhere"])?;
    }
    let Some(digest) = table.get("digest") else {
        if let Some(from) = from {
            from.report_found("no digest beside it", "digest, which says who calls");
            return None;
        }
        return Some(None);
    };
    match (table.get("addresses"), from) {
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) => {
            digest.report_found("no addresses beside it", "addresses, or from = \"anywhere\"");
            return None;
        }
        (Some(_), Some(from)) => {
            from.report_found("addresses beside it", "one of from and addresses");
            return None;
        }
    }
    let keys = digest.table(DIGEST_KEYS)?;
    let password = keys.require("password", SecretRef::ACCEPTED).and_then(|value| value.secret(surroundings));
    let algorithms = match keys.get("algorithms") {
        Some(value) => read_algorithms(&value),
        None => Some(Algorithms::default()),
    };
    let written = keys.require("username", USERNAME)?;
    let Some(username) = written.text(USERNAME).filter(|text| is_username(text)) else {
        written.report_found("something else (not shown)", USERNAME);
        return None;
    };
    let username = Redacted::from(username);
    if table.get("addresses").is_none() && !taken.usernames.insert(username.clone()) {
        written.report_found("the username of another trunk (not shown)", "one of its own for each");
        return None;
    }
    let algorithms = algorithms?;
    if table.get("addresses").is_none() {
        // They are asked before they say which of the trunks they are.
        let asked = taken.asked_of_anyone.get_or_insert_with(|| algorithms.clone());
        if *asked != algorithms {
            let found = format!("{}, and {} of another trunk", algorithms.names(), asked.names());
            keys.get("algorithms").unwrap_or(digest).report_found(&found, SAME);
            return None;
        }
    }
    Some(Some(Credentials { username, password: password?, algorithms }))
}

/// `None` when something is wrong.
fn read_algorithms(value: &Value<'_>) -> Option<Algorithms> {
    const ACCEPTED: &str = "an array of SHA-256 and MD5, each once, the preferred first";
    let mut algorithms = Vec::new();
    for item in value.items(ACCEPTED)? {
        let algorithm = Algorithm::named(item.choice(Algorithm::ALL.map(Algorithm::name))?)?;
        if algorithms.contains(&algorithm) {
            item.report_found(&format!("{} again", algorithm.name()), ACCEPTED);
            return None;
        }
        algorithms.push(algorithm);
    }
    let read = Algorithms::new(algorithms);
    if read.is_none() {
        value.report_found("an empty array", ACCEPTED);
    }
    read
}

fn is_username(text: &str) -> bool {
    (1..=64).contains(&text.len()) && !text.contains(['"', '\\', ':']) && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use super::*;

    #[test]
    fn a_trunk_may_have_to_know_a_password_and_then_call_from_anywhere() {
        let digest = "digest = { username = 'office', password = 'env:PASSWORD' }\n";
        let (trunks, found) = read(&format!(
            "[[trunk]]\nname = 'pbx'\nfrom = 'anywhere'\n{digest}\
             [[trunk]]\nname = 'carrier'\naddresses = ['203.0.113.7']\n{digest}"
        ));
        assert_eq!(found, Vec::<String>::new());
        let algorithms = Algorithms::default();
        assert_eq!(algorithms.iter().collect::<Vec<_>>(), [Algorithm::Sha256, Algorithm::Md5]);
        assert_eq!(trunks.asked_of_anyone(), algorithms);
        let credentials = Credentials { username: "office".into(), password: "secret".into(), algorithms };
        let pbx = trunks.of_username("office").expect("the one that calls from anywhere");
        assert_eq!((&*pbx.name, pbx.credentials.as_ref()), ("pbx", Some(&credentials)));
        assert_eq!(trunks.named("carrier").and_then(|trunk| trunk.credentials.as_ref()), Some(&credentials));
        assert!(trunks.call_from_anywhere() && trunks.of_username("carrier").is_none());
        let shown = format!("{trunks:?}");
        assert!(!shown.contains("secret") && !shown.contains("office"), "{shown}");
    }

    #[test]
    fn whoever_may_call_from_anywhere_is_said_to_and_has_a_password() {
        let of = |digest: &str| format!("digest = {{ {digest} }}\n");
        let good = of("username = 'office', password = 'env:PASSWORD'");
        let anywhere = "from = 'anywhere'\n";
        let with_algorithms = |algorithms: &str| {
            let digest = of(&format!("username = 'a', password = 'env:PASSWORD', algorithms = {algorithms}"));
            anywhere.to_owned() + &digest
        };
        for (rest, said) in [
            (
                good.clone(),
                "digest: found no addresses beside it; accepted: addresses, or from = \"anywhere\"",
            ),
            (format!("ids = ['ST_1']\n{good}"), "digest: found no addresses beside it"),
            (anywhere.to_owned(), "from: found no digest beside it"),
            (format!("{anywhere}addresses = ['203.0.113.7']\n{good}"), "from: found addresses beside it"),
            (format!("from = 'everywhere'\n{good}"), "from: found \"everywhere\""),
            (anywhere.to_owned() + &of("username = 'a', password = 'hunter2'"), "no reference (not shown)"),
            (anywhere.to_owned() + &of("username = 'a', password = 'env:OTHER'"), "unset or empty"),
            (
                anywhere.to_owned() + &of("username = 'a:b', password = 'env:PASSWORD'"),
                "username: found something",
            ),
            (anywhere.to_owned() + &of("password = 'env:PASSWORD'"), "found no username"),
            (anywhere.to_owned() + &of("username = 'a'"), "found no password"),
            (with_algorithms("['MD5', 'SHA-512-256']"), "found \"SHA-512-256\"; accepted: SHA-256, MD5"),
            (with_algorithms("['MD5', 'MD5']"), "found MD5 again"),
            (
                with_algorithms("[]"),
                "algorithms: found an empty array; accepted: an array of SHA-256 and MD5",
            ),
            (with_algorithms("'MD5'"), "accepted: an array of SHA-256 and MD5"),
        ] {
            let (trunks, found) = read(&format!("[[trunk]]\nname = 'pbx'\n{rest}"));
            let [line] = &found[..] else { panic!("{rest}: {found:?}") };
            assert!(line.contains(said) && !line.contains("hunter2"), "{rest}: {line}");
            assert!(trunks.is_empty(), "who is half protected is left out: {rest}");
        }
        let two = format!("[[trunk]]\nname = 'a'\n{anywhere}{good}[[trunk]]\nname = 'b'\n{anywhere}{good}");
        let (_, found) = read(&two);
        assert!(
            found[0].contains("the username of another trunk") && !found[0].contains("office"),
            "{found:?}"
        );
    }
    /// A trunk of that name as its username, with those algorithms.
    fn trunk(name: &str, place: &str, algorithms: &str) -> String {
        format!(
            "[[trunk]]\nname = '{name}'\n{place}\n\
             digest = {{ username = '{name}', password = 'env:PASSWORD'{algorithms} }}\n"
        )
    }

    #[test]
    fn who_calls_from_anywhere_is_offered_the_same_and_who_has_an_address_its_own() {
        let (anywhere, somewhere) = ("from = 'anywhere'", "addresses = ['203.0.113.7']");
        let (old, by_default) = (", algorithms = ['MD5']", "");
        let (trunks, found) = read(&(trunk("pbx", anywhere, by_default) + &trunk("old", somewhere, old)));
        assert_eq!(found, Vec::<String>::new());
        let of_old = trunks.named("old").and_then(|trunk| trunk.credentials.as_ref());
        assert_eq!(of_old.map(|known| known.algorithms.names()), Some("MD5".to_owned()));
        assert_eq!(trunks.asked_of_anyone(), Algorithms::default());

        for (first, second, said) in [
            (by_default, old, "algorithms: found MD5, and SHA-256, MD5 of another trunk"),
            (old, by_default, "digest: found SHA-256, MD5, and MD5 of another trunk"),
            (by_default, ", algorithms = ['MD5', 'SHA-256']", "found MD5, SHA-256, and SHA-256, MD5 of"),
        ] {
            let (trunks, found) = read(&(trunk("pbx", anywhere, first) + &trunk("old", anywhere, second)));
            let [line] = &found[..] else { panic!("{first}, {second}: {found:?}") };
            assert!(line.contains(said) && line.ends_with("that calls from anywhere"), "{line}");
            assert!(trunks.of_username("old").is_none());
        }
    }
}
