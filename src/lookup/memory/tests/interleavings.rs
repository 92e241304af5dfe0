//! Whatever happens in whatever order, nobody gets another's answer, nothing is asked twice at once, and nothing serves
//! longer than it may.

use std::collections::HashSet;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Call(Who),
    /// One of the requests on their way comes out so.
    Land(usize, End),
    /// Its caller hangs up, or the router stops.
    GiveUp(usize),
    Wait(u64),
}

#[derive(Debug, Clone)]
enum End {
    Answer { by: Option<u8>, windows: [u64; 3], action: &'static str },
    Unknown,
    Failed(Why),
}

/// What an answer was, by the number that it has as its prompt.
struct Answered {
    to: Who,
    at: Instant,
    windows: [u64; 3],
    by: By,
    is_answer: bool,
}

struct Waiting {
    who: Who,
    flight: Flight,
}

struct Run {
    world: World,
    flying: Vec<(Who, Ticket)>,
    waiting: Vec<Waiting>,
    answers: Vec<Answered>,
    /// When a request last failed in a way that is remembered.
    failed: Option<Instant>,
}

fn who() -> impl Strategy<Value = Who> {
    (0..4_u8, 1..3_u8, 1..3_u8).prop_map(|(caller, called, trunk)| Who { caller, called, trunk })
}

fn end() -> impl Strategy<Value = End> {
    let seconds = || prop_oneof![Just(0), 1..20_u64];
    let windows = [seconds().boxed(), seconds().boxed(), seconds().boxed()];
    let action = prop_oneof![4 => Just("answer"), 1 => Just("reject"), 1 => Just("default")];
    let answer = (proptest::option::of(0..32_u8), windows, action)
        .prop_map(|(by, windows, action)| End::Answer { by, windows, action });
    let why = prop_oneof![Just(Why::Timeout), Just(Why::BreakerOpen)];
    prop_oneof![6 => answer, 1 => Just(End::Unknown), 2 => why.prop_map(End::Failed)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => who().prop_map(Step::Call),
        4 => (any::<usize>(), end()).prop_map(|(index, end)| Step::Land(index, end)),
        1 => any::<usize>().prop_map(Step::GiveUp),
        2 => (1..12_u64).prop_map(Step::Wait),
    ]
}

fn facets(bits: u8) -> Vec<Facet> {
    Facet::ALL
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, facet)| facet)
        .collect()
}

impl Run {
    fn step(&mut self, step: Step) {
        match step {
            Step::Call(who) => self.call(who),
            Step::Land(index, end) if !self.flying.is_empty() => {
                let (to, ticket) = self.flying.swap_remove(index % self.flying.len());
                self.land(to, ticket, &end);
            }
            Step::GiveUp(index) if !self.flying.is_empty() => {
                self.flying.swap_remove(index % self.flying.len());
            }
            Step::Wait(seconds) => self.world.now += Duration::from_secs(seconds),
            Step::Land(..) | Step::GiveUp(_) => {}
        }
        self.waiting.retain(|waiting| waiting.flight.has_changed().is_ok());
        let shared: Vec<&Key> = self
            .flying
            .iter()
            .filter(|(_, ticket)| ticket.is_shared())
            .map(|(_, ticket)| &ticket.key)
            .collect();
        let different: HashSet<&Key> = shared.iter().copied().collect();
        assert_eq!(shared.len(), different.len(), "the same is asked twice at once");
        assert!(shared.iter().all(|key| key.shareable));
    }

    fn call(&mut self, who: Who) {
        match self.world.plan(who) {
            Plan::Serve { kept, refresh } => {
                self.may_have(who, &kept.kept, "serve");
                self.flying.extend(refresh.map(|ticket| (who, ticket)));
            }
            Plan::Failed { failure, stale } => {
                let failed = self.failed.expect("something failed");
                assert!(self.world.now < failed + failure.remembered());
                self.may_be_stale(who, stale.as_ref());
            }
            Plan::Join { flight, stale } => {
                self.may_be_stale(who, stale.as_ref());
                self.waiting.push(Waiting { who, flight });
            }
            Plan::Ask { ticket, stale } => {
                self.may_be_stale(who, stale.as_ref());
                self.flying.push((who, ticket));
            }
        }
    }

    fn land(&mut self, to: Who, ticket: Ticket, end: &End) {
        let now = self.world.now;
        let flight = ticket.flight();
        match end {
            End::Answer { by, windows, action } => {
                let by = by.map(facets);
                let mut answer = json!({"action": action, "systemPrompt": self.answers.len().to_string(),
                    "cache": {"ttlSeconds": windows[0], "revalidateSeconds": windows[1], "staleSeconds": windows[2]}});
                if let Some(by) = &by {
                    answer["cache"]["by"] = by.iter().map(|facet| facet.name()).collect();
                }
                let by = by.map(|by| By::of(&by)).or(self.world.cache_by).unwrap_or(By::EVERYTHING);
                let is_answer = *action == "answer";
                self.answers.push(Answered { to, at: now, windows: *windows, by, is_answer });
                self.world.land(ticket, &answer);
            }
            End::Unknown => ticket.land(Ok((Said::Unknown, 0)), 1, now),
            End::Failed(why) => {
                if *why == Why::Timeout {
                    self.failed = Some(now);
                }
                self.world.fail(ticket, *why);
            }
        }
        let landed = flight.borrow().clone().expect("landed");
        for waiting in self.waiting.iter().filter(|waiting| waiting.flight.same_channel(&flight)) {
            if let Some(Ok(kept)) = landed.shared(&self.world.facts(waiting.who), now) {
                self.may_have(waiting.who, kept, "serve");
            }
        }
        self.waiting.retain(|waiting| !waiting.flight.same_channel(&flight));
    }

    fn may_be_stale(&self, who: Who, stale: Option<&Aged>) {
        if let Some(stale) = stale {
            self.may_have(who, &stale.kept, "be stale");
        }
    }

    /// Checked against what was noted at the landing, by the words of the contract.
    fn may_have(&self, who: Who, kept: &Kept, what: &str) {
        let Said::Answer(said) = &kept.said else {
            assert_eq!(what, "serve", "a no is never stale");
            return;
        };
        let prompt = said.agent.prompt.clone().chosen().expect("a prompt");
        let answered = &self.answers[prompt.reveal().parse::<usize>().unwrap()];
        for (facet, same) in [
            (Facet::Caller, who.caller == answered.to.caller && who.caller != 0),
            (Facet::Called, who.called == answered.to.called),
            (Facet::Trunk, who.trunk == answered.to.trunk),
        ] {
            assert!(same || !answered.by.has(facet), "{who:?} has the answer to {:?}", answered.to);
        }
        let age = (self.world.now - answered.at).as_secs();
        let [ttl, revalidate, stale] = answered.windows;
        if what == "serve" {
            let revalidate = if answered.is_answer { revalidate } else { 0 };
            assert!(age < ttl + revalidate, "{age} s old, {:?}", answered.windows);
        } else {
            let past = age >= ttl + revalidate && age < ttl + revalidate + stale;
            assert!(answered.is_answer && past, "{age} s old, {:?}", answered.windows);
        }
    }
}

proptest! {
    #[test]
    fn nobody_gets_anothers_answer_and_nothing_is_asked_twice_at_once(
        cache_by in proptest::option::of(0..32_u8),
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let world = World::new(cache_by.map(|bits| By::of(&facets(bits))));
        let mut run =
            Run { world, flying: Vec::new(), waiting: Vec::new(), answers: Vec::new(), failed: None };
        for step in steps {
            run.step(step);
        }
    }
}
