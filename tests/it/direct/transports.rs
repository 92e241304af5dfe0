//! Whatever a call comes over, its record is the same.

use tokio::net::TcpStream;

use super::edge::{Edge, Transport};
use super::*;

/// The record of a short call that the caller ends.
async fn record_over(transport: Option<Transport>) -> Value {
    let behaviour = Behaviour { greeting: ms(1_000), reply: ms(500), ..Behaviour::default() };
    let script = Script::always(behaviour);
    let (world, edge) = match transport {
        None => (World::scripted(script).await, None),
        Some(Transport::Tcp) => {
            let world = World::scripted(script).await;
            let stream = TcpStream::connect(world.sip).await.unwrap();
            (world, Some(Edge::open(stream, Transport::Tcp).await))
        }
        Some(Transport::Tls) => {
            let (world, edge) = sealed::world(script, json!({})).await;
            (world, Some(edge))
        }
    };
    let dial = dial(edge.as_ref().map_or(world.sip, |edge| edge.sip));
    let mut call = Call::place(&dial).await.unwrap();
    assert!(matches!(call.answered(SOON).await.unwrap(), Stage::Answered(_)));
    let voice = tone_of("marin");
    call.hears(lasts(voice, ms(950)), SOON).await.unwrap();
    call.say(vec![Say::Key('7'), Say::Silence(ms(60)), Say::Tone { hz: TONE, length: ms(600) }]).await;
    world.understood().await;
    call.hears(lasts(voice, ms(2_400)), SOON).await.unwrap();
    call.hang_up().await;
    assert_eq!(call.over(SOON).await, Ok(Stage::HungUp));
    world.end().await
}

/// What a call's record says that does not differ from one call to the next.
fn comparable(record: &Value) -> Value {
    let call = &record["call"];
    let names = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    json!({
        "fields": [names(record), names(call), names(&record["media"]), names(&call["headers"])],
        "call": [call["ingress"], call["caller"], call["called"], call["trunk"], call["project"]],
        "ending": record["ending"],
        "digits": record["digits"],
        "config": [record["config_source"], record["config"]["attempts"], record["config"]["warnings"]],
        "failed_transfers": record["failed_transfers"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_the_same_record_over_udp_tcp_and_tls_with_srtp() {
    let (udp, tcp, tls) =
        tokio::join!(record_over(None), record_over(Some(Transport::Tcp)), record_over(Some(Transport::Tls)));
    for record in [&udp, &tcp, &tls] {
        assert_eq!(comparable(record), comparable(&udp));
        let media = &record["media"];
        let timing = |name: &str| record["timing_ms"][name].as_u64().unwrap();
        let frames = (timing("ended") - timing("active")) / 20;
        for way in ["received", "sent"] {
            let packets = media[way]["packets"].as_u64().unwrap();
            assert!(packets.abs_diff(frames) <= 25, "{way} in {frames} frames: {media}");
        }
        assert_eq!((&media["received"]["lost"], &media["unsent"]), (&json!(0), &json!(0)), "{media}");
    }
}
