//! The model servers of a call, and what they hear of the caller.

use std::collections::{BTreeMap, BTreeSet};

use super::moods::{Fault, Trouble};
use super::world::{Happening, Seen, World};
use super::*;

/// All sessions of a call by their number, and how far the caller's turn is.
#[derive(Default)]
pub(super) struct Models {
    sessions: BTreeMap<SessionNo, Model>,
    pub(super) greets: bool,
    /// The greeting may not be interrupted.
    pub(super) sheltered: bool,
    turn: Turn,
    outage: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Model {
    fault: Fault,
    configured: bool,
    deaf: bool,
    /// It hears the caller speak.
    hears: bool,
    /// Its server lets nobody interrupt it.
    closed_to_caller: bool,
    responses: u8,
    /// Of them, those that it makes now, and those that it was told to stop.
    open: BTreeSet<String>,
    stopped: BTreeSet<String>,
    /// It makes one response at a time.
    busy_until: u64,
    /// The last word of it.
    closed_itself: bool,
    closed_by_us: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Turn {
    #[default]
    None,
    /// The caller speaks.
    Begun,
    /// No response to it is whole.
    Over,
}

impl Model {
    const fn with(fault: Fault) -> Self {
        Self {
            fault,
            configured: false,
            deaf: false,
            hears: false,
            closed_to_caller: false,
            responses: 0,
            open: BTreeSet::new(),
            stopped: BTreeSet::new(),
            busy_until: 0,
            closed_itself: false,
            closed_by_us: false,
        }
    }

    const fn is_there(&self) -> bool {
        !self.closed_itself && !self.closed_by_us
    }
}

impl Models {
    /// The one that the caller is served by: the oldest that is there.
    pub(super) fn current(&self) -> Option<SessionNo> {
        self.sessions.iter().find(|(_, model)| model.is_there()).map(|(number, _)| *number)
    }

    fn listening(&self) -> Option<SessionNo> {
        self.current().filter(|number| self.sessions[number].configured)
    }

    /// Whether a session can still say this. One that was told to close may not have heard it yet.
    pub(super) fn says(&mut self, event: &Event, rng: &mut SmallRng) -> bool {
        let (Event::Model { session, .. } | Event::Speech { session, .. }) = event else { return true };
        let Some(model) = self.sessions.get_mut(session) else { return true };
        if model.deaf || model.closed_itself || (model.closed_by_us && rng.random_bool(0.5)) {
            return false;
        }
        match event {
            Event::Model { event: ModelEvent::Closed(_), .. } => model.closed_itself = !model.closed_by_us,
            Event::Model { event: ModelEvent::Configured { .. }, .. } => model.configured = true,
            Event::Model { event: ModelEvent::AgentStarted { response }, .. } => {
                model.open.insert(response.0.clone());
            }
            Event::Model { event: ModelEvent::AgentDone { response, .. }, .. } => {
                model.open.remove(&response.0);
            }
            // Of a response that was stopped, nothing but its end.
            Event::Speech { item, .. } => return !model.stopped.contains(&*item.0),
            Event::Model { event: ModelEvent::ToolCalled { call, .. }, .. } => {
                return !model.stopped.contains(&call.0);
            }
            _ => {}
        }
        true
    }

    pub(super) fn check(&self, context: &str) {
        for (number, model) in &self.sessions {
            assert!(!model.is_there(), "{context}: session {} was never closed", number.get());
        }
    }

    /// Whether the session makes a response.
    pub(super) fn is_answering(&self, session: SessionNo) -> bool {
        self.sessions.get(&session).is_some_and(|model| !model.open.is_empty())
    }

    pub(super) fn opened(&self) -> usize {
        self.sessions.len()
    }
}

impl Seen {
    /// `noise`: nobody knows whose words were heard.
    pub(super) fn note_model(&mut self, session: SessionNo, event: &ModelEvent, noise: bool) {
        let ModelEvent::AgentDone { response, outcome, .. } = event else { return };
        let key = (session.get(), response.0.clone());
        let (spoke, acted) = (self.spoke.contains(&key), self.acted.contains(&key));
        let paid = match outcome {
            // Once it is asked for what it owes.
            ResponseOutcome::Completed if !spoke && !acted && !noise && self.owed_next.is_none() => {
                self.owed_since.is_none() || std::mem::replace(&mut self.asked_again, true)
            }
            ResponseOutcome::Completed | ResponseOutcome::Cancelled => true,
            ResponseOutcome::Incomplete { .. } => spoke,
            ResponseOutcome::Failed { .. } => false,
        };
        self.asked_again &= !paid;
        self.greeted |= paid;
        let next = self.owed_next.take();
        self.owed_since = if paid { next } else { self.owed_since };
    }
}

impl World {
    pub(super) fn open_model(&mut self, session: SessionNo, opening: &Opening) {
        if session == SessionNo::new(1) {
            self.models.greets = opening.greeting != Greeting::None;
        }
        let fault = match self.trouble {
            _ if self.models.outage => Fault::outage(&mut self.rng),
            Trouble::ModelsFail | Trouble::AwayAndModelsFail if self.rng.random_bool(0.5) => {
                Fault::any(&mut self.rng)
            }
            _ => Fault::None,
        };
        let model = Model { closed_to_caller: !opening.interruptible, ..Model::with(fault) };
        assert!(self.models.sessions.insert(session, model).is_none(), "a number is used once");
        let there = self.models.sessions.values().filter(|model| model.is_there()).count();
        assert!(there <= 2, "one that serves and its successor");
        let mut at = self.elapsed() + self.rng.random_range(10..1_400);
        let model = |event| Event::Model { session, event };
        match fault {
            Fault::NeverOpens => return,
            Fault::Refuses(code) => {
                let closed = match code {
                    "http-429" => Closed::Busy { code: code.into(), retry_after: None },
                    "http-503" => Closed::Lost { reason: "server error at the handshake" },
                    _ => Closed::Refused { code: code.into() },
                };
                return self.at(at, Happening::Event(model(ModelEvent::Closed(closed))));
            }
            Fault::Drops | Fault::Expires => {
                let closed = match fault {
                    Fault::Expires => Closed::Refused { code: "session_expired".into() },
                    _ => Closed::Lost { reason: "test" },
                };
                self.later(100..12_000, model(ModelEvent::Closed(closed)));
            }
            Fault::None
            | Fault::NeverConfigures
            | Fault::NeverGreets
            | Fault::FallsSilent
            | Fault::LosesTurns
            | Fault::GoesDeaf => {}
        }
        let age = self.rng.random_range(130_000..300_000);
        let expires_at = (self.trouble == Trouble::Long).then(|| {
            Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_millis((self.elapsed() + age) as i64)
        });
        self.at(at, Happening::Event(model(ModelEvent::Ready { session: "s".into(), expires_at })));
        at += self.rng.random_range(10..900);
        if fault == Fault::NeverConfigures {
            return;
        }
        self.at(at, Happening::Event(model(ModelEvent::Configured { audio: opening.audio })));
        if opening.greeting != Greeting::None && fault != Fault::NeverGreets {
            at += self.rng.random_range(10..2_000);
            _ = self.say(session, at);
        }
    }

    pub(super) fn model(&mut self, session: SessionNo, command: ModelCommand) {
        let at = self.elapsed();
        let model = self.models.sessions.get_mut(&session).expect("it was opened");
        assert!(model.is_there() || self.trouble == Trouble::Noise, "{command:?} to a closed session");
        match command {
            ModelCommand::Heard { item, heard } => {
                let (machine, noise) = (&self.machine, self.trouble == Trouble::Noise);
                let may = !machine.shelter.holds() || machine.goodbye.is_some() || noise;
                assert!(may, "what may not be interrupted was");
                let key = (session.get() as u8, item.0.parse().expect("a number"));
                let (sent, told) = self.seen.sent.entry(key).or_default();
                assert!(heard <= MS * 20 * *sent || self.trouble == Trouble::Noise, "{heard:?} of {sent}");
                *told = true;
            }
            ModelCommand::Close => model.closed_by_us = true,
            ModelCommand::Probe => self.later(10..900, Event::Model { session, event: ModelEvent::Alive }),
            ModelCommand::Respond => _ = self.respond(session, at),
            ModelCommand::Say(_) => self.say_words(session),
            ModelCommand::ToolResult { .. } => self.tool_result(session),
            // More than one frame: what the session missed of the caller.
            ModelCommand::Audio(audio) if audio.samples().len() > VOICE.len() => self.told_again(session),
            ModelCommand::Audio(audio) if *audio.samples() == VOICE => self.voice_reaches(session),
            ModelCommand::StopSpeaking => model.stopped.extend(std::mem::take(&mut model.open)),
            ModelCommand::Tell(text) => self.told(text.reveal()),
            ModelCommand::LetInterrupt => {
                assert!(std::mem::take(&mut model.closed_to_caller), "it may be interrupted already");
            }
            ModelCommand::Audio(_) => {}
        }
    }

    /// The caller begins to speak, or has finished; who listens notices.
    pub(super) fn turn(&mut self, starts: bool) {
        self.models.turn = if starts { Turn::Begun } else { Turn::Over };
        self.seen.caller_speaks = starts;
        self.wait(starts);
        self.sound([0; 4]);
        let listening = self.models.listening().filter(|_| !starts);
        if let Some(session) = listening.filter(|session| self.models.sessions[session].hears) {
            self.finished(session, 200..700);
        }
    }

    /// The caller has finished, which the session notices after a while.
    fn finished(&mut self, session: SessionNo, after: std::ops::Range<u64>) {
        let model = self.models.sessions.get_mut(&session).expect("it was opened");
        model.hears = false;
        if model.fault != Fault::LosesTurns {
            let over = self.elapsed() + self.rng.random_range(after);
            self.at(
                over,
                Happening::Event(Event::Model {
                    session,
                    event: ModelEvent::CallerStopped { item: Some(turn(over)) },
                }),
            );
            self.answer_turn(session, over);
        }
    }

    /// The caller speaks, which the session notices.
    fn voice_reaches(&mut self, session: SessionNo) {
        let model = self.models.sessions.get_mut(&session).expect("it was opened");
        model.deaf |= model.fault == Fault::GoesDeaf && model.responses > 0;
        if !model.deaf && !std::mem::replace(&mut model.hears, true) {
            // Our ear takes 60 ms.
            self.later(20..100, Event::Model { session, event: ModelEvent::CallerStarted });
        }
    }

    /// Who has spoken for long enough to be heard is owed an answer.
    fn wait(&mut self, starts: bool) {
        let seen = &mut self.seen;
        if self.route != Route::Answers || !seen.up || self.acts.handed_on {
            return;
        }
        seen.owed_next = None;
        seen.asked_again = false;
        let was_heard = std::mem::take(&mut seen.voiced) >= 4;
        seen.owed_since = (!starts && was_heard).then_some(self.now);
    }

    /// 20 ms of the caller's voice, or of the line before it.
    pub(super) fn sound(&mut self, frame: [i16; 4]) {
        let reaches_us = self.seen.up && !self.seen.away;
        self.seen.voiced = if reaches_us && frame == VOICE { self.seen.voiced + 1 } else { 0 };
        if reaches_us {
            self.feed(Event::Leg(LegEvent::Audio(Audio::Pcm(frame.into()))));
        }
    }

    fn told_again(&mut self, session: SessionNo) {
        if self.models.turn == Turn::None {
            return;
        }
        self.voice_reaches(session);
        if self.models.turn == Turn::Over {
            self.finished(session, 100..150);
        }
    }

    fn answer_turn(&mut self, session: SessionNo, over: u64) {
        if self.rng.random_bool(0.5) {
            let words = ["", "when do you open"][self.rng.random_range(0..2)];
            let text = ModelEvent::CallerText { item: turn(over), text: words.into() };
            let at = over + self.rng.random_range(100..1_500);
            self.at(at, Happening::Event(Event::Model { session, event: text }));
        }
        let at = over + self.rng.random_range(100..3_000);
        _ = self.respond(session, at);
    }

    pub(super) fn respond(&mut self, session: SessionNo, at: u64) -> Option<(u64, ResponseId)> {
        let silent = self.models.sessions[&session].fault == Fault::FallsSilent;
        (!silent).then(|| self.say(session, at))
    }

    /// A response from `at` on: up to 8 s of speech, several times faster than real time. When it begins, and its name.
    fn say(&mut self, session: SessionNo, at: u64) -> (u64, ResponseId) {
        let model = self.models.sessions.get_mut(&session).expect("it was opened");
        model.responses += 1;
        let (number, at) = (model.responses, at.max(model.busy_until + 1));
        let (response, item) = (ResponseId(number.to_string()), ItemId(number.to_string().into()));
        let event = |event| Happening::Event(Event::Model { session, event });
        self.at(at, event(ModelEvent::AgentStarted { response: response.clone() }));
        let (frames, outcome) = match self.trouble {
            Trouble::ModelStumbles => (self.rng.random_range(0..2) * 100, self.mishap()),
            _ => (self.rng.random_range(1..400), ResponseOutcome::Completed),
        };
        for n in 0..frames {
            let frame = Frame::from([SPEECH, session.get() as u8, number]);
            self.at(at + 100 + n * 4, Happening::Event(Event::Speech { session, item: item.clone(), frame }));
        }
        let end = at + 100 + frames * 4;
        self.models.sessions.get_mut(&session).expect("it was opened").busy_until = end;
        if self.rng.random_bool(0.7) {
            self.at(end, event(ModelEvent::AgentText { item: item.clone(), text: "we open at nine".into() }));
        }
        self.at(end, event(ModelEvent::AgentAudioDone { item }));
        self.plan_tool(session, number, frames, end);
        let usage = Usage::default();
        self.at(end, event(ModelEvent::AgentDone { response: response.clone(), outcome, usage }));
        (at, response)
    }

    fn mishap(&mut self) -> ResponseOutcome {
        match self.rng.random_range(0..4) {
            0 => ResponseOutcome::Completed,
            1 => ResponseOutcome::Cancelled,
            2 => ResponseOutcome::Failed { code: "server_error".into() },
            _ => ResponseOutcome::Incomplete { reason: "content_filter".into() },
        }
    }

    pub(super) fn outage(&mut self) {
        self.models.outage = true;
        let there: Vec<_> = self.models.sessions.iter().filter(|(_, model)| model.is_there()).collect();
        for session in there.into_iter().map(|(number, _)| *number).collect::<Vec<_>>() {
            self.models.sessions.get_mut(&session).expect("it is there").closed_itself = true;
            let event = ModelEvent::Closed(Closed::Lost { reason: "test" });
            self.feed(Event::Model { session, event });
        }
    }
}

/// What the turn becomes that is over then.
fn turn(over: u64) -> ItemId {
    ItemId(format!("turn-{over}").into())
}

/// One to three, each with up to two models beside the call's own.
pub(in crate::session::machine) fn servers(rng: &mut SmallRng) -> Arc<[Server]> {
    let server = |n: usize, rng: &mut SmallRng| {
        let fallback = (0..rng.random_range(0..2)).map(|n| format!("fallback-{n}")).collect();
        let capabilities =
            Capabilities { truncate: true, paced_output: rng.random_bool(0.2), temperature: false };
        let provider = Provider {
            name: format!("server-{n}").into(),
            dialect: Dialect::OpenAiRealtime,
            url: "http://127.0.0.1/v1".parse().expect("a URL"),
            api_key: "".into(),
            model: "model".into(),
            fallback,
            transcription: None,
            g711: n.is_multiple_of(2),
        };
        Server { provider: Arc::new(provider), capabilities }
    };
    (0..rng.random_range(1..=3)).map(|n| server(n, rng)).collect()
}
