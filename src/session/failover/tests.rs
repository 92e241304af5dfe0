use super::*;
use crate::media::audio::Format;
use crate::realtime::{Dialect, Provider, ResponseId, Usage};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A failover and its clock; what it does, in words.
struct Talk {
    failover: Failover,
    now: Instant,
    timings: Timings,
}

fn server(name: &str, models: &[&str]) -> Server {
    Server::from(Provider {
        name: name.into(),
        dialect: Dialect::OpenAiRealtime,
        url: "http://127.0.0.1/v1".parse().expect("a URL"),
        api_key: "".into(),
        model: models[0].into(),
        fallback: models[1..].iter().map(|model| (*model).to_owned()).collect(),
        transcription: None,
        g711: false,
    })
}

fn two() -> [Server; 2] {
    [server("a", &["m", "n"]), server("b", &["m"])]
}

fn told(moves: Vec<Move>) -> Vec<String> {
    let name = |candidate: &Candidate| format!("{}/{}", candidate.server.provider.name, candidate.model);
    let told = |next| match next {
        Move::GiveUp { session, why, .. } => format!("{} {}", session.get(), why.name()),
        Move::Open { session, candidate, renews } => {
            let how = if renews { "renew" } else { "open" };
            format!("{} {how} {}", session.get(), name(&candidate))
        }
        Move::Serve { session, .. } => format!("{} serves", session.get()),
        Move::Pause => "pause".to_owned(),
        Move::Exhausted => "exhausted".to_owned(),
    };
    moves.into_iter().map(told).collect()
}

impl Talk {
    fn start(servers: &[Server], own: Option<&str>, greeting: bool) -> (Self, Vec<String>) {
        let (mut failover, now, timings) = (Failover::default(), Instant::now(), Timings::default());
        let moves = failover.start(servers, own, &[], greeting, now, &timings);
        (Self { failover, now, timings }, told(moves))
    }

    /// One whose first session serves.
    fn serving(servers: &[Server]) -> Self {
        let (mut talk, _) = Self::start(servers, None, false);
        assert_eq!(talk.serves(1), ["1 serves"]);
        talk
    }

    fn serves(&mut self, session: u32) -> Vec<String> {
        self.says(session, &ModelEvent::Ready { session: "s".into(), expires_at: None });
        self.says(session, &ModelEvent::Configured { audio: Format::Pcm })
    }

    fn says(&mut self, session: u32, event: &ModelEvent) -> Vec<String> {
        let now = self.now;
        told(self.failover.model(SessionNo::new(session), event, |_| now, now, &self.timings))
    }

    fn closes(&mut self, session: u32, code: &str) -> Vec<String> {
        self.says(session, &ModelEvent::Closed(Closed::Refused { code: code.into() }))
    }

    fn loses(&mut self, session: u32) -> Vec<String> {
        self.says(session, &ModelEvent::Closed(Closed::Lost { reason: "test" }))
    }

    fn after(&mut self, wait: Duration, quiet: bool) -> Vec<String> {
        self.now += wait;
        told(self.failover.on_time(quiet, self.now, &self.timings))
    }
}

#[test]
fn candidates_are_each_servers_own_then_its_fallbacks_and_shut_servers_come_last() {
    let order = |own: Option<&str>, shut: &[Arc<str>]| -> Vec<String> {
        let candidates = Candidates::of(&two(), own, shut);
        let named = |at| candidates.get(at).map(|c| format!("{}/{}", c.server.provider.name, c.model));
        (0..).map_while(named).collect()
    };
    assert_eq!(order(None, &[]), ["a/m", "a/n", "b/m"]);
    assert_eq!(order(Some("n"), &[]), ["a/n", "a/m", "b/n", "b/m"]);
    assert_eq!(order(None, &["a".into()]), ["b/m", "a/m", "a/n"]);
    assert_eq!(order(None, &["a".into(), "b".into()]), ["a/m", "a/n", "b/m"], "all are tried anyway");
}

#[test]
fn where_a_session_that_is_refused_leads() {
    for (code, expected) in [
        ("model_not_found", "2 open a/n"),
        ("http-401", "2 open b/m"),
        ("http-429", "2 open a/n"),
        ("session_expired", "2 open a/m"),
    ] {
        let (mut talk, begun) = Talk::start(&two(), None, true);
        assert_eq!(begun, ["1 open a/m"]);
        assert_eq!(talk.closes(1, code).last().map(String::as_str), Some(expected), "{code}");
    }
    let (mut talk, _) = Talk::start(&[server("a", &["m", "n"])], None, true);
    assert_eq!(
        talk.closes(1, "http-401"),
        ["1 refused", "exhausted"],
        "no model of a provider without its key"
    );
}

#[test]
fn each_step_has_its_deadline_and_each_candidate_two_tries() {
    let (mut talk, _) = Talk::start(&[server("a", &["m"]), server("b", &["m"])], None, true);
    assert_eq!(talk.after(1_499 * MS, false), [""; 0]);
    assert_eq!(talk.after(MS, false), ["1 late", "2 open b/m"], "1.5 s to open");
    talk.says(2, &ModelEvent::Ready { session: "s".into(), expires_at: None });
    assert_eq!(talk.after(SECOND, false), ["2 late", "3 open a/m"], "1 s to be configured");
    talk.serves(3);
    assert_eq!(talk.after(2_499 * MS, false), [""; 0]);
    assert_eq!(talk.after(MS, false), ["3 late", "4 open b/m"], "2.5 s to greet");
    assert_eq!(talk.loses(4), ["4 lost", "exhausted"]);
}

#[test]
fn a_server_that_does_not_even_open_gives_way_to_another_before_its_own_other_models() {
    let (mut talk, _) = Talk::start(&two(), None, true);
    assert_eq!(talk.after(1_500 * MS, false), ["1 late", "2 open b/m"]);
    assert_eq!(talk.loses(2), ["2 lost", "3 open a/m"], "and back to the first");

    let (mut talk, _) = Talk::start(&[server("a", &["m", "n"])], None, true);
    assert_eq!(talk.after(1_500 * MS, false), ["1 late", "2 open a/n"], "there is no other");

    let (mut talk, _) = Talk::start(&two(), None, true);
    talk.says(1, &ModelEvent::Ready { session: "s".into(), expires_at: None });
    assert_eq!(talk.after(SECOND, false), ["1 late", "2 open a/n"], "it is the model that is slow");
}

#[test]
fn before_the_answer_a_session_serves_when_200_ms_of_its_greeting_are_here() {
    let (mut talk, _) = Talk::start(&two(), None, true);
    assert_eq!(talk.serves(1), [""; 0]);
    let now = talk.now;
    let mut speech = |session| told(talk.failover.speech(SessionNo::new(session), now));
    for _ in 0..9 {
        assert_eq!(speech(1), [""; 0]);
    }
    assert_eq!(speech(2), [""; 0], "another session's");
    assert_eq!(speech(1), ["1 serves"]);
}

#[test]
fn a_greeting_that_comes_to_nothing_is_no_greeting() {
    let (mut talk, _) = Talk::start(&two(), None, true);
    talk.serves(1);
    let (response, usage) = (ResponseId("r".into()), Usage::default());
    let done = ModelEvent::AgentDone { response, outcome: ResponseOutcome::Completed, usage };
    assert_eq!(talk.says(1, &done), ["1 failed", "2 open a/n"]);
}

#[test]
fn a_lost_session_is_replaced_within_ten_seconds_or_not_at_all() {
    let mut talk = Talk::serving(&two());
    assert_eq!(talk.loses(1), ["1 lost", "2 open a/n"]);
    assert_eq!(talk.loses(1), [""; 0], "once");
    assert_eq!(talk.serves(2), ["2 serves"]);
    assert_eq!(talk.loses(2), ["2 lost", "3 open b/m"]);
    for _ in 0..6 {
        let moves = talk.after(1_500 * MS, false);
        assert_ne!(moves, [""; 0]);
        if moves.last().is_some_and(|last| last == "exhausted") {
            return;
        }
    }
    panic!("it goes on for ever");
}

#[test]
fn a_session_that_has_served_for_a_minute_starts_with_a_clean_slate() {
    let mut talk = Talk::serving(&[server("a", &["m"])]);
    for session in 1..20 {
        talk.now += 61 * SECOND;
        assert_eq!(talk.loses(session), [format!("{session} lost"), format!("{} open a/m", session + 1)]);
        assert_eq!(talk.serves(session + 1).len(), 1);
    }
    assert_eq!(talk.loses(20).last().map(String::as_str), Some("21 open a/m"));
    assert_eq!(talk.loses(21), ["21 lost", "pause"], "twice in a row");
}

#[test]
fn a_provider_that_drops_and_refuses_everybody_is_tried_again_each_second_while_there_is_time() {
    let mut talk = Talk::serving(&[server("a", &["m", "n"])]);
    assert_eq!(talk.loses(1), ["1 lost", "2 open a/n"]);
    assert_eq!(talk.loses(2), ["2 lost", "3 open a/m"]);
    assert_eq!(talk.loses(3), ["3 lost", "4 open a/n"]);
    assert_eq!(talk.loses(4), ["4 lost", "pause"]);
    assert!(!talk.failover.is_down(), "it is waited for");
    assert_eq!(talk.after(999 * MS, false), [""; 0]);
    assert_eq!(talk.failover.deadline(false), Some(talk.now + MS));
    assert_eq!(talk.after(MS, false), ["5 open a/m"]);
    assert_eq!(talk.loses(5), ["5 lost", "pause"]);
    assert_eq!(talk.after(SECOND, false), ["6 open a/n"]);
    assert_eq!(talk.serves(6), ["6 serves"], "it is well again");

    for session in 6..15 {
        talk.loses(session);
        talk.after(SECOND, false);
    }
    assert_eq!(talk.after(SECOND, false), ["15 late", "exhausted"], "10 s after it was lost");
    assert!(talk.failover.is_down());
}

#[test]
fn who_asks_to_be_left_alone_is_and_who_would_refuse_again_is_not_asked() {
    let busy = |seconds| {
        let retry_after = Some(SECOND * seconds);
        ModelEvent::Closed(Closed::Busy { code: "http-429".into(), retry_after })
    };
    let mut talk = Talk::serving(&[server("a", &["m", "n"])]);
    assert_eq!(talk.says(1, &busy(7)), ["1 busy", "2 open a/n"]);
    assert_eq!(talk.says(2, &busy(3)), ["2 busy", "3 open a/m"]);
    assert_eq!(talk.says(3, &busy(7)), ["3 busy", "4 open a/n"]);
    assert_eq!(talk.says(4, &busy(3)), ["4 busy", "pause"]);
    assert_eq!(talk.after(2_999 * MS, false), [""; 0]);
    assert_eq!(talk.after(MS, false), ["5 open a/n"], "the one that is well first");
    assert_eq!(talk.says(5, &busy(u32::MAX)), ["5 busy", "pause"]);
    assert_eq!(talk.after(4 * SECOND, false), ["6 open a/m"]);
    assert_eq!(talk.says(6, &busy(60)), ["6 busy", "exhausted"], "nobody is in time");

    let mut talk = Talk::serving(&[server("a", &["m"])]);
    assert_eq!(talk.closes(1, "http-401"), ["1 refused", "exhausted"]);
}

#[test]
fn patience_is_shorter_where_there_is_somewhere_else_to_turn() {
    let only = Talk::serving(&[server("a", &["m"])]);
    assert_eq!(only.failover.patience(&only.timings), Some(8 * SECOND));
    let mut one_of = Talk::serving(&two());
    assert_eq!(one_of.failover.patience(&one_of.timings), Some(4 * SECOND));
    let moves = told(one_of.failover.silent(one_of.now, &one_of.timings));
    assert_eq!(moves, ["1 silent", "2 open a/n"]);
    assert_eq!(one_of.failover.patience(&one_of.timings), None);
}

#[test]
fn a_session_is_renewed_in_a_pause_before_it_expires_and_at_the_last_moment_without_one() {
    let mut talk = Talk::serving(&two());
    assert_eq!(talk.after(54 * 60 * SECOND, true), [""; 0]);
    assert_eq!(talk.after(60 * SECOND, false), [""; 0], "somebody speaks");
    assert_eq!(talk.after(SECOND, true), ["2 renew a/m"]);
    assert_eq!(talk.serves(2), ["1 renewed", "2 serves"]);

    let mut talk = Talk::serving(&two());
    assert_eq!(talk.after(55 * 60 * SECOND, true), ["2 renew a/m"]);
    assert_eq!(talk.says(1, &ModelEvent::CallerStarted), ["2 overtaken"]);
    assert_eq!(talk.after(9 * SECOND, true), [""; 0]);
    assert_eq!(talk.after(SECOND, true), ["3 renew a/m"]);
    assert_eq!(talk.after(1_500 * MS, true), ["3 late"], "the old one goes on");
    assert!(talk.failover.is_serving());
    assert_eq!(talk.after(4 * 60 * SECOND, false), [""; 0]);
    assert_eq!(talk.after(30 * SECOND, false), ["1 expired", "4 open a/m"], "30 s before its end");
}
