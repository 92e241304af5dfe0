//! Messages that strain a parser, after the descriptions of RFC 4475: what is valid, however odd, is a call or has its
//! answer; what is not is refused or dropped; and neither is in the way of a call that is up.

use tokio::net::UdpSocket;
use tokio::time::timeout;

mod messages;

use super::answered::up;
use super::phone::SDP;
use super::{QUIET, SOON, World};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Call,
    Status(u16),
    Dropped,
}

use Outcome::{Call, Dropped, Status};
use messages::{OPTIONS, invalid, message, understood, valid};

/// Sends it, and tells what comes of it.
async fn outcome(world: &mut World, text: &str, id: usize) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let own = socket.local_addr().unwrap().to_string();
    let text = text
        .replace("PHONE", &own)
        .replace("ROUTER", &world.address.to_string())
        .replace("NUMBER", &id.to_string());
    socket.send_to(text.as_bytes(), world.address).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let wait = async {
        let (length, _) = socket.recv_from(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let Ok(answer) = timeout(QUIET, wait).await else { return Dropped };
    let status = answer.strip_prefix("SIP/2.0 ").expect("a response")[..3].parse().unwrap();
    if status != 100 {
        return Status(status);
    }
    // Its session is gone at once, and the call is refused.
    drop(world.call().await);
    Call
}

/// The router answers as before.
async fn still_answers(world: &World, id: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let own = socket.local_addr().unwrap().to_string();
    let text = message(OPTIONS, &[], "").replace("PHONE", &own).replace("ROUTER", &world.address.to_string());
    socket.send_to(text.replace("NUMBER", &format!("after-{id}")).as_bytes(), world.address).await.unwrap();
    let mut buffer = vec![0; 2000];
    let (length, _) = timeout(SOON, socket.recv_from(&mut buffer)).await.expect("an answer").unwrap();
    assert!(buffer[..length].starts_with(b"SIP/2.0 200 "));
}

#[tokio::test]
async fn every_message_has_its_answer_or_none_and_the_call_that_is_up_goes_on() {
    let (mut world, mut phone, mut session) = up().await;
    let mut wrong = Vec::new();
    for (id, (name, text, expected)) in valid().into_iter().chain(understood()).chain(invalid()).enumerate() {
        let found = outcome(&mut world, &text, id).await;
        if found != expected {
            wrong.push(format!("{name}: {found:?} instead of {expected:?}"));
        }
        still_answers(&world, id).await;
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    phone.ask("UPDATE", "", &format!("{SDP}a=sendonly\r\n")).await;
    phone.status("UPDATE", 200).await;
    session.expect("Away").await;
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}
