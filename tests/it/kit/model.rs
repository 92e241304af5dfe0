use std::time::Duration;

use dialplane::kit::model::ModelServer;
use dialplane::kit::model::log::Closing;
use dialplane::kit::model::script::{Behaviour, Dialect, Fault, Rule, Script};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const SOON: Duration = Duration::from_secs(5);

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(
        server: &ModelServer,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{}{path}", server.addr()).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, _) = connect_async(request).await?;
        Ok(Self(socket))
    }

    async fn open(server: &ModelServer, model: &str) -> Self {
        let path = format!("/v1/realtime?model={model}");
        Self::connect(server, &path, &[("authorization", "Bearer k")]).await.unwrap()
    }

    async fn send(&mut self, event: Value) {
        self.0.send(Message::text(event.to_string())).await.unwrap();
    }

    async fn frame(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(SOON, self.0.next()).await.unwrap()
    }

    async fn event(&mut self) -> Value {
        let frame = self.frame().await.unwrap().unwrap();
        serde_json::from_str(frame.to_text().unwrap()).unwrap()
    }

    /// The next event of this type; those before it are passed over.
    async fn next(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event().await;
            if event["type"] == kind {
                return event;
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        match self.frame().await {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("no close frame: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_upgrade_is_refused_by_path_query_and_key() {
    let busy = Fault::TooManyRequests { retry_after: 7 };
    let script = Script { keys: vec!["right".into()], ..Script::default() }
        .with(Rule::model("down", Behaviour { fault: Fault::RefuseUpgrade(503), ..Behaviour::default() }))
        .with(Rule::model("busy", Behaviour { fault: busy, ..Behaviour::default() }));
    let server = ModelServer::start(script).await.unwrap();
    assert_eq!(server.url(), format!("http://{}/v1", server.addr()));
    for (path, key, expected) in [
        ("/realtime?model=m", "Bearer right", 404),
        ("/v1/realtime", "Bearer right", 400),
        ("/v1/realtime?model=m", "Bearer wrong", 401),
        ("/v1/realtime?model=m", "right", 401),
        ("/v1/realtime?model=down", "Bearer right", 503),
        ("/v1/realtime?model=busy", "Bearer right", 429),
    ] {
        match Client::connect(&server, path, &[("authorization", key)]).await {
            Err(Error::Http(answer)) => {
                assert_eq!(answer.status(), expected, "{path} {key}");
                let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
                assert_eq!(retry_after, (expected == 429).then_some("7"));
            }
            Err(other) => panic!("{path} {key}: {other}"),
            Ok(_) => panic!("{path} {key}: let in"),
        }
    }
    assert!(server.sessions().is_empty());
    Client::connect(&server, "/v1/realtime?model=m", &[("authorization", "Bearer right")]).await.unwrap();
}

#[tokio::test]
async fn the_beta_header_is_answered_by_an_error_and_close_4000() {
    let server = ModelServer::start(Script::default()).await.unwrap();
    let headers = [("authorization", "Bearer k"), ("openai-beta", "realtime=v1")];
    let mut client = Client::connect(&server, "/v1/realtime?model=m", &headers).await.unwrap();
    assert_eq!(client.event().await["error"]["code"], "beta_api_shape_disabled");
    assert_eq!(client.close_code().await, 4000);
}

#[tokio::test]
async fn a_session_is_held_and_recorded() {
    let server = ModelServer::start(Script::default()).await.unwrap();
    let mut client = Client::open(&server, "gpt-realtime-2.1").await;
    let created = client.event().await;
    assert_eq!(created["session"]["model"], "gpt-realtime-2.1");
    let session = json!({"type": "realtime", "audio": {"output": {"voice": "marin"}}});
    client.send(json!({"type": "session.update", "event_id": "c1", "session": session})).await;
    client.next("session.updated").await;
    client.send(json!({"type": "response.create", "response": {"metadata": {"tag": "greeting"}}})).await;
    client.next("response.done").await;
    client.send(json!({"type": "response.cancel", "event_id": "c3"})).await;
    assert_eq!(client.next("error").await["error"]["event_id"], "c3");
    client.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(client.next("error").await["error"]["code"], "invalid_event");
    let silence = "A".repeat(6_400);
    client.send(json!({"type": "input_audio_buffer.append", "audio": silence})).await;
    client.0.close(None).await.unwrap();

    let closed = |logs: &[_]| {
        logs.first().filter(|log: &&dialplane::kit::model::log::SessionLog| log.closed.is_some()).cloned()
    };
    let log = server.wait_for(closed, SOON).await.unwrap();
    assert_eq!(
        (log.id.as_str(), log.model.as_str()),
        (created["session"]["id"].as_str().unwrap(), "gpt-realtime-2.1")
    );
    assert_eq!(log.headers["authorization"], "Bearer k");
    assert_eq!(log.query["model"], "gpt-realtime-2.1");
    let kinds: Vec<&str> = log.events.iter().map(|event| event.value["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["session.update", "response.create", "response.cancel", "input_audio_buffer.append"]);
    assert!(log.events.is_sorted_by_key(|event| event.at));
    assert_eq!(log.events[3].value["audio"], "A".repeat(216));
    assert_eq!((log.audio.appends, log.audio.bytes, log.audio.length.as_millis()), (1, 4_800, 100));
    assert_eq!(log.session["audio"]["output"]["voice"], "marin");
    assert_eq!(log.refused.len(), 2);
    let greeting = &log.responses[0];
    assert_eq!((greeting.voice.as_str(), greeting.sent), ("marin", Duration::from_secs(2)));
    assert_eq!(greeting.asked["metadata"]["tag"], "greeting");
    assert!(greeting.first_audio.unwrap() >= greeting.created);
    assert_eq!(greeting.done.as_ref().unwrap().1, "completed");
    assert!(matches!(log.closed, Some((_, Closing::Client { .. }))), "{:?}", log.closed);
}

#[tokio::test]
async fn a_dropped_socket_ends_without_a_close_frame() {
    let fault = Fault::DropAfter(Duration::from_millis(50));
    let server =
        ModelServer::start(Script::always(Behaviour { fault, ..Behaviour::default() })).await.unwrap();
    let mut client = Client::open(&server, "m").await;
    client.next("session.created").await;
    match client.frame().await {
        None | Some(Err(_)) => {}
        Some(Ok(frame)) => panic!("{frame:?}"),
    }
    server.wait_for(|logs| logs[0].closed.filter(|(_, by)| *by == Closing::Server), SOON).await.unwrap();
}

#[tokio::test]
async fn a_rule_by_voice_sets_the_pace_of_that_voice_alone() {
    let short =
        Behaviour { greeting: Duration::from_millis(300), delta_gap: Duration::ZERO, ..Behaviour::default() };
    let server = ModelServer::start(Script::default().with(Rule::voice("cedar", short))).await.unwrap();
    for (voice, expected) in [("cedar", 300), ("marin", 2_000)] {
        let mut client = Client::open(&server, "m").await;
        let session = json!({"type": "realtime", "audio": {"output": {"voice": voice}}});
        client.send(json!({"type": "session.update", "session": session})).await;
        client.send(json!({"type": "response.create"})).await;
        client.next("response.done").await;
        let sent = |logs: &[dialplane::kit::model::log::SessionLog]| {
            let response = logs.last()?.responses.first()?;
            response.done.as_ref().map(|_| response.sent.as_millis())
        };
        assert_eq!(server.wait_for(sent, SOON).await, Ok(expected), "{voice}");
    }
}

#[tokio::test]
async fn stopping_ends_every_session_and_a_hanging_upgrade() {
    let hang = Behaviour { fault: Fault::HangUpgrade, ..Behaviour::default() };
    let server = ModelServer::start(Script::default().with(Rule::model("slow", hang))).await.unwrap();
    let mut client = Client::open(&server, "m").await;
    client.next("session.created").await;
    let slow = Client::connect(&server, "/v1/realtime?model=slow", &[("authorization", "Bearer k")]);
    let (slow, ()) = tokio::join!(slow, async {
        tokio::time::timeout(SOON, server.stop()).await.unwrap();
    });
    assert!(slow.is_err());
    assert!(client.frame().await.is_none_or(|frame| frame.is_err()));
    assert!(server.sessions()[0].closed.is_some());
    assert!(TcpStream::connect(server.addr()).await.is_err());
}

#[tokio::test]
async fn a_rule_for_the_first_upgrades_leaves_the_others_alone() {
    let down = Behaviour { fault: Fault::RefuseUpgrade(503), ..Behaviour::default() };
    let server = ModelServer::start(Script::default().with(Rule::first(2, down))).await.unwrap();
    let headers = [("authorization", "Bearer k")];
    for expected in [false, false, true, true] {
        let client = Client::connect(&server, "/v1/realtime?model=m", &headers).await;
        assert_eq!(client.is_ok(), expected);
    }
}

#[tokio::test]
async fn the_flat_shape_is_spoken_by_its_header_and_by_its_keys_alone() {
    let server = ModelServer::start(Script { dialect: Dialect::Beta, ..Script::default() }).await.unwrap();
    let mut nested = Client::open(&server, "m").await;
    assert_eq!(nested.event().await["error"]["code"], "missing_beta_header");
    assert_eq!(nested.close_code().await, 4000);

    let headers = [("authorization", "Bearer k"), ("openai-beta", "realtime=v1")];
    let mut client = Client::connect(&server, "/v1/realtime?model=m", &headers).await.unwrap();
    assert_eq!(client.next("session.created").await["session"]["input_audio_format"], "pcm16");
    for (session, param) in [
        (json!({"type": "realtime"}), "session.type"),
        (json!({"audio": {}}), "session.audio"),
        (json!({"voice": "marin"}), "session.voice"),
        (json!({"temperature": 0.5}), "session.temperature"),
        (json!({"output_modalities": ["audio"]}), "session.output_modalities"),
    ] {
        client.send(json!({"type": "session.update", "session": session})).await;
        assert_eq!(client.next("error").await["error"]["param"], param);
    }
    let session = json!({"voice": "sage", "temperature": 0.8, "output_audio_format": "g711_ulaw"});
    client.send(json!({"type": "session.update", "session": session})).await;
    let updated = client.next("session.updated").await["session"].clone();
    for key in ["voice", "temperature", "output_audio_format"] {
        assert_eq!(updated[key], session[key]);
    }
    assert_eq!((updated.get("audio"), updated.get("type")), (None, None));
    client.send(json!({"type": "response.create"})).await;
    assert_eq!(client.next("conversation.item.created").await["item"]["role"], "assistant");
    assert!(client.next("response.audio.delta").await["delta"].is_string());
    let done = client.next("response.done").await;
    assert_eq!(done["response"]["output"][0]["content"][0]["type"], "audio");
    client.send(json!({"type": "session.update", "session": {"voice": "echo"}})).await;
    let error = client.next("error").await["error"].clone();
    assert_eq!((&error["code"], &error["param"]), (&json!("cannot_update_voice"), &json!("session.voice")));
}
