use std::net::Ipv4Addr;

use super::*;
use crate::dialplan::trunk::{Algorithm, Algorithms};
use crate::ingress::sip::digest::nonces::LIFE;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
const URI: &str = "sip:+15557770001@203.0.113.1";

/// Of two trunks that call from anywhere, each with its name as username and password.
fn authentication(now: Instant) -> Authentication {
    let trunks = Trunks::calling_from(&[("office", "anywhere"), ("shop", "anywhere")]);
    Authentication::new(Arc::new(trunks), now).expect("randomness")
}

fn invite(uri: &str, authorization: &str) -> Request {
    let header = match authorization {
        "" => String::new(),
        value => format!("Authorization: {value}\r\n"),
    };
    Request::try_from(format!("INVITE {uri} SIP/2.0\r\nTo: <{uri}>\r\nCSeq: 1 INVITE\r\n{header}\r\n"))
        .unwrap()
}

fn md5(text: &str) -> String {
    use md5::Digest;
    md5::Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer of who knows the password.
fn answer(nonce: &str, username: &str, password: &str, count: u32) -> String {
    let (user, request) = (md5(&format!("{username}:{REALM}:{password}")), md5(&format!("INVITE:{URI}")));
    let response = md5(&format!("{user}:{nonce}:{count:08x}:c:auth:{request}"));
    format!(
        "Digest username=\"{username}\",realm=\"{REALM}\",nonce=\"{nonce}\",uri=\"{URI}\",response=\"{response}\",\
         cnonce=\"c\",qop=auth,nc={count:08x}"
    )
}

impl Authentication {
    fn ask(&mut self, authorization: &str, address: IpAddr, now: Instant) -> Verdict {
        self.judge(&invite(URI, authorization), &Source::Anyone, address, now)
    }

    fn nonce(&mut self, now: Instant) -> String {
        let Verdict::Challenge(reply, Authenticated::Challenged) = self.ask("", HERE, now) else {
            panic!("no challenge")
        };
        let challenge = reply.headers[0].value().to_owned();
        challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

fn outcome(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Take(trunk, _) => trunk.as_ref().map_or("taken", |trunk| &trunk.name),
        Verdict::Challenge(reply, why) => {
            assert_eq!(reply.status, 401);
            let stale = reply.headers.iter().all(|header| header.value().contains("stale=true"));
            assert_eq!(stale, matches!(why, Authenticated::Stale | Authenticated::Replayed), "{why:?}");
            why.name()
        }
        Verdict::Silence => "silence",
    }
}

#[test]
fn whoever_knows_the_password_is_the_trunk_of_that_name_once() {
    let now = Instant::now();
    let mut authentication = authentication(now);
    let (nonce, other) = (authentication.nonce(now), authentication.nonce(now));
    let answer = |username: &str, password: &str, count| answer(&nonce, username, password, count);
    for (header, address, second, expected) in [
        (answer("office", "office", 1), HERE, 0, "office"),
        (answer("office", "office", 1), HERE, 0, "replayed"),
        (answer("shop", "shop", 2), HERE, 0, "shop"),
        (answer("office", "shop", 3), HERE, 0, "wrong"),
        (answer("nobody", "nobody", 3), HERE, 0, "wrong"),
        (answer("office", "office", 10), HERE, 0, "office"),
        (answer("office", "office", 9), HERE, 0, "replayed"),
        (answer("office", "office", 11), THERE, 0, "stale"),
        (answer("office", "office", 11).replace("dialplane", "other"), HERE, 0, "challenged"),
        (answer("office", "office", 11).replace(&nonce, &other), HERE, 0, "wrong"),
        (answer("office", "office", 11).replace(&nonce, "invented"), HERE, 0, "stale"),
        ("Digest nonsense".to_owned(), HERE, 0, "challenged"),
        (answer("office", "office", 11), HERE, LIFE.as_secs() - 1, "office"),
        (answer("office", "office", 12), HERE, LIFE.as_secs(), "stale"),
    ] {
        let verdict = authentication.ask(&header, address, now + Duration::from_secs(second));
        assert_eq!(outcome(&verdict), expected, "{header} after {second} s");
    }
}

#[test]
fn an_answer_to_another_request_is_wrong() {
    let now = Instant::now();
    let mut authentication = authentication(now);
    let header = answer(&authentication.nonce(now), "office", "office", 1);
    let elsewhere = invite("sip:+15557770002@203.0.113.1", &header);
    let verdict = authentication.judge(&elsewhere, &Source::Anyone, HERE, now);
    assert_eq!(outcome(&verdict), "wrong");
    assert_eq!(outcome(&authentication.ask(&header, HERE, now)), "office");
}

#[test]
fn who_guesses_hears_nothing_for_a_while_and_nobody_else_can_bring_that_about() {
    let now = Instant::now();
    let mut authentication = authentication(now);
    let nonce = authentication.nonce(now);
    // From elsewhere, with a nonce that was given to us.
    for _ in 0..100 {
        assert_eq!(outcome(&authentication.ask(&answer(&nonce, "office", "guess", 1), THERE, now)), "stale");
    }
    for _ in 0..10 {
        assert_eq!(outcome(&authentication.ask(&answer(&nonce, "office", "guess", 1), HERE, now)), "wrong");
    }
    let right = answer(&nonce, "office", "office", 1);
    assert_eq!(outcome(&authentication.ask(&right, HERE, now)), "silence");
    assert_eq!(outcome(&authentication.ask("", HERE, now)), "silence");
    assert_eq!(outcome(&authentication.ask("", THERE, now)), "challenged");
    assert_eq!(outcome(&authentication.ask(&right, HERE, now + Duration::from_secs(30))), "office");
}

#[test]
fn a_trunk_with_addresses_and_credentials_needs_both_its_own() {
    let now = Instant::now();
    let mut authentication = authentication(now);
    let plan = |trunk: &str| Arc::clone(authentication.trunks.of_username(trunk).unwrap());
    let shop = Source::Trunk(plan("shop"));
    let open = Source::Trunk(Arc::new(TrunkPlan { credentials: None, ..(*plan("shop")).clone() }));
    let nonce = authentication.nonce(now);
    for (source, header, expected) in [
        (&shop, String::new(), "challenged"),
        (&shop, answer(&nonce, "office", "office", 1), "wrong"),
        (&shop, answer(&nonce, "shop", "shop", 1), "shop"),
        (&open, String::new(), "shop"),
        (&Source::Here, String::new(), "taken"),
    ] {
        let verdict = authentication.judge(&invite(URI, &header), source, HERE, now);
        assert_eq!(outcome(&verdict), expected, "{source:?}");
    }
}

#[test]
fn a_trunk_is_offered_its_own_algorithms_and_no_answer_by_another_is_taken() {
    let now = Instant::now();
    let mut authentication = authentication(now);
    let shop = Arc::clone(authentication.trunks.of_username("shop").unwrap());
    let with = |algorithm| {
        let algorithms = Algorithms::new(vec![algorithm]).unwrap();
        let credentials = shop.credentials.clone().map(|known| Credentials { algorithms, ..known });
        Source::Trunk(Arc::new(TrunkPlan { credentials, ..(*shop).clone() }))
    };
    let nonce = authentication.nonce(now);
    for (algorithm, expected) in [(Algorithm::Sha256, "wrong"), (Algorithm::Md5, "shop")] {
        let source = with(algorithm);
        let Verdict::Challenge(reply, _) = authentication.judge(&invite(URI, ""), &source, HERE, now) else {
            panic!("no challenge")
        };
        let [challenge] = &reply.headers[..] else { panic!("{reply:?}") };
        assert!(challenge.value().ends_with(&format!(",algorithm={}", algorithm.name())), "{challenge:?}");
        // By MD5.
        let answered = invite(URI, &answer(&nonce, "shop", "shop", 1));
        let verdict = authentication.judge(&answered, &source, HERE, now);
        assert_eq!(outcome(&verdict), expected);
    }
}
