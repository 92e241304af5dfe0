//! A call's surroundings in virtual time: a leg, a backend, models and a caller, each with its moods.

use std::collections::{BTreeMap, HashSet};

use super::acts::{Acts, Wish, transfers};
use super::models::Models;
use super::moods::{Props, Route, Trouble, destination};
use super::*;

/// A call's surroundings: what they will do, and what the machine did to them.
pub(super) struct World {
    pub(super) rng: SmallRng,
    pub(super) now: Instant,
    pub(super) start: Instant,
    /// What is going to happen, in order; the number keeps simultaneous events apart.
    future: BTreeMap<(Instant, usize), Happening>,
    planned: usize,
    pub(super) machine: Machine,
    pub(super) trouble: Trouble,
    pub(super) route: Route,
    /// Whether the caller can be told where else to call while it rings.
    pub(super) redirects: bool,
    pub(super) models: Models,
    pub(super) wish: Wish,
    pub(super) acts: Acts,
    pub(super) keys: Keys,
    pub(super) ends: Ends,
    pub(super) seen: Seen,
}

pub(super) enum Happening {
    Event(Event),
    /// The caller begins to speak, or has finished.
    Turn(bool),
    Key(Digit),
    /// 20 ms of their voice.
    Voice,
    /// Every model that is there is lost.
    Outage,
}

/// What came out of the machine.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
pub(super) struct Seen {
    pub(super) records: Vec<CallRecord>,
    pub(super) full: bool,
    pub(super) leaves: u32,
    pub(super) answers: u32,
    pub(super) hang_ups: u32,
    pub(super) frames: u32,
    pub(super) first_frame: Option<Instant>,
    pub(super) last_frame: Option<Instant>,
    pub(super) played: usize,
    pub(super) transfers: u32,
    /// What the leg said of the transfer.
    pub(super) transferred: Option<bool>,
    /// By session and item: frames sent, and whether the model was told of an interruption.
    pub(super) sent: HashMap<(u8, u8), (u32, bool)>,
    /// The youngest session that was heard.
    pub(super) speaker: u8,
    pub(super) caller_speaks: bool,
    /// Frames of the caller's voice that reached us in a row.
    pub(super) voiced: u32,
    /// By session and response: it has said anything, has used a tool.
    pub(super) spoke: HashSet<(u32, String)>,
    pub(super) acted: HashSet<(u32, String)>,
    /// A response came to nothing, and the model was asked for another.
    pub(super) asked_again: bool,
    pub(super) owed_since: Option<Instant>,
    /// Since when more is owed than the response that is being made.
    pub(super) owed_next: Option<Instant>,
    pub(super) last_sound: Option<Instant>,
    pub(super) worst_silence: Duration,
    pub(super) up: bool,
    /// Keys are being pressed, until then at the most.
    pub(super) pressing: Option<Instant>,
    pub(super) away: bool,
    pub(super) greeted: bool,
}

impl World {
    pub(super) fn new(seed: u64, trouble: Trouble, props: &Props) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        // The one place where the test reads the clock: an origin for virtual time.
        let start = Instant::now();
        let context = Context {
            dialplan: Arc::default(),
            servers: models::servers(&mut rng),
            timings: Timings::default(),
            sounds: props.sounds.clone(),
            held_back: MS * 100,
            when_model_down: props.when_model_down(&mut rng),
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
            route: props.route(seed),
            redirects: (seed / 8).is_multiple_of(3),
            models: Models::default(),
            wish: Wish::of(seed),
            acts: Acts::default(),
            keys: Keys::default(),
            ends: Ends::default(),
            seen: Seen::default(),
        };
        world.set_out();
        world
    }

    /// What happens to this call whatever the machine does.
    fn set_out(&mut self) {
        if self.trouble != Trouble::NeverArrives {
            let arrived = self.arrived();
            self.later(50..3_000, arrived);
        }
        let longest = if self.trouble == Trouble::Long { 400_000 } else { 25_000 };
        self.later(0..longest, Event::Leg(LegEvent::Ended(LegEnd::Caller)));
        match self.trouble {
            Trouble::RoomFails => {
                self.later(0..20_000, Event::Leg(LegEvent::Ended(LegEnd::Failed(CallFault::Room))));
            }
            Trouble::Drained => {
                let at = self.rng.random_range(0..20_000);
                self.at(at, Happening::Event(Event::Drain));
                let at_once = at + self.rng.random_range(0..20_000);
                self.at(at_once, Happening::Event(Event::HangUp));
            }
            Trouble::Outage => {
                let at = self.rng.random_range(0..15_000);
                self.at(at, Happening::Outage);
            }
            Trouble::Noise => (0..20).for_each(|_| {
                let event = self.noise();
                self.later(0..20_000, event);
            }),
            _ => {}
        }
        let mut at = self.rng.random_range(0..4_000);
        for _ in 0..self.rng.random_range(0..5) {
            let start = at + self.rng.random_range(800..6_000);
            let stop = start + self.rng.random_range(100..4_000);
            self.at(start, Happening::Turn(true));
            (start..stop).step_by(20).for_each(|at| self.at(at, Happening::Voice));
            at = stop;
            self.at(at, Happening::Turn(false));
        }
        if self.rng.random_bool(0.3) {
            self.plan_keys();
        }
    }

    pub(super) fn arrived(&self) -> Event {
        let call = Call { redirects: self.redirects, ..Call::example() };
        Event::Leg(LegEvent::Arrived(Box::new(call)))
    }

    pub(super) fn answer(&mut self) -> Answer {
        let decision = if self.trouble == Trouble::BackendRefuses {
            Decision::Instead(Instead::Refuse(Refusal::Busy))
        } else if let Route::Plays(clip) = &self.route {
            Decision::Instead(Instead::Play(Arc::clone(clip)))
        } else if self.route == Route::Transfers {
            Decision::Instead(Instead::Transfer(destination()))
        } else {
            let mut config = CallConfig::of(Agent::default(), [].into());
            config.greeting = match self.rng.random_range(0..3) {
                0 => Greeting::None,
                1 => Greeting::FromPrompt,
                _ => Greeting::Say("Hello".into()),
            };
            config.greeting_interruptible = match self.rng.random_range(0..4) {
                0 => Interruptible::Never,
                1 => Interruptible::After(MS * self.rng.random_range(0..4_000)),
                _ => Interruptible::Always,
            };
            self.models.sheltered =
                config.greeting != Greeting::None && config.greeting_interruptible == Interruptible::Never;
            config.transfers = transfers();
            config.model = self.rng.random_bool(0.5).then(|| "own".to_owned());
            self.limit(&mut config);
            Decision::Answer(Box::new(config))
        };
        let (source, warnings) = (ConfigSource::Default, vec![]);
        let report =
            Report { source, why: None, took: MS, attempts: 0, coalesced: false, age: None, warnings };
        Answer { tenant: self.named(), decision, report }
    }

    pub(super) fn run(mut self) -> Self {
        while !self.machine.is_over() {
            let due = self.machine.deadline().expect("a call that is not over waits for something");
            assert!(self.now - self.start < Duration::from_secs(600), "{:?} never ends", self.trouble);
            let next = self.future.first_entry().filter(|next| next.key().0 < due);
            match next.map(|next| next.remove_entry()) {
                Some(((at, _), happening)) => {
                    self.now = self.now.max(at);
                    self.happen(happening);
                }
                None => {
                    self.now = self.now.max(due);
                    let late = self.machine.lateness(self.now).unwrap_or_default();
                    assert_eq!(late, Duration::ZERO, "no frame is late in a world without load");
                    let actions = self.machine.on_time(true, self.now);
                    self.carry_out(actions);
                }
            }
            self.listen();
        }
        self
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event) if self.models.says(&event, &mut self.rng) => self.feed(event),
            Happening::Event(_) => {}
            Happening::Turn(starts) => self.turn(starts),
            Happening::Key(key) => self.press(key),
            Happening::Voice => self.sound(VOICE),
            Happening::Outage => self.outage(),
        }
    }

    pub(super) fn feed(&mut self, event: Event) {
        self.oracle(&event);
        self.foresee(&event);
        self.note_end(&event);
        let actions = self.machine.handle(event, self.now);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.perform(action);
        }
    }

    /// What the caller is owed, told independently of the machine.
    fn oracle(&mut self, event: &Event) {
        let current = self.models.current();
        let seen = &mut self.seen;
        match event {
            Event::Leg(LegEvent::Active) if seen.answers == 1 && !seen.up => {
                seen.up = true;
                let owed = self.route != Route::Answers
                    || (self.models.greets && !seen.greeted && !seen.caller_speaks);
                seen.owed_since = owed.then_some(self.now);
            }
            Event::Leg(LegEvent::Away) => seen.away = true,
            Event::Leg(LegEvent::Back) => {
                seen.away = false;
                seen.owed_since = seen.owed_since.map(|_| self.now);
            }
            Event::Leg(event @ (LegEvent::Transferred | LegEvent::NotTransferred))
                if seen.transfers == 1 && !self.machine.farewell.has_begun() =>
            {
                seen.transferred.get_or_insert(matches!(event, LegEvent::Transferred));
            }
            // Nobody speaks then, but who could know.
            Event::Model { event: ModelEvent::CallerStarted, .. } if self.trouble == Trouble::Noise => {
                seen.owed_since = None;
            }
            Event::Model { session, event } if Some(*session) == current => {
                seen.note_model(*session, event, self.trouble == Trouble::Noise);
            }
            Event::Speech { session, item, .. } if Some(*session) == current => {
                seen.spoke.insert((session.get(), item.0.to_string()));
            }
            _ => {}
        }
    }

    fn listen(&mut self) {
        let seen = &mut self.seen;
        let presses = seen.pressing.take_if(|until| self.now >= *until).is_some() || seen.pressing.is_some();
        // Who speaks waits for nothing.
        if presses || seen.caller_speaks {
            seen.last_sound = Some(self.now);
        }
        let (Some(owed), 0, false) = (seen.owed_since, seen.hang_ups, seen.away) else { return };
        let quiet = self.now - seen.last_sound.map_or(owed, |sound| sound.max(owed));
        seen.worst_silence = seen.worst_silence.max(quiet);
    }

    fn perform(&mut self, action: Action) {
        assert!(self.seen.records.is_empty(), "nothing comes after the record: {action:?}");
        match action {
            Action::Mark(_) | Action::Judge { .. } => {}
            Action::Prepare { clip, codec } => clip.prepare(codec),
            Action::Admit { .. } => self.admit(),
            Action::Lookup { .. } => {
                let answer = Box::new(self.answer());
                self.later(1..2_000, Event::Looked { answer, shut: Vec::new() });
            }
            Action::OpenModel { session, opening, .. } => self.open_model(session, &opening),
            Action::Leg(command) => self.leg(command),
            Action::Model { session, command } => self.model(session, command),
            Action::Record(record) => self.seen.records.push(*record),
            Action::Forget => panic!("nobody else has this call"),
        }
    }

    fn leg(&mut self, command: LegCommand) {
        match command {
            LegCommand::Answer => {
                self.seen.answers += 1;
                if self.trouble.is_away() {
                    let away = self.elapsed() + self.rng.random_range(1..10_000);
                    self.at(away, Happening::Event(Event::Leg(LegEvent::Away)));
                    let back = away + self.rng.random_range(1..6_000);
                    self.at(back, Happening::Event(Event::Leg(LegEvent::Back)));
                }
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
            LegCommand::HangUp(refusal) => {
                assert_eq!(refusal.is_some(), self.seen.answers == 0, "only who rings is refused");
                self.seen.hang_ups += 1;
                if self.trouble != Trouble::LegHangsAtTheEnd {
                    self.later(1..3_000, Event::Leg(LegEvent::Ended(LegEnd::HungUp)));
                }
            }
            LegCommand::Transfer(_) => self.transfer(),
            LegCommand::Press(digits) => self.pressed(&digits),
            LegCommand::Leave { .. } => self.seen.leaves += 1,
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        let seen = &mut self.seen;
        assert!(seen.answers == 1, "no frame before the answer");
        assert!(!seen.away, "no frame into the void");
        seen.frames += 1;
        seen.first_frame.get_or_insert(self.now);
        seen.last_frame = Some(self.now);
        if frame[0] == SILENCE {
            return;
        }
        assert!(seen.pressing.is_none_or(|until| self.now >= until), "nothing is heard beside the keys");
        seen.last_sound = Some(self.now);
        seen.played += usize::from(![SPEECH, COMFORT].contains(&frame[0]));
        if frame[0] == SPEECH && self.trouble != Trouble::Noise {
            let (session, item) = (frame[1], frame[2]);
            assert!(session >= seen.speaker, "session {session} speaks after {}", seen.speaker);
            seen.speaker = session;
            let (sent, told) = seen.sent.entry((session, item)).or_default();
            *sent += 1;
            assert!(!*told, "item {item} of session {session} spoke after it was cut");
            self.check_greeting(session, item);
        }
    }

    pub(super) fn elapsed(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).expect("a short call")
    }

    pub(super) fn later(&mut self, ms: std::ops::Range<u64>, event: Event) {
        let at = self.elapsed() + self.rng.random_range(ms);
        self.at(at, Happening::Event(event));
    }

    pub(super) fn at(&mut self, ms: u64, happening: Happening) {
        let at = self.start + Duration::from_millis(ms);
        self.future.insert((at, self.planned), happening);
        self.planned += 1;
    }
}
