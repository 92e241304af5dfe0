//! Calls over TLS with SRTP. Between a phone that speaks neither and the router stands an edge that speaks both.

use std::net::TcpListener;

use dialplane::kit::model::log::SessionLog;
use dialplane::tls::Tls;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::edge::{Edge, LOOPBACK, Transport};
use super::*;

/// A router that takes TLS too, and an edge that calls it so.
pub async fn world(script: Script, answer: Value) -> (World, Edge) {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![LOOPBACK.to_string()]).unwrap().self_signed(&key).unwrap();
    let free = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
    let settings = format!(
        "[sip]\nlisten = '127.0.0.1:0'\ntls = {{ listen = '{free}', certificate = 'own.pem', key = 'own.key' }}\n"
    );
    let files =
        [("/r/settings.toml", settings), ("/r/own.pem", own.pem()), ("/r/own.key", key.serialize_pem())];
    let world = World::with_files(script, answer, files).await;
    let connector: TlsConnector = Tls::trusting([own.der().clone()]).config().into();
    let stream = TcpStream::connect(free).await.unwrap();
    let stream = connector.connect(ServerName::from(free.ip()), stream).await.unwrap();
    (world, Edge::open(stream, Transport::Tls).await)
}

/// The model has heard the caller say something for the nth time.
async fn understood(world: &World, times: usize) {
    let said = |session: &SessionLog| {
        let last = session.utterances.get(times - 1).filter(|said| said.stopped.is_some())?;
        Some((last.voiced, last.tone_hz))
    };
    let (voiced, tone) = world.model.wait_for(|sessions| said(sessions.first()?), SOON).await.unwrap();
    assert!(voiced.abs_diff(ms(600)) <= ms(120), "{voiced:?}");
    assert!((tone.expect("a pure tone") - TONE).abs() < 5.0, "{tone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_call_is_heard_both_ways_through_forgeries_and_new_keys() {
    let behaviour = Behaviour { greeting: ms(1_000), reply: ms(700), ..Behaviour::default() };
    let (world, mut edge) = world(Script::always(behaviour), json!({})).await;
    let voice = tone_of("marin");
    let mut call = Call::place(&dial(edge.sip)).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let said = |heard: &Recording| {
        find(heard, voice).map_or(Duration::ZERO, |tone| tone.length.mul_f64(1.0 - tone.missing))
    };
    call.hears(|heard| said(heard) >= ms(950), SOON).await.unwrap();
    // First as it began, then after a hold with the same key, and then after one with new keys.
    for (round, rekeys) in [false, false, true].into_iter().enumerate() {
        if round > 0 {
            edge.rekeys.send_replace(rekeys);
            call.hold(true).await;
            edge.agreed(round * 2).await;
            call.hold(false).await;
            edge.agreed(round * 2 + 1).await;
        }
        call.say(vec![Say::Tone { hz: TONE, length: ms(600) }]).await;
        understood(&world, round + 1).await;
        let so_far = ms(950) + ms(650) * (u32::try_from(round).unwrap() + 1);
        call.hears(|heard| said(heard) >= so_far, SOON).await.unwrap();
    }
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));

    let seen = edge.seen.borrow().clone();
    assert_eq!(seen.unopened, 0, "everything is sealed with the key that was told");
    assert!(seen.keys.windows(2).all(|pair| pair[0] == pair[1]), "our key stays");
    let record = world.end().await;
    let timing = |name: &str| record["timing_ms"][name].as_u64().unwrap();
    let most = (timing("ended") - timing("active")) / 20 + 10;
    let packets = record["media"]["received"]["packets"].as_u64().unwrap();
    assert!((150..=most).contains(&packets), "the forged ones are not counted: {record}");
    for key in &seen.keys {
        assert!(!record.to_string().contains(&key.reveal().to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_codec_goes_sealed_with_tones_and_keys_both_ways() {
    let world = async || {
        let (script, answer) = codecs::talkative();
        world(script, answer).await
    };
    let call = async |(world, edge): (World, Edge), codec| {
        let dial = Dial { codec, ..dial(edge.sip) };
        let went = codecs::tones_and_keys(world, dial).await;
        let seen = edge.seen.borrow();
        assert_eq!((seen.keys.len(), seen.unopened), (1, 0), "{codec:?}: {seen:?}");
        went
    };
    for (codec, late, went) in codecs::in_each_codec(world, call).await {
        codecs::is_right(codec, late, went);
    }
}
