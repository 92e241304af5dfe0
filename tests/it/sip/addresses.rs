//! Calls over IPv6, and both versions of IP at one port.

use dialplane::dialplan::trunk::Trunks;
use dialplane::ingress::leg::LegCommand;

use super::World;
use super::line::Line;
use super::phone::{Phone, SDP};

/// A call that goes all its way, on a line of any kind. Gives the description in its 200.
async fn call(world: &mut World, mut phone: Phone, offer: &str) -> String {
    phone.ring_with("", offer).await;
    let mut session = world.call().await;
    session.answer().await;
    let ok = phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;
    session.command(LegCommand::HangUp(None)).await;
    phone.let_go().await;
    session.leave().await;
    ok.body
}

fn offer_of_version_6() -> String {
    SDP.replace("IP4 127.0.0.1", "IP6 ::1")
}

#[tokio::test]
async fn calls_come_over_ipv6_by_udp_and_tcp() {
    let mut world = World::listening("[::1]:0", 10, Trunks::default(), None).await;
    let router = world.address;
    assert!(router.is_ipv6());
    for line in [Line::udp(router).await, Line::tcp(router).await] {
        let described = call(&mut world, Phone::on(line, router), &offer_of_version_6()).await;
        assert!(described.contains("c=IN IP6 ::1\r\n"), "{described}");
    }
    world.drain();
    world.ended().await;
}

#[tokio::test]
async fn an_answer_goes_where_the_request_came_from_whatever_its_via_says() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let world = World::listening(listen, 10, Trunks::default(), None).await;
        let router = world.address;
        for line in [Line::udp(router).await, Line::tcp(router).await] {
            let mut phone = Phone::on(line, router);
            let options = phone.request("OPTIONS", "", "");
            let own = format!("/{} {}", phone.line.transport(), phone.address());
            let hidden = format!("/{} ada.invalid", phone.line.transport());
            assert!(options.contains(&own));
            phone.send(&options.replacen(&own, &hidden, 1)).await;
            let ok = phone.status("OPTIONS", 200).await;
            assert!(ok.one("via").contains(&format!(";received={}", router.ip())), "{ok:?}");
        }
    }
}

#[tokio::test]
async fn a_port_of_both_versions_speaks_to_each_caller_in_its_own() {
    let mut world = World::listening("[::]:0", 10, Trunks::default(), None).await;
    let port = world.address.port();
    for (router, offer, described) in [
        (format!("127.0.0.1:{port}"), SDP.to_owned(), "c=IN IP4 127.0.0.1\r\n"),
        (format!("[::1]:{port}"), offer_of_version_6(), "c=IN IP6 ::1\r\n"),
    ] {
        let router = router.parse().unwrap();
        for line in [Line::udp(router).await, Line::tcp(router).await] {
            let answer = call(&mut world, Phone::on(line, router), &offer).await;
            assert!(answer.contains(described), "{answer}");
        }
    }
    world.drain();
    world.ended().await;
}
