use livekit_protocol::{ParticipantUpdate, TrickleRequest};

use super::*;

fn received(message: In) -> FromRoom {
    let bytes = SignalResponse { message: Some(message) }.encode_to_vec();
    FromRoom::decode(&bytes).expect("protobuf")
}

#[test]
fn the_join_request_survives_the_url() {
    let base = Url::parse("http://127.0.0.1:7880/base").expect("a valid URL");
    let url = join_url(&base, Offer { id: 1, sdp: "v=0\r\n".to_owned() });
    assert_eq!((url.scheme(), url.path()), ("ws", "/base/rtc/v1"));

    let (_, value) = url.query_pairs().find(|(key, _)| key == "join_request").expect("the request");
    let wrapped = WrappedJoinRequest::decode(URL_SAFE.decode(value.as_ref()).expect("base64").as_slice());
    let request =
        JoinRequest::decode(wrapped.expect("wrapped").join_request.as_slice()).expect("a join request");
    assert!(request.connection_settings.expect("settings").auto_subscribe);
    assert!(request.add_track_requests.is_empty(), "a track here would answer the call");
    let offer = request.publisher_offer.expect("the offer");
    assert_eq!((offer.id, offer.sdp.as_str()), (1, "v=0\r\n"));
}

#[test]
fn only_livekit_sip_makes_a_sip_participant() {
    for (kind, expected) in [(Kind::Sip, true), (Kind::Standard, false), (Kind::Agent, false)] {
        let info = ParticipantInfo { kind: kind as i32, ..ParticipantInfo::default() };
        let update = ParticipantUpdate { participants: vec![info] };
        let FromRoom::Participants(participants) = received(In::Update(update)) else {
            panic!("an update is an update")
        };
        assert_eq!(participants[0].is_sip, expected, "{kind:?}");
    }
}

#[test]
fn a_participant_that_left_and_one_that_was_cut_off_differ() {
    use DisconnectReason as Reason;
    for (state, reason, expected) in [
        (State::Active, Reason::UnknownReason, Presence::Here),
        (State::Disconnected, Reason::UnknownReason, Presence::Dropped),
        (State::Disconnected, Reason::Migration, Presence::Dropped),
        (State::Disconnected, Reason::ClientInitiated, Presence::Left),
        (State::Disconnected, Reason::ParticipantRemoved, Presence::Removed),
        (State::Disconnected, Reason::RoomDeleted, Presence::Removed),
        (State::Disconnected, Reason::DuplicateIdentity, Presence::Dropped),
        (State::Disconnected, Reason::ConnectionTimeout, Presence::Dropped),
        (State::Disconnected, Reason::SignalClose, Presence::Dropped),
    ] {
        let info = ParticipantInfo {
            state: state as i32,
            disconnect_reason: reason as i32,
            ..ParticipantInfo::default()
        };
        assert_eq!(Participant::from(info).presence, expected, "{state:?} {reason:?}");
    }
}

#[test]
fn the_servers_process_and_its_newest_token_are_told() {
    let server = livekit_protocol::ServerInfo { node_id: "ND_1".to_owned(), ..Default::default() };
    let join = JoinResponse { server_info: Some(server), ..JoinResponse::default() };
    let FromRoom::Joined(joined) = received(In::Join(join)) else { panic!("a join response") };
    assert_eq!(joined.node, "ND_1");
    assert_eq!(received(In::RefreshToken("newer".to_owned())), FromRoom::Token("newer".into()));
}

#[test]
fn a_candidate_is_read_out_of_its_json_and_nonsense_is_passed_over() {
    let line = "candidate:1 1 udp 2130706431 127.0.0.1 7882 typ host";
    for (init, expected) in [
        (format!(r#"{{"candidate":"{line}","sdpMid":"0"}}"#), FromRoom::Candidate(line.to_owned())),
        ("{}".to_owned(), FromRoom::Other),
        ("not json".to_owned(), FromRoom::Other),
    ] {
        let trickle = TrickleRequest { candidate_init: init, ..TrickleRequest::default() };
        assert_eq!(received(In::Trickle(trickle)), expected);
    }
}

#[test]
fn a_closed_room_being_dismissed_and_being_asked_back_differ() {
    use leave_request::Action::{Disconnect, Reconnect, Resume};
    for (reason, action, expected) in [
        (DisconnectReason::RoomDeleted, Disconnect, Departure::RoomClosed),
        (DisconnectReason::RoomClosed, Disconnect, Departure::RoomClosed),
        (DisconnectReason::RoomClosed, Reconnect, Departure::RoomClosed),
        (DisconnectReason::ParticipantRemoved, Disconnect, Departure::Dismissed),
        (DisconnectReason::ServerShutdown, Disconnect, Departure::Dismissed),
        (DisconnectReason::DuplicateIdentity, Disconnect, Departure::Rejoin),
        (DisconnectReason::ServerShutdown, Reconnect, Departure::Rejoin),
        (DisconnectReason::StateMismatch, Reconnect, Departure::Rejoin),
        (DisconnectReason::UnknownReason, Resume, Departure::Rejoin),
    ] {
        let leave = LeaveRequest { reason: reason as i32, action: action as i32, ..LeaveRequest::default() };
        assert_eq!(received(In::Leave(leave)), FromRoom::Left(expected), "{reason:?} {action:?}");
    }
}

#[test]
fn who_is_moved_to_another_room_is_no_longer_with_the_caller() {
    let moved =
        livekit_protocol::RoomMovedResponse { token: "another room's".to_owned(), ..Default::default() };
    assert_eq!(received(In::RoomMoved(moved)), FromRoom::Left(Departure::Dismissed));
}

#[test]
fn a_server_without_ping_settings_gets_the_usual_ones() {
    let FromRoom::Joined(joined) = received(In::Join(JoinResponse::default())) else {
        panic!("a join response is a join response")
    };
    assert_eq!((joined.ping_interval.as_secs(), joined.ping_timeout.as_secs()), (5, 15));
}
