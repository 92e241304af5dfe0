//! The fuzzers' properties (`fuzz/`), with so many broken copies of good input.

#[path = "../../../fuzz/properties.rs"]
mod properties;

use std::net::SocketAddr;

use super::messages::{self, Ids, METHODS};
use super::mutation::Mutator;

const INPUTS: usize = 10_000;

fn phone() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 9], 4_000))
}

#[test]
fn any_description_is_read_or_not_and_answered_so_that_it_is_understood() {
    let mut mutator = Mutator::new(1);
    for kind in 0..INPUTS {
        let good = messages::description(phone(), kind);
        properties::sdp(good.as_bytes());
        properties::sdp(&mutator.mutate(good.as_bytes()));
    }
}

#[test]
fn any_packets_are_heard_or_not() {
    let mut mutator = Mutator::new(2);
    for kind in 0..INPUTS / 10 {
        let mut call = vec![kind as u8];
        for sequence in 0..10 {
            let packet = messages::packet(mutator.up_to(9), sequence);
            let packet = if mutator.up_to(3) == 0 { packet } else { mutator.mutate(&packet) };
            call.extend([packet.len().min(255) as u8, mutator.up_to(60) as u8]);
            call.extend(packet.iter().take(255));
        }
        properties::media(&call);
    }
}

#[test]
fn any_datagram_is_mended_answered_or_left_alone() {
    let mut mutator = Mutator::new(3);
    for number in 0..INPUTS {
        let ids = Ids { to_tag: (number % 3 == 0).then(|| "ours".to_owned()), ..Ids::nobody() };
        let good = messages::request(mutator.choose(&METHODS), phone(), phone(), &ids, number);
        properties::datagram(&good);
        properties::datagram(&mutator.mutate(&good));
    }
}

#[test]
fn any_stream_is_cut_into_the_same_messages_however_it_comes() {
    let mut mutator = Mutator::new(4);
    for number in 0..INPUTS / 4 {
        let mut stream = vec![mutator.up_to(255) as u8];
        for _ in 0..3 {
            let good = messages::request(mutator.choose(&METHODS), phone(), phone(), &Ids::nobody(), number);
            stream.extend(if mutator.up_to(2) == 0 { mutator.mutate(&good) } else { good });
        }
        properties::stream(&stream);
    }
}

#[test]
fn no_authorization_header_proves_anything_by_chance() {
    let good = "Digest username=\"acme\",realm=\"dialplane\",nonce=\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\
                uri=\"sip:+15557770001@192.0.2.1\",response=\"0123456789abcdef0123456789abcdef\",algorithm=MD5,\
                cnonce=\"c\",qop=auth,nc=00000001";
    let mut mutator = Mutator::new(5);
    properties::authorization(good.as_bytes());
    for _ in 0..INPUTS {
        properties::authorization(&mutator.mutate(good.as_bytes()));
    }
}
