//! A call's surroundings in virtual time: a leg, a backend, a model and a caller, each with its moods.

use std::collections::{BTreeMap, HashSet};

use super::moods::{Route, Trouble};
use super::*;
use crate::session::phrases::Phrases;

/// A call's surroundings: what they will do, and what the machine did to them.
pub(super) struct World {
    pub(super) rng: SmallRng,
    pub(super) now: Instant,
    pub(super) start: Instant,
    /// What is going to happen, in order; the number keeps simultaneous events apart.
    pub(super) future: BTreeMap<(Instant, usize), Event>,
    pub(super) planned: usize,
    pub(super) machine: Machine,
    pub(super) trouble: Trouble,
    pub(super) route: Route,
    pub(super) responses: u32,
    pub(super) seen: Seen,
}

/// What came out of the machine.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
pub(super) struct Seen {
    pub(super) records: Vec<CallRecord>,
    pub(super) leaves: u32,
    pub(super) answers: u32,
    pub(super) opened: u32,
    pub(super) closes: u32,
    pub(super) model_closed: u32,
    pub(super) hang_ups: u32,
    pub(super) frames: u32,
    pub(super) first_frame: Option<Instant>,
    pub(super) last_frame: Option<Instant>,
    pub(super) audible: u32,
    pub(super) played: usize,
    pub(super) transfers: u32,
    /// What the leg said of the transfer.
    pub(super) transferred: Option<bool>,
    /// By item: frames sent, and whether the model was told of an interruption.
    pub(super) sent: HashMap<u8, (u32, bool)>,
    pub(super) caller_speaks: bool,
    pub(super) spoke: HashSet<String>,
    pub(super) owed_since: Option<Instant>,
    pub(super) last_sound: Option<Instant>,
    pub(super) worst_silence: Duration,
    pub(super) up: bool,
    pub(super) greeting: bool,
    pub(super) greeted: bool,
}

impl World {
    pub(super) fn new(seed: u64, trouble: Trouble) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        // The one place where the test reads the clock: an origin for virtual time.
        let start = Instant::now();
        let context = Context {
            dialplan: Arc::default(),
            provider: Arc::new(provider()),
            capabilities: Capabilities {
                truncate: true,
                paced_output: seed.is_multiple_of(5),
                temperature: false,
            },
            timings: Timings::default(),
            sounds: Sounds {
                silence: Arc::from([SILENCE]),
                comfort: vec![Frame::from([COMFORT]); 10].into(),
                phrases: Phrases::default(),
            },
            phase: MS * rng.random_range(0..20),
        };
        let machine = Machine::new(CallId::from_u128(seed.into()), Timestamp::UNIX_EPOCH, start, context);
        let mut world = Self {
            rng,
            now: start,
            start,
            future: BTreeMap::new(),
            planned: 0,
            machine,
            trouble,
            route: Route::of(seed),
            responses: 0,
            seen: Seen::default(),
        };
        world.set_out();
        world
    }

    /// What happens to this call whatever the machine does.
    fn set_out(&mut self) {
        if self.trouble != Trouble::NeverArrives {
            self.later(50..3_000, Event::Leg(LegEvent::Arrived(Box::new(Call::example()))));
        }
        self.later(0..30_000, Event::Leg(LegEvent::Ended(LegEnd::Caller)));
        match self.trouble {
            Trouble::RoomFails => {
                self.later(0..20_000, Event::Leg(LegEvent::Ended(LegEnd::Failed(Fault::Room))));
            }
            Trouble::Drained => self.later(0..20_000, Event::Drain),
            Trouble::ModelCloses => {
                self.later(100..20_000, Event::Model(ModelEvent::Closed(Closed::Lost { reason: "test" })));
            }
            Trouble::Noise => (0..20).for_each(|_| {
                let event = self.noise();
                self.later(0..20_000, event);
            }),
            _ => {}
        }
        for _ in 0..self.rng.random_range(0..6) {
            self.turn();
        }
    }

    /// The caller says something and the model, most of the time, answers.
    fn turn(&mut self) {
        let start = self.rng.random_range(5_000..20_000);
        let stop = start + self.rng.random_range(100..4_000);
        self.at(start, Event::Model(ModelEvent::CallerStarted));
        self.at(stop, Event::Model(ModelEvent::CallerStopped));
        if self.trouble != Trouble::ModelFallsSilent {
            let thinking = self.rng.random_range(100..6_000);
            let answer = self.response();
            self.say(stop + thinking, answer);
        }
    }

    fn response(&mut self) -> u8 {
        self.responses += 1;
        u8::try_from(self.responses).expect("few responses")
    }

    /// A response of the model from `at` on: up to 10 s of speech, several times faster than real time.
    fn say(&mut self, at: u64, number: u8) {
        let (response, item) = (ResponseId(number.to_string()), ItemId(number.to_string()));
        self.at(at, Event::Model(ModelEvent::AgentStarted { response: response.clone() }));
        let (frames, outcome) = match self.trouble {
            Trouble::ModelStumbles => (self.rng.random_range(0..2) * 100, self.mishap()),
            _ => (self.rng.random_range(1..500), ResponseOutcome::Completed),
        };
        for n in 0..frames {
            let frame = Frame::from([SPEECH, number]);
            self.at(at + 100 + n * 4, Event::Speech { item: item.clone(), frame });
        }
        let end = at + 100 + frames * 4;
        self.at(end, Event::Model(ModelEvent::AgentAudioDone { item }));
        let usage = Usage::default();
        self.at(end, Event::Model(ModelEvent::AgentDone { response, outcome, usage }));
    }

    fn mishap(&mut self) -> ResponseOutcome {
        match self.rng.random_range(0..4) {
            0 => ResponseOutcome::Completed,
            1 => ResponseOutcome::Cancelled,
            2 => ResponseOutcome::Failed { code: "server_error".into() },
            _ => ResponseOutcome::Incomplete { reason: "content_filter".into() },
        }
    }

    fn noise(&mut self) -> Event {
        let item = ItemId(self.rng.random_range(0..5u8).to_string());
        let response = ResponseId(item.0.clone());
        match self.rng.random_range(0..13) {
            0 => Event::Leg(LegEvent::Arrived(Box::new(Call::example()))),
            1 => Event::Leg(LegEvent::Subscribed),
            2 => Event::Leg(LegEvent::Active),
            3 => Event::Leg(LegEvent::Audio(vec![0; 480])),
            4 => Event::Looked(Box::new(self.answer())),
            5 => Event::Model(ModelEvent::Configured),
            6 => Event::Model(ModelEvent::CallerStarted),
            7 => Event::Model(ModelEvent::AgentStarted { response }),
            8 => Event::Model(ModelEvent::AgentAudioDone { item }),
            9 => Event::Leg(LegEvent::Transferred),
            10 => Event::Leg(LegEvent::NotTransferred),
            11 => Event::Model(ModelEvent::Warning { code: "noise".into() }),
            _ => Event::Speech { item, frame: Frame::from([SPEECH, 0]) },
        }
    }

    fn answer(&mut self) -> Answer {
        let decision = if self.trouble == Trouble::BackendRefuses {
            Decision::Refuse(Refusal::Busy)
        } else if let Route::Plays(clip) = &self.route {
            Decision::Play(Arc::clone(clip))
        } else if self.route == Route::Transfers {
            Decision::Transfer(Destination::parse("tel:+15557770099").expect("a destination"))
        } else {
            let mut config = CallConfig::of(Agent::default(), [].into());
            config.greeting = match self.rng.random_range(0..3) {
                0 => Greeting::None,
                1 => Greeting::FromPrompt,
                _ => Greeting::Say("Hello".into()),
            };
            config.max_duration = self.rng.random_bool(0.3).then(|| MS * self.rng.random_range(1..15_000));
            Decision::Answer(Box::new(config))
        };
        let (source, warnings) = (ConfigSource::Default, vec![]);
        let report =
            Report { source, why: None, took: MS, attempts: 1, coalesced: false, age: None, warnings };
        Answer { tenant: None, decision, report }
    }

    pub(super) fn run(mut self) -> Self {
        while !self.machine.is_over() {
            let due = self.machine.deadline().expect("a call that is not over waits for something");
            assert!(self.now - self.start < Duration::from_secs(600), "{:?} never ends", self.trouble);
            let event = self.future.first_entry().filter(|event| event.key().0 < due);
            let actions = match event.map(|event| event.remove_entry()) {
                Some(((at, _), event)) => {
                    self.now = self.now.max(at);
                    self.oracle(&event);
                    self.machine.handle(event, self.now)
                }
                None => {
                    self.now = self.now.max(due);
                    self.machine.on_time(self.now)
                }
            };
            for action in actions {
                self.perform(action);
            }
            self.listen();
        }
        self
    }

    /// What the caller is owed, told independently of the machine.
    fn oracle(&mut self, event: &Event) {
        let seen = &mut self.seen;
        match event {
            Event::Leg(LegEvent::Active) if seen.answers == 1 && !seen.up && self.route != Route::Answers => {
                seen.up = true;
                seen.owed_since = Some(self.now);
            }
            Event::Leg(LegEvent::Transferred) if seen.transfers == 1 => {
                seen.transferred.get_or_insert(true);
                seen.owed_since = None;
            }
            Event::Leg(LegEvent::NotTransferred) if seen.transfers == 1 => {
                seen.transferred.get_or_insert(false);
            }
            Event::Model(_) | Event::Speech { .. } if self.route != Route::Answers => {}
            Event::Leg(LegEvent::Active) if seen.answers == 1 && !seen.up => {
                seen.up = true;
                seen.owed_since = (seen.greeting && !seen.greeted && !seen.caller_speaks).then_some(self.now);
            }
            Event::Model(ModelEvent::CallerStarted) => (seen.caller_speaks, seen.owed_since) = (true, None),
            Event::Model(ModelEvent::CallerStopped) => {
                seen.caller_speaks = false;
                seen.owed_since = seen.up.then_some(self.now);
            }
            Event::Speech { item, .. } => _ = seen.spoke.insert(item.0.clone()),
            Event::Model(ModelEvent::AgentDone { response, outcome, .. }) => {
                seen.greeted = true;
                let paid = match outcome {
                    ResponseOutcome::Completed | ResponseOutcome::Cancelled => true,
                    ResponseOutcome::Incomplete { .. } => seen.spoke.contains(&response.0),
                    ResponseOutcome::Failed { .. } => false,
                };
                seen.owed_since = seen.owed_since.filter(|_| !paid);
            }
            Event::Model(ModelEvent::Closed(_)) if seen.closes == 0 && seen.opened > seen.model_closed => {
                seen.model_closed += 1;
            }
            _ => {}
        }
    }

    fn listen(&mut self) {
        let (Some(owed), 0) = (self.seen.owed_since, self.seen.hang_ups) else { return };
        let quiet = self.now - self.seen.last_sound.map_or(owed, |sound| sound.max(owed));
        self.seen.worst_silence = self.seen.worst_silence.max(quiet);
    }

    fn perform(&mut self, action: Action) {
        assert!(self.seen.records.is_empty(), "nothing comes after the record: {action:?}");
        match action {
            Action::Mark(_) => {}
            Action::Lookup { .. } => {
                let answer = self.answer();
                self.later(1..2_000, Event::Looked(Box::new(answer)));
            }
            Action::OpenModel(opening) => self.open_model(&opening),
            Action::Leg(command) => self.leg(command),
            Action::Model(ModelCommand::Heard { item, heard }) => {
                let number: u8 = item.0.parse().expect("a number");
                let (sent, told) = self.seen.sent.entry(number).or_default();
                assert!(heard <= MS * 20 * *sent, "told {heard:?} of {sent} frames");
                *told = true;
            }
            Action::Model(ModelCommand::Close) => self.seen.closes += 1,
            Action::Model(_) => {
                assert!(self.seen.closes == 0, "a closed session is left alone");
            }
            Action::Record(record) => self.seen.records.push(*record),
        }
    }

    fn open_model(&mut self, opening: &Opening) {
        self.seen.opened += 1;
        self.seen.greeting = opening.greeting != Greeting::None;
        let mut at = self.elapsed() + self.rng.random_range(10..1_400);
        if self.trouble == Trouble::ModelNeverOpens {
            return;
        }
        self.at(at, Event::Model(ModelEvent::Ready { session: "s".into(), expires_at: None }));
        at += self.rng.random_range(10..900);
        if self.trouble == Trouble::ModelNeverConfigures {
            return;
        }
        self.at(at, Event::Model(ModelEvent::Configured));
        if opening.greeting != Greeting::None && self.trouble != Trouble::ModelNeverGreets {
            at += self.rng.random_range(10..2_000);
            let greeting = self.response();
            self.say(at, greeting);
        }
    }

    fn leg(&mut self, command: LegCommand) {
        match command {
            LegCommand::Answer => {
                self.seen.answers += 1;
                if self.trouble == Trouble::NeverSubscribed {
                    return;
                }
                let subscribed = self.rng.random_range(1..1_000);
                self.later(subscribed..subscribed + 1, Event::Leg(LegEvent::Subscribed));
                if self.trouble != Trouble::NeverActive {
                    let active = subscribed + self.rng.random_range(1..1_400);
                    self.later(active..active + 1, Event::Leg(LegEvent::Active));
                }
            }
            LegCommand::Frame(frame) => self.frame(&frame),
            LegCommand::HangUp(_) => {
                self.seen.hang_ups += 1;
                if self.trouble != Trouble::LegHangsAtTheEnd {
                    self.later(1..3_000, Event::Leg(LegEvent::Ended(LegEnd::HungUp)));
                }
            }
            LegCommand::Transfer(_) => self.transfer(),
            LegCommand::Leave { .. } => self.seen.leaves += 1,
        }
    }

    /// It is done, in time or too late, is refused, or nothing is ever heard of it.
    fn transfer(&mut self) {
        self.seen.transfers += 1;
        let answered = self.elapsed() + self.rng.random_range(100..36_000);
        match self.rng.random_range(0..4) {
            0 => self.at(answered, Event::Leg(LegEvent::NotTransferred)),
            1 => {}
            _ => {
                self.at(answered, Event::Leg(LegEvent::Transferred));
                if self.trouble != Trouble::LegHangsAtTheEnd {
                    let gone = answered + self.rng.random_range(0..1_500);
                    self.at(gone, Event::Leg(LegEvent::Ended(LegEnd::Caller)));
                }
            }
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        assert!(self.seen.answers == 1, "no frame before the answer");
        self.seen.frames += 1;
        self.seen.first_frame.get_or_insert(self.now);
        self.seen.last_frame = Some(self.now);
        if frame[0] == SILENCE {
            return;
        }
        self.seen.last_sound = Some(self.now);
        self.seen.played += usize::from(![SPEECH, COMFORT].contains(&frame[0]));
        if frame[0] == SPEECH {
            self.seen.audible += 1;
            let (sent, told) = self.seen.sent.entry(frame[1]).or_default();
            *sent += 1;
            assert!(!*told || self.trouble == Trouble::Noise, "item {} spoke after it was cut", frame[1]);
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).expect("a short call")
    }

    fn later(&mut self, ms: std::ops::Range<u64>, event: Event) {
        let at = self.elapsed() + self.rng.random_range(ms);
        self.at(at, event);
    }

    fn at(&mut self, ms: u64, event: Event) {
        let at = self.start + Duration::from_millis(ms);
        self.future.insert((at, self.planned), event);
        self.planned += 1;
    }
}
