//! Calls over connections, and what connections may do.

use std::net::SocketAddr;
use std::time::Duration;

use dialplane::call::Refusal;
use dialplane::ingress::leg::LegCommand;
use dialplane::ingress::sip::stream::places::OF_TRUNKS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::line::Line;
use super::phone::{Phone, SDP};
use super::{QUIET, SOON, Session, World, trunks};

/// Longer than UDP waits before it sends anything again.
const AGAIN: Duration = Duration::from_millis(700);

async fn phone(world: &World) -> Phone {
    Phone::on(Line::tcp(world.address).await, world.address)
}

/// A call over a connection that is up. `contact` is a header line, where it is not the phone's own.
pub async fn up(world: &mut World, phone: &mut Phone, contact: &str) -> Session {
    phone.ask("INVITE", contact, SDP).await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    let mut session = world.call().await;
    session.answer().await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;
    session
}

#[tokio::test]
async fn a_call_goes_over_the_connection_that_it_came_on_and_its_last_word_too() {
    let mut world = World::new().await;
    let mut phone = phone(&world).await;
    let mut session = up(&mut world, &mut phone, "").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
    session.leave().await;
    world.drain();
    world.ended().await;
    phone.is_cut_off().await;
}

#[tokio::test]
async fn our_bye_goes_on_the_callers_connection_and_but_once() {
    let mut world = World::new().await;
    let mut phone = phone(&world).await;
    // Nobody is there: over any other way it would be lost.
    let session = up(&mut world, &mut phone, "Contact: <sip:ada@127.0.0.1:9;transport=tcp>\r\n").await;
    session.command(LegCommand::HangUp(None)).await;
    let bye = phone.requested("BYE").await;
    assert!(bye.one("via").starts_with(&format!("SIP/2.0/TCP {};", world.address)), "{bye:?}");
    assert_eq!(bye.one("contact"), format!("<sip:{};transport=tcp>", world.address));
    assert!(timeout(AGAIN, phone.line.hear(world.address)).await.is_err(), "TCP loses nothing");
    phone.answer(&bye, "200 OK").await;
    session.leave().await;
    world.drain();
    world.ended().await;
}

#[tokio::test]
async fn a_caller_whose_connection_is_lost_gets_our_bye_on_a_new_one() {
    let mut world = World::new().await;
    let mut phone = phone(&world).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let contact = format!("Contact: <sip:ada@{at};transport=tcp>\r\n");
    let session = up(&mut world, &mut phone, &contact).await;
    // The router may see the end of it before the BYE is sent, or after.
    phone.line = Line::udp(world.address).await;
    session.command(LegCommand::HangUp(None)).await;
    phone.line = Line::taken(&listener).await;
    let bye = phone.let_go().await;
    assert_eq!(bye.start.to_lowercase(), format!("bye sip:ada@{at};transport=tcp sip/2.0"));
    session.leave().await;
    world.drain();
    world.ended().await;
}

#[tokio::test]
async fn callers_who_lost_a_connection_share_the_new_one() {
    let mut world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let contact = format!("Contact: <sip:ada@{};transport=tcp>\r\n", listener.local_addr().unwrap());
    let mut phones = [phone(&world).await, phone(&world).await];
    let mut sessions = Vec::new();
    for phone in &mut phones {
        sessions.push(up(&mut world, phone, &contact).await);
        phone.change_to(Line::udp(world.address).await, world.address);
    }
    for session in &sessions {
        session.command(LegCommand::HangUp(None)).await;
    }
    let line = Line::taken(&listener).await;
    for _ in &phones {
        // In the order that they come in.
        let bye = line.hear(world.address).await.expect("a BYE");
        let bye = String::from_utf8(bye).unwrap();
        assert!(phones.iter().any(|phone| bye.contains(phone.call_id())), "{bye}");
    }
    assert!(timeout(QUIET, listener.accept()).await.is_err(), "one connection does");
}

#[tokio::test]
async fn a_caller_who_has_connected_anew_is_reached_by_that() {
    let mut world = World::new().await;
    let mut phone = phone(&world).await;
    // Nobody is there.
    let session = up(&mut world, &mut phone, "Contact: <sip:ada@127.0.0.1:9;transport=tcp>\r\n").await;
    phone.change_to(Line::tcp(world.address).await, world.address);
    phone.ask("UPDATE", "Contact: <sip:ada@127.0.0.1:9;transport=tcp>\r\n", "").await;
    phone.status("UPDATE", 200).await;
    session.command(LegCommand::HangUp(None)).await;
    phone.let_go().await;
}

/// An INVITE whose Via says that the phone listens there.
fn invite_from(phone: &mut Phone, listener: &TcpListener, more: &str) -> String {
    let (local, listens) = (phone.address().to_string(), listener.local_addr().unwrap().to_string());
    phone.request("INVITE", more, SDP).replace(&local, &listens)
}

/// A call of a phone that listens there, and whose connection is closed while it rings.
async fn closed(world: &mut World, listener: &TcpListener) -> (Phone, Session) {
    let mut phone = phone(world).await;
    let invite = invite_from(&mut phone, listener, "");
    phone.send(&invite).await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    let session = world.call().await;
    phone.line.shut().await;
    phone.is_cut_off().await;
    (phone, session)
}

#[tokio::test]
async fn the_answer_to_a_caller_whose_connection_is_closed_comes_on_a_new_one() {
    let mut world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut phone, mut session) = closed(&mut world, &listener).await;
    session.answer().await;
    phone.line = Line::taken(&listener).await;
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn a_refusal_of_a_caller_whose_connection_is_closed_comes_on_a_new_one() {
    let mut world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut phone, session) = closed(&mut world, &listener).await;
    session.command(LegCommand::HangUp(Some(Refusal::Busy))).await;
    phone.line = Line::taken(&listener).await;
    phone.status("INVITE", 486).await;
    phone.follow_up("ACK").await;
}

#[tokio::test]
async fn who_has_not_proved_who_it_is_has_us_connect_nowhere() {
    let office = "[[trunk]]\nname = 'office'\nfrom = 'anywhere'\n\
                  digest = { username = 'office', password = 'env:PASSWORD' }\n";
    let world = World::with(10, trunks(office)).await;
    let mut phone = phone(&world).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let more = format!("Contact: <sip:{at};transport=tcp>\r\nRecord-Route: <sip:{at};transport=tcp;lr>\r\n");
    let invite = invite_from(&mut phone, &listener, &more);
    for _ in 0..3 {
        phone.send(&invite.replace("branch=", "branch=z9hG4bKn")).await;
    }
    drop(phone);
    let challenged =
        || world.metrics.render().contains("sip_authentications_total{outcome=\"challenged\"} 3");
    let counted = async {
        while !challenged() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, counted).await.expect("it is challenged");
    assert!(timeout(QUIET, listener.accept()).await.is_err());
}

#[tokio::test]
async fn a_call_by_udp_whose_contact_wants_tcp_gets_our_bye_by_it() {
    let mut world = World::new().await;
    let mut phone = Phone::new(world.address).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let contact = format!("Contact: <sip:{};transport=tcp>\r\n", listener.local_addr().unwrap());
    let session = up(&mut world, &mut phone, &contact).await;
    session.command(LegCommand::HangUp(None)).await;
    phone.line = Line::taken(&listener).await;
    let bye = phone.let_go().await;
    assert!(bye.one("via").starts_with("SIP/2.0/TCP "), "{bye:?}");
}

#[tokio::test]
async fn a_caller_who_cannot_be_reached_any_more_keeps_no_call() {
    let mut world = World::new().await;
    let mut phone = phone(&world).await;
    let session = up(&mut world, &mut phone, "Contact: <sip:ada@127.0.0.1:9;transport=tcp>\r\n").await;
    drop(phone);
    session.command(LegCommand::HangUp(None)).await;
    session.leave().await;
    world.drain();
    timeout(SOON, world.ended()).await.expect("nothing is waited for");
}

#[tokio::test]
async fn a_message_may_come_in_pieces_and_several_may_come_at_once() {
    let mut world = World::new().await;
    let mut phone = phone(&world).await;
    let invite = phone.request("INVITE", "", SDP);
    let first = phone.request("OPTIONS", "", "");
    let second = phone.request("OPTIONS", "", "");
    let (begin, rest) = invite.split_at(invite.len() - 30);
    for piece in begin.as_bytes().chunks(40) {
        phone.send_bytes(piece).await;
        tokio::task::yield_now().await;
    }
    phone.send(&format!("{rest}\r\n{first}{second}")).await;
    let statuses =
        [phone.message().await, phone.message().await, phone.message().await, phone.message().await];
    let mut answered: Vec<String> =
        statuses.iter().map(|message| format!("{} {}", message.status(), message.one("cseq"))).collect();
    answered.sort();
    assert_eq!(answered, ["100 1 INVITE", "180 1 INVITE", "200 2 OPTIONS", "200 3 OPTIONS"]);
    world.call().await;
}

#[tokio::test]
async fn a_ping_gets_its_pong() {
    let world = World::new().await;
    let mut phone = phone(&world).await;
    for _ in 0..3 {
        phone.send("\r\n\r\n").await;
        assert_eq!(phone.line.bytes(2).await, b"\r\n");
    }
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 200).await;
}

#[tokio::test]
async fn of_final_responses_only_a_200_is_sent_again_over_tcp() {
    let mut world = World::new().await;
    let mut refused = phone(&world).await;
    refused.ask("INVITE", "Max-Forwards: 0\r\n", SDP).await;
    refused.status("INVITE", 483).await;
    let mut phone = phone(&world).await;
    phone.ring().await;
    let mut session = world.call().await;
    session.answer().await;
    phone.status("INVITE", 200).await;
    // Some proxy on the way may have lost it (RFC 3261, section 13.3.1.4).
    phone.status("INVITE", 200).await;
    phone.ack("").await;
    session.expect("Active").await;
    refused.hears_nothing().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_followed_is_closed_and_calls_go_on() {
    let mut world = World::new().await;
    let mut caller = phone(&world).await;
    let mut session = up(&mut world, &mut caller, "").await;
    for (more, body, status) in [
        ("Content-Length: 18446744073709551615\r\n", "", Some(400)),
        ("Content-Length: 20000\r\n", "", Some(513)),
        ("Content-Length\r\n", "", Some(400)),
        ("", "GET / HTTP/1.1\r\n", None),
    ] {
        let mut broken = phone(&world).await;
        let text = if status.is_some() { broken.request("OPTIONS", more, body) } else { body.to_owned() };
        broken.send(&text).await;
        if let Some(status) = status {
            broken.status("OPTIONS", status).await;
        }
        broken.is_cut_off().await;
    }
    caller.ask("BYE", "", "").await;
    caller.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

/// A connection from an address of its own.
async fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(from.parse().unwrap()).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(to).await.unwrap()
}

/// Whether it is closed before it was sent anything.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    timeout(SOON, stream.read(&mut byte)).await.is_ok_and(|read| read.unwrap_or_default() == 0)
}

#[tokio::test]
async fn a_stranger_is_closed_before_anything_is_read() {
    let world = World::with(10, trunks("[[trunk]]\nname = 'acme'\naddresses = ['127.0.0.7']\n")).await;
    let mut stranger = connect("127.0.0.1:0", world.address).await;
    assert!(is_closed(&mut stranger).await);
    assert!(world.metrics.render().contains(r#"sip_dropped_total{reason="stranger"} 1"#));
    let known = connect("127.0.0.7:0", world.address).await;
    let mut phone = Phone::on(Line::stream(known.local_addr().unwrap(), "TCP", known), world.address);
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 200).await;
}

#[tokio::test]
async fn one_address_has_no_more_connections_than_may_be_and_others_have_theirs() {
    let world = World::new().await;
    let mut held = Vec::new();
    for _ in 0..OF_TRUNKS.connections.each {
        held.push(connect("127.0.0.3:0", world.address).await);
    }
    let mut one_more = connect("127.0.0.3:0", world.address).await;
    assert!(is_closed(&mut one_more).await);
    assert!(world.metrics.render().contains(r#"sip_dropped_total{reason="rate"} 1"#));
    let mut phone = phone(&world).await;
    phone.ask("OPTIONS", "", "").await;
    phone.status("OPTIONS", 200).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off_and_nobody_waits_for_it() {
    let mut world = World::new().await;
    let mut deaf = connect("127.0.0.4:0", world.address).await;
    let mut caller = phone(&world).await;
    let mut session = up(&mut world, &mut caller, "").await;
    let long = format!("X-Long: {}\r\nRequire: {}\r\n", "x".repeat(1000), "y".repeat(8000));
    let options = caller.request("OPTIONS", &long, "");
    let flood = async {
        for n in 0.. {
            let copy = options.replace("branch=", &format!("branch=z9hG4bKd{n}"));
            if deaf.write_all(copy.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    timeout(SOON, flood).await.expect("it is cut off");
    caller.ask("BYE", "", "").await;
    caller.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}
