//! Good messages of every kind, to be broken: as a phone would send them, in the words of RFC 3261's descriptions.

use std::net::SocketAddr;

pub const METHODS: [&str; 13] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "UPDATE",
    "INFO",
    "PRACK",
    "REFER",
    "NOTIFY",
    "MESSAGE",
    "REGISTER",
    "SUBSCRIBE",
];

/// What a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    pub call_id: String,
    pub from_tag: String,
    /// The router's, in a dialog.
    pub to_tag: Option<String>,
    pub branch: String,
    pub sequence: u32,
}

impl Ids {
    /// Of a call that is none.
    pub fn nobody() -> Self {
        let some = || "nobody".to_owned();
        Self { call_id: some(), from_tag: some(), to_tag: Some(some()), branch: some(), sequence: 1 }
    }
}

/// A request of a phone at `from`, whose audio is at `audio`.
pub fn request(method: &str, from: SocketAddr, audio: SocketAddr, ids: &Ids, kind: usize) -> Vec<u8> {
    let Ids { call_id, from_tag, to_tag, branch, sequence } = ids;
    let to_tag = to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
    let (more, body) = match (method, kind % 4) {
        ("INVITE", 0) => ("", String::new()),
        ("INVITE" | "UPDATE" | "PRACK", _) => ("Content-Type: application/sdp\r\n", description(audio, kind)),
        ("INFO", _) => ("Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n".into()),
        ("NOTIFY", _) => (
            "Event: refer\r\nSubscription-State: active;expires=60\r\nContent-Type: message/sipfrag\r\n",
            "SIP/2.0 200 OK\r\n".into(),
        ),
        ("REFER", _) => ("Refer-To: <sip:+15551239999@127.0.0.1>\r\n", String::new()),
        ("MESSAGE", _) => ("Content-Type: text/plain\r\n", "hello".into()),
        _ => ("", String::new()),
    };
    let extra = match kind % 8 {
        1 => "Supported: timer, 100rel\r\nSession-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n",
        2 => "Record-Route: <sip:127.0.0.1:5;lr>, <sip:127.0.0.1:6;lr>\r\nMax-Forwards: 70\r\n",
        3 => {
            "P-Asserted-Identity: \"Ada\" <sip:+15551230001@127.0.0.1>\r\nDiversion: <sip:+15557770009@b>\r\n"
        }
        4 => {
            "Authorization: Digest username=\"a\", realm=\"b\", nonce=\"c\", uri=\"sip:d\", response=\"e\"\r\n"
        }
        5 => {
            "RAck: 1 1 INVITE\r\nRequire: timer\r\nReason: Q.850;cause=16\r\nHistory-Info: <sip:a@b>;index=1\r\n"
        }
        _ => "",
    };
    format!(
        "{method} sip:+15557770001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch={branch};rport\r\n\
         From: \"Ada\" <sip:+15551230002@carrier.example>;tag={from_tag}\r\nTo: <sip:+15557770001@router>{to_tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {sequence} {method}\r\nContact: <sip:ada@{from}>\r\n{extra}{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The same as it goes over another transport than UDP.
pub fn over(transport: &str, request: Vec<u8>) -> Vec<u8> {
    let request = String::from_utf8(request).unwrap();
    request.replace("SIP/2.0/UDP", &format!("SIP/2.0/{transport}")).into_bytes()
}

/// Session descriptions of some kinds: audio alone, held, with much else, with attributes of every sort.
pub fn description(audio: SocketAddr, kind: usize) -> String {
    let (host, port) = (audio.ip(), audio.port());
    let head = format!("v=0\r\no=- 1 {kind} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n");
    let rest = match kind % 5 {
        0 => format!(
            "m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        ),
        1 => format!("m=audio {port} RTP/AVP 8\r\na=sendonly\r\na=ptime:20\r\n"),
        2 => format!(
            "m=audio {port} RTP/AVP 111 9 0\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtcp-mux\r\n\
             m=video 5002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=image 5004 udptl t38\r\n"
        ),
        3 => format!(
            "m=audio {port} RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtcp:{} IN IP4 {host}\r\na=inactive\r\n",
            port.wrapping_add(1)
        ),
        _ => format!("m=audio {port}/2 RTP/AVP 0 13\r\nc=IN IP4 0.0.0.0\r\nb=AS:64\r\na=maxptime:60\r\n"),
    };
    head + &rest
}

/// RTP of 20 ms, a key's packet, and reports of both kinds, as one sends them in the middle of a call.
pub fn packet(kind: usize, sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence).wrapping_mul(160);
    let header = |first: u8, second: u8| {
        let mut packet = vec![first, second];
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(7_u32.to_be_bytes());
        packet
    };
    match kind % 6 {
        0 => [header(0x80, 0), vec![0x55; 160]].concat(),
        1 => [header(0x80, 101), vec![5, 0x8A, 3, 0x20]].concat(),
        2 => [header(0x90, 8), vec![0xBE, 0xDE, 0, 1, 0x10, 0, 0, 0], vec![0x55; 160]].concat(),
        3 => {
            let block = [7_u32, 0, u32::from(sequence), 3, 0, 0].map(u32::to_be_bytes).concat();
            [vec![0x81, 200, 0, 12], 7_u32.to_be_bytes().into(), vec![0; 20], block].concat()
        }
        4 => {
            let block = [7_u32, 0x0100_0001, u32::from(sequence), 3, 9, 9].map(u32::to_be_bytes).concat();
            let bye = vec![0x81, 203, 0, 1, 0, 0, 0, 7];
            [vec![0x81, 201, 0, 7], 7_u32.to_be_bytes().into(), block, bye].concat()
        }
        _ => [header(0xA2, 0), vec![1; 8], vec![0x55; 157], vec![0, 0, 3]].concat(),
    }
}

/// The dialog of an INVITE's 200.
pub fn established(message: &str) -> Option<Ids> {
    let sequence = header(message, "CSeq")?.strip_suffix(" INVITE")?.trim().parse().ok()?;
    message.strip_prefix("SIP/2.0 200 ")?;
    Some(Ids {
        call_id: header(message, "Call-ID")?.to_owned(),
        from_tag: parameter(header(message, "From")?, "tag")?,
        to_tag: Some(parameter(header(message, "To")?, "tag")?),
        branch: parameter(header(message, "Via")?, "branch")?,
        sequence,
    })
}

pub fn header<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let of = |part: &str| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    value.split(';').find_map(of)
}

/// Where a description wants audio to go.
pub fn audio(message: &str) -> Option<SocketAddr> {
    let line = |prefix: &str| message.lines().find_map(|line| line.strip_prefix(prefix));
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(line("c=IN IP4 ")?.trim().parse().ok()?, port))
}
