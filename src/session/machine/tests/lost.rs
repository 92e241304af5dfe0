//! Model sessions that are lost, or come to nothing, at a bad moment.

use super::resumed::context;
use super::*;
use crate::realtime::ToolCallId;
use crate::tenant::{CallConfig, ToolName};

/// A call that is up and served by its first session, its clock, and what was done.
struct Story {
    machine: Machine,
    now: Instant,
    done: Vec<Action>,
}

impl Story {
    fn up() -> Self {
        let now = Instant::now();
        let context = Context { sounds: Props::default().sounds, ..context() };
        let machine = Machine::new(CallId::from_u128(2), Timestamp::UNIX_EPOCH, now, context);
        let mut story = Self { machine, now, done: Vec::new() };
        story.leg(LegEvent::Arrived(Box::new(Call::example())));
        let mut config = CallConfig::of(Agent::default(), [].into());
        config.greeting = Greeting::None;
        config.tools = vec![ToolName::SendDtmf];
        let report = Report {
            source: ConfigSource::Default,
            why: None,
            took: MS,
            attempts: 0,
            coalesced: false,
            age: None,
            warnings: vec![],
        };
        let decision = Decision::Answer(Box::new(config));
        let answer = Box::new(Answer { tenant: None, decision, report });
        story.handle(Event::Looked { answer, shut: Vec::new() });
        story.serves(1);
        story.leg(LegEvent::Subscribed);
        story.leg(LegEvent::Active);
        story.done.clear();
        story
    }

    fn handle(&mut self, event: Event) {
        self.done.extend(self.machine.handle(event, self.now));
    }

    fn leg(&mut self, event: LegEvent) {
        self.handle(Event::Leg(event));
    }

    fn model(&mut self, session: u32, event: ModelEvent) {
        self.handle(Event::Model { session: SessionNo::new(session), event });
    }

    fn serves(&mut self, session: u32) {
        self.model(session, ModelEvent::Ready { session: "s".into(), expires_at: None });
        self.model(session, ModelEvent::Configured { audio: Format::Pcm });
    }

    fn begins(&mut self, session: u32, name: &str, frames: usize) {
        self.model(session, ModelEvent::AgentStarted { response: ResponseId(name.into()) });
        for _ in 0..frames {
            let (session, item) = (SessionNo::new(session), ItemId(name.into()));
            self.handle(Event::Speech { session, item, frame: Frame::from([SPEECH]) });
        }
    }

    fn ends(&mut self, session: u32, name: &str) {
        let (response, usage) = (ResponseId(name.into()), Usage::default());
        self.model(session, ModelEvent::AgentAudioDone { item: ItemId(name.into()) });
        self.model(session, ModelEvent::AgentDone { response, outcome: ResponseOutcome::Completed, usage });
    }

    fn loses(&mut self, session: u32) {
        self.model(session, ModelEvent::Closed(Closed::Lost { reason: "test" }));
    }

    /// Until then; what left, by its first byte.
    fn wait(&mut self, ms: u32) -> Vec<u8> {
        let (until, before) = (self.now + MS * ms, self.done.len());
        while let Some(due) = self.machine.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.done.extend(self.machine.on_time(true, self.now));
            for action in &self.done {
                if let Action::Prepare { clip, codec } = action {
                    clip.prepare(*codec);
                }
            }
        }
        self.now = until;
        let sent = self.done[before..].iter().filter_map(|action| match action {
            Action::Leg(LegCommand::Frame(frame)) => Some(frame[0]),
            _ => None,
        });
        sent.collect()
    }

    fn opened(&self) -> Option<(u32, &Opening)> {
        self.done.iter().rev().find_map(|action| match action {
            Action::OpenModel { session, opening, .. } => Some((session.get(), &**opening)),
            _ => None,
        })
    }

    /// What the session was told, by name.
    fn told(&self, to: u32) -> Vec<String> {
        let told = self.done.iter().filter_map(|action| match action {
            Action::Model { session, command } if session.get() == to => Some(command),
            _ => None,
        });
        let named = told.filter_map(|command| match command {
            ModelCommand::Tell(text) => Some(format!("tell {}", text.reveal())),
            ModelCommand::Respond => Some("respond".to_owned()),
            ModelCommand::ToolResult { output, .. } => Some(format!("result {output}")),
            _ => None,
        });
        named.collect()
    }

    /// Every model that is opened is refused at once, until no more is.
    fn outage(&mut self) {
        while let Some((session, _)) = self.opened() {
            self.done.clear();
            self.model(session, ModelEvent::Closed(Closed::Refused { code: "http-401".into() }));
        }
    }

    /// The caller's voice, and who listens notices it or not.
    fn voice(&mut self, frames: usize) {
        for _ in 0..frames {
            self.leg(LegEvent::Audio(Audio::Pcm(VOICE.to_vec())));
            self.wait(20);
        }
    }
}

#[test]
fn what_the_last_model_has_said_is_heard_before_the_apology() {
    let mut story = Story::up();
    story.begins(1, "answer", 100);
    story.ends(1, "answer");
    story.wait(200);
    story.loses(1);
    story.outage();
    assert!(story.machine.failover.is_down());
    let heard = story.wait(5_000);
    let speech = heard.iter().filter(|frame| **frame == SPEECH).count();
    let apology = heard.iter().position(|frame| ![SPEECH, SILENCE, COMFORT].contains(frame));
    let last = heard.iter().rposition(|frame| *frame == SPEECH);
    assert!(speech >= 89, "{speech} of 90 frames");
    assert!(apology > last, "{apology:?} after {last:?}");
}

#[test]
fn whole_words_of_a_lost_model_are_heard_before_those_of_the_next_and_broken_ones_give_way() {
    for (whole, expected) in [(true, 100), (false, 10)] {
        let mut story = Story::up();
        story.begins(1, "notice", 100);
        if whole {
            story.ends(1, "notice");
        }
        let mut heard = story.wait(200);
        story.loses(1);
        story.serves(2);
        story.model(2, ModelEvent::AgentStarted { response: ResponseId("next".into()) });
        story.handle(Event::Speech {
            session: SessionNo::new(2),
            item: ItemId("next".into()),
            frame: Frame::from([9]),
        });
        heard.extend(story.wait(3_000));
        let next = heard.iter().position(|frame| *frame == 9).expect("it is heard");
        let before = heard[..next].iter().filter(|frame| **frame == SPEECH).count();
        assert!(before.abs_diff(expected) <= 1, "{before} frames, whole: {whole}");
        assert!(!heard[next..].contains(&SPEECH));
    }
}

#[test]
fn what_a_tool_did_is_known_to_whoever_serves_next() {
    let call = ToolCallId("1".into());
    let press = ModelEvent::ToolCalled {
        call,
        name: "send_dtmf".into(),
        arguments: r#"{"digits": "1"}"#.to_owned().into(),
    };
    let pressing = || {
        let mut story = Story::up();
        story.begins(1, "words", 0);
        story.model(1, press.clone());
        story
    };
    let known = |story: &Story| {
        let (_, opening) = story.opened().expect("a successor");
        opening.history.iter().any(|said| said.text.reveal() == "[The keys were pressed.]")
    };
    let mut early = pressing();
    early.leg(LegEvent::KeysSent);
    assert_eq!(early.told(1), ["result The keys were pressed."]);
    early.loses(1);
    assert!(known(&early), "it was told before the loss");

    let mut late = pressing();
    late.loses(1);
    assert!(!known(&late));
    late.leg(LegEvent::KeysSent);
    late.serves(2);
    assert_eq!(late.told(2), ["tell [The keys were pressed.]", "respond"], "while nobody served");

    let mut later = pressing();
    later.loses(1);
    later.leg(LegEvent::KeysSent);
    later.loses(2);
    assert!(known(&later), "the next is opened with it");
    later.serves(3);
    assert_eq!(later.told(3), ["respond"], "and not told twice");
}

#[test]
fn a_model_that_says_nothing_is_asked_once_more() {
    let mut story = Story::up();
    story.model(1, ModelEvent::CallerStarted);
    story.model(1, ModelEvent::CallerStopped { item: None });
    story.begins(1, "empty", 0);
    story.ends(1, "empty");
    assert_eq!(story.told(1), ["respond"]);
    assert!(story.machine.floor.is_owing());
    story.begins(1, "empty again", 0);
    story.ends(1, "empty again");
    assert_eq!(story.told(1), ["respond"], "it means it");
    assert!(!story.machine.floor.is_owing());
}

#[test]
fn a_goodbye_that_stalls_is_said_by_the_recording() {
    for frames in [0, 20] {
        let mut story = Story::up();
        story.handle(Event::Drain);
        story.wait(100);
        story.model(1, ModelEvent::Saying { response: ResponseId("bye".into()) });
        story.begins(1, "bye", frames);
        let heard = story.wait(4_000);
        let is_silent = |frame: &u8| *frame == SILENCE;
        let worst = heard.split(|frame| !is_silent(frame)).next().map_or(0, <[u8]>::len);
        let recorded = heard.iter().filter(|frame| ![SPEECH, SILENCE, COMFORT].contains(*frame)).count();
        assert_eq!(heard.iter().filter(|frame| **frame == SPEECH).count(), frames);
        assert!(recorded > 20 && worst <= 85, "{recorded} frames of the recording after {worst} of silence");
    }
}

#[test]
fn a_caller_who_begins_to_speak_when_a_successor_is_due_is_heard_whole_by_the_old_one() {
    let mut story = Story::up();
    while story.opened().is_none() {
        story.wait(500);
    }
    let (successor, _) = story.opened().expect("a successor");
    story.voice(10);
    story.serves(successor);
    assert_eq!(story.machine.failover.heard(), Some(SessionNo::new(1)), "it has heard the first of it");
}
