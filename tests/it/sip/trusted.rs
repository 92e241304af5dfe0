//! Trunks that have to know a password, and strangers.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use md5::{Digest, Md5};
use tokio::time::Instant;

use super::line::Line;
use super::phone::{Message, Phone, SDP};
use super::{World, trunks};

/// Two trunks that call from anywhere, and one that doesn't.
const TRUNKS: &str = "[[trunk]]\nname = 'office'\nfrom = 'anywhere'\n\
                      digest = { username = 'office', password = 'env:PASSWORD' }\n\
                      [[trunk]]\nname = 'shop'\nfrom = 'anywhere'\n\
                      digest = { username = 'shop', password = 'env:OTHER' }\n\
                      [[trunk]]\nname = 'carrier'\naddresses = ['127.0.0.2']\n";
const PASSWORD: &str = "open sesame";
const OTHER: &str = "shibboleth";
/// As long as what real phones send.
const AGENT: &str =
    "User-Agent: A phone\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, REFER\r\n";

fn hash(algorithm: &str, text: &str) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match algorithm {
        "MD5" => hex(&Md5::digest(text.as_bytes())),
        "SHA-256" => hex(digest(&SHA256, text.as_bytes()).as_ref()),
        other => panic!("{other}"),
    }
}

/// The nonce of a challenge, which is whole: both algorithms, the better first.
fn nonce(challenge: &Message, stale: bool) -> String {
    let both = challenge.all("www-authenticate");
    let [sha, md5] = both[..] else { panic!("two challenges: {challenge:?}") };
    let nonce = sha.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let stale = if stale { ",stale=true" } else { "" };
    for (found, algorithm) in [(sha, "SHA-256"), (md5, "MD5")] {
        let expected =
            format!("Digest realm=\"dialplane\",nonce=\"{nonce}\",qop=\"auth\",algorithm={algorithm}{stale}");
        assert_eq!(found, expected);
    }
    nonce.to_owned()
}

/// Who is meant to call, and what of it is sent.
struct Credentials<'a> {
    username: &'a str,
    password: &'a str,
    algorithm: &'a str,
    count: u32,
}

const OFFICE: Credentials<'static> =
    Credentials { username: "office", password: PASSWORD, algorithm: "SHA-256", count: 1 };

impl Credentials<'_> {
    /// The header lines of a request with them.
    fn lines(&self, nonce: &str, method: &str, router: SocketAddr) -> String {
        let Self { username, password, algorithm, count } = self;
        let uri = format!("sip:+15557770001@{router}");
        let user = hash(algorithm, &format!("{username}:dialplane:{password}"));
        let request = hash(algorithm, &format!("{method}:{uri}"));
        let response = hash(algorithm, &format!("{user}:{nonce}:{count:08x}:0a4f:auth:{request}"));
        format!(
            "{AGENT}Authorization: Digest username=\"{username}\", realm=\"dialplane\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}, cnonce=\"0a4f\", qop=auth, nc={count:08x}\r\n"
        )
    }
}

/// An INVITE without credentials is challenged.
async fn challenged(phone: &mut Phone) -> String {
    phone.ask("INVITE", AGENT, SDP).await;
    refused(phone, false).await
}

async fn refused(phone: &mut Phone, stale: bool) -> String {
    let challenge = phone.status("INVITE", 401).await;
    phone.follow_up("ACK").await;
    phone.tag = None;
    nonce(&challenge, stale)
}

/// Calls with these credentials as far as ringing, and gives what was sent.
async fn call(phone: &mut Phone, credentials: &Credentials<'_>, nonce: &str, router: SocketAddr) -> String {
    let invite = phone.request("INVITE", &credentials.lines(nonce, "INVITE", router), SDP);
    phone.send(&invite).await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    invite
}

/// So many outcomes of this kind were counted.
fn counted(world: &World, outcome: &str) -> u64 {
    let line = format!("dialplane_sip_authentications_total{{outcome=\"{outcome}\"}} ");
    let metrics = world.metrics.render();
    metrics.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_caller_from_anywhere_is_challenged_and_then_served() {
    let mut world = World::with(10, trunks(TRUNKS)).await;
    let mut phone = Phone::new(world.address).await;
    let nonce = challenged(&mut phone).await;
    assert!(world.is_quiet());
    let invite = call(&mut phone, &OFFICE, &nonce, world.address).await;
    let mut session = world.call().await;
    assert_eq!(session.call().trunk.as_ref().map(|trunk| trunk.called()), Some("office"));
    assert!(!format!("{:?}", session.call()).contains("0a4f"), "credentials are no fact of a call");

    // Sent again it is no replay.
    phone.send(&invite).await;
    phone.status("INVITE", 180).await;
    session.answer().await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;

    // In the call, whoever has its tags and its address needs no credentials.
    phone.ask("UPDATE", "", "").await;
    phone.status("UPDATE", 200).await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
    let outcomes = ["challenged", "accepted", "replayed", "stale", "wrong"];
    assert_eq!(outcomes.map(|outcome| counted(&world, outcome)), [1, 1, 0, 0, 0]);
}

#[tokio::test]
async fn each_copy_of_a_request_is_challenged_with_the_same_tag() {
    let world = World::with(10, trunks(TRUNKS)).await;
    let mut phone = Phone::new(world.address).await;
    let invite = phone.request("INVITE", AGENT, SDP);
    let mut tags = Vec::new();
    for sent in [&invite, &invite, &phone.request("INVITE", AGENT, SDP)] {
        phone.send(sent).await;
        phone.tag = None;
        phone.status("INVITE", 401).await;
        tags.push(phone.tag.clone().expect("a tag"));
    }
    assert!(tags[0] == tags[1] && tags[0] != tags[2], "{tags:?}");
}

#[tokio::test]
async fn two_trunks_with_the_same_number_are_told_apart_by_the_username() {
    let mut world = World::with(10, trunks(TRUNKS)).await;
    let shop = Credentials { username: "shop", password: OTHER, algorithm: "MD5", count: 1 };
    for (credentials, name) in [(&OFFICE, "office"), (&shop, "shop")] {
        let mut phone = Phone::new(world.address).await;
        let nonce = challenged(&mut phone).await;
        call(&mut phone, credentials, &nonce, world.address).await;
        let session = world.call().await;
        assert_eq!(session.call().trunk.as_ref().map(|trunk| trunk.called()), Some(name));
    }
    let mut phone = Phone::at("127.0.0.2", world.address).await;
    phone.ring().await;
    let session = world.call().await;
    assert_eq!(session.call().trunk.as_ref().map(|trunk| trunk.called()), Some("carrier"));
}

#[tokio::test]
async fn nothing_but_the_right_answer_is_taken_and_no_answer_twice() {
    let mut world = World::with(10, trunks(TRUNKS)).await;
    let mut phone = Phone::new(world.address).await;
    let router = world.address;
    let mut nonce = challenged(&mut phone).await;
    for (username, password) in [("office", OTHER), ("shop", PASSWORD), ("nobody", PASSWORD)] {
        let wrong = Credentials { username, password, ..OFFICE };
        phone.ask("INVITE", &wrong.lines(&nonce, "INVITE", router), SDP).await;
        nonce = refused(&mut phone, false).await;
    }
    // For another method.
    phone.ask("INVITE", &OFFICE.lines(&nonce, "REGISTER", router), SDP).await;
    refused(&mut phone, false).await;
    // Of another router.
    phone.ask("INVITE", &OFFICE.lines("b3BlbiBzZXNhbWUgb3BlbiBzZX", "INVITE", router), SDP).await;
    nonce = refused(&mut phone, true).await;
    assert!(world.is_quiet());

    call(&mut phone, &Credentials { count: 12, ..OFFICE }, &nonce, router).await;
    let _session = world.call().await;
    for count in [12, 11] {
        let mut thief = Phone::new(router).await;
        let stolen = Credentials { count, ..OFFICE };
        thief.ask("INVITE", &stolen.lines(&nonce, "INVITE", router), SDP).await;
        refused(&mut thief, true).await;
    }
    assert!(world.is_quiet());
    let mut again = Phone::new(router).await;
    call(&mut again, &Credentials { count: 13, ..OFFICE }, &nonce, router).await;
    let outcomes = ["wrong", "stale", "replayed", "accepted"];
    assert_eq!(outcomes.map(|outcome| counted(&world, outcome)), [4, 1, 2, 2]);
}

#[tokio::test]
async fn who_guesses_hears_nothing_more() {
    let world = World::with(10, trunks(TRUNKS)).await;
    let mut phone = Phone::new(world.address).await;
    let nonce = challenged(&mut phone).await;
    let guess = Credentials { password: "guess", ..OFFICE }.lines(&nonce, "INVITE", world.address);
    let mut guesses = 0;
    loop {
        phone.ask("INVITE", &guess, SDP).await;
        match phone.quiet_status().await {
            Some(status) => assert_eq!(status, 401),
            None => break,
        }
        guesses += 1;
    }
    assert_eq!((guesses, counted(&world, "wrong"), counted(&world, "silenced")), (10, 10, 1));
}

#[tokio::test]
async fn strangers_get_little_and_trunks_do_not_notice() {
    let mut world = World::with(10, trunks(TRUNKS)).await;
    let start = Instant::now();
    let mut stranger = Phone::new(world.address).await;
    // Less than a challenge, broken, or of a call that there is not: no word.
    stranger.ask("OPTIONS", "", "").await;
    stranger.ask("CANCEL", AGENT, SDP).await;
    stranger.ask("FOO", AGENT, SDP).await;
    stranger.ask("INVITE", "Content-Length: 5000\r\n", SDP).await;
    stranger.hears_nothing().await;
    for _ in 0..500 {
        let invite = stranger.request("INVITE", AGENT, SDP);
        stranger.send(&invite).await;
    }
    let mut carrier = Phone::at("127.0.0.2", world.address).await;
    carrier.ring().await;
    let session = world.call().await;
    let mut answers = 0;
    while let Some(status) = stranger.quiet_status().await {
        assert_eq!(status, 401);
        answers += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!(answers >= 10 && f64::from(answers) <= 20.0 + 5.0 * (seconds + 1.0), "{answers} in {seconds} s");
    assert_eq!(world.slots.taken(), 1, "the carrier's alone");
    drop(session);
}

#[tokio::test]
async fn a_trunk_with_addresses_and_a_password_needs_both() {
    let trunk = "[[trunk]]\nname = 'acme'\naddresses = ['127.0.0.1']\n\
                 digest = { username = 'office', password = 'env:PASSWORD' }\n";
    let mut world = World::with(10, trunks(trunk)).await;
    let mut phone = Phone::new(world.address).await;
    let nonce = challenged(&mut phone).await;
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 401).await;
    let mut elsewhere = Phone::at("127.0.0.2", world.address).await;
    elsewhere.ask("INVITE", &OFFICE.lines(&nonce, "INVITE", world.address), SDP).await;
    elsewhere.hears_nothing().await;
    call(&mut phone, &OFFICE, &nonce, world.address).await;
    let session = world.call().await;
    assert_eq!(session.call().trunk.as_ref().map(|trunk| trunk.called()), Some("acme"));
}

#[tokio::test]
async fn a_call_is_not_ended_from_another_address() {
    let anywhere = "[[trunk]]\nname = 'office'\nfrom = 'anywhere'\n\
                    digest = { username = 'office', password = 'env:PASSWORD' }\n";
    let mut world = World::with(10, trunks(anywhere)).await;
    let mut phone = Phone::new(world.address).await;
    let nonce = challenged(&mut phone).await;
    call(&mut phone, &OFFICE, &nonce, world.address).await;
    let mut session = world.call().await;
    let other = tokio::net::UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let bye = phone.request("BYE", &format!("{AGENT}X-Long: {}\r\n", "x".repeat(400)), "");
    other.send_to(bye.as_bytes(), world.address).await.unwrap();
    let mut buffer = vec![0; 2000];
    let length =
        tokio::time::timeout(Duration::from_secs(5), other.recv(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..length].starts_with(b"SIP/2.0 401 "));
    phone.send(&bye).await;
    phone.status("BYE", 200).await;
    phone.status("INVITE", 487).await;
    phone.follow_up("ACK").await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_phone_on_a_connection_is_asked_for_its_password_too() {
    let mut world = World::with(10, trunks(TRUNKS)).await;
    let mut phone = Phone::on(Line::tcp(world.address).await, world.address);
    // Nobody connects in another's name, so even a short request is answered.
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 401).await;
    let nonce = challenged(&mut phone).await;
    call(&mut phone, &OFFICE, &nonce, world.address).await;
    let session = world.call().await;
    assert_eq!(session.call().trunk.as_ref().map(|trunk| trunk.called()), Some("office"));
}
