//! What backends answered, how they failed, and what they are being asked right now.
//!
//! Nothing here waits or reads a clock. moka bounds what is kept; how long it serves is [`Freshness`], as moka's own
//! expiry does not follow the `now` it is given. A request that several calls wait for belongs to none of them: a
//! [`Ticket`] is the right to make it, and whoever holds it lands it or, by dropping it, gives it up.

mod kept;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::watch;
use tokio::time::Instant;

use super::freshness::Freshness;
use super::key::{Base, Facts, Key};
use super::retry::Failure;
use super::{CacheBounds, Purge};
use crate::tenant::wire::BackendAction;
use crate::tenant::{By, Windows};
use kept::Slot;
pub(super) use kept::{Aged, Kept, Of, Said};

/// How a request came out.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) outcome: Result<Arc<Kept>, Failure>,
    /// Whom the answer is for, by its own `by`.
    key: Key,
    pub(super) attempts: u8,
}

/// A request on its way; holds something when it has landed, and is closed when it was given up.
pub(super) type Flight = watch::Receiver<Option<Arc<Landed>>>;

/// What to do for a call.
#[derive(Debug)]
pub(super) enum Plan {
    /// `refresh` is to be asked behind the call.
    Serve {
        kept: Aged,
        refresh: Option<Ticket>,
    },
    /// It failed a moment ago: it is not asked.
    Failed {
        failure: Failure,
        stale: Option<Aged>,
    },
    Join {
        flight: Flight,
        stale: Option<Aged>,
    },
    Ask {
        ticket: Ticket,
        stale: Option<Aged>,
    },
}

/// The right to make one request.
#[derive(Debug)]
pub(super) struct Ticket {
    memory: Arc<Memory>,
    facts: Facts,
    of: Of,
    /// The key that was looked for, and the `by` it was made of.
    key: Key,
    by: By,
    /// What an answer depends on that does not say so itself.
    otherwise: By,
    /// Its place in [`Flights`]; `None`: no other call may wait for it.
    number: Option<u64>,
    generation: u64,
    sender: watch::Sender<Option<Arc<Landed>>>,
}

#[derive(Debug)]
pub(super) struct Memory {
    /// The `by` of the last answer to such calls, where it isn't the one that goes without saying.
    learned: Cache<Base, By>,
    slots: Cache<Key, Arc<Slot>>,
    flights: Mutex<Flights>,
}

#[derive(Debug, Default)]
struct Flights {
    by_key: HashMap<Key, (u64, Flight)>,
    next: u64,
    /// How often something was purged: what was asked before a purge is not kept after it.
    generation: u64,
}

impl Memory {
    pub(super) fn new(bounds: CacheBounds) -> Self {
        // A weight no smaller than an even share keeps both bounds with one sum.
        let share = u32::try_from(bounds.bytes / bounds.entries.max(1)).unwrap_or(u32::MAX);
        let weigh = move |key: &Key, slot: &Arc<Slot>| slot.size(key).max(share);
        let slots = Cache::builder().max_capacity(bounds.bytes).weigher(weigh).build();
        Self { learned: Cache::new(bounds.entries), slots, flights: Mutex::default() }
    }

    pub(super) fn plan(self: &Arc<Self>, facts: &Facts, of: &Of, cache_by: Option<By>, now: Instant) -> Plan {
        if let Some(kept) = self.fresh(facts, cache_by, now) {
            return Plan::Serve { kept, refresh: None };
        }
        // From here on under the lock, under which a request lands: it is either still on its way or to be found.
        let mut flights = self.lock();
        let by = self.by_in_force(facts, cache_by);
        let key = facts.key(by);
        let slot = self.slots.get(&key);
        let kept = slot.as_ref().and_then(|slot| slot.kept.as_ref()).map(|kept| kept.aged(now));
        let failed = slot
            .and_then(|slot| slot.failed)
            .filter(|(failure, at)| now.saturating_duration_since(*at) < failure.remembered());
        let ticket = |flights: &mut Flights, shared: bool| {
            self.ticket(flights, (facts, of), (by, &key), cache_by, shared)
        };
        let (fresh, stale) = match kept {
            Some(kept) => match kept.freshness() {
                Freshness::Fresh | Freshness::Revalidate => (Some(kept), None),
                Freshness::Stale => (None, Some(kept)),
                Freshness::Gone => (None, None),
            },
            None => (None, None),
        };
        if let Some(kept) = fresh {
            let due = kept.freshness() == Freshness::Revalidate
                && failed.is_none()
                && !flights.by_key.contains_key(&key);
            let refresh = due.then(|| ticket(&mut flights, true));
            return Plan::Serve { kept, refresh };
        }
        if let Some((failure, _)) = failed {
            return Plan::Failed { failure, stale };
        }
        let shared = key.shareable && !stale.as_ref().is_some_and(|stale| stale.kept.is_for_one_call());
        match flights.by_key.get(&key).filter(|_| shared) {
            Some((_, flight)) => Plan::Join { flight: flight.clone(), stale },
            None => Plan::Ask { ticket: ticket(&mut flights, shared), stale },
        }
    }

    /// The right to ask for one call alone.
    pub(super) fn alone(self: &Arc<Self>, facts: &Facts, of: &Of, cache_by: Option<By>) -> Ticket {
        let by = self.by_in_force(facts, cache_by);
        self.ticket(&mut self.lock(), (facts, of), (by, &facts.key(by)), cache_by, false)
    }

    pub(super) fn purge(&self, what: &Purge) {
        let mut flights = self.lock();
        flights.generation += 1;
        flights.by_key.clear();
        match what {
            Purge::All => {
                self.slots.invalidate_all();
                self.learned.invalidate_all();
            }
            Purge::Tenant(_) | Purge::Number(_) => {
                for (key, slot) in &self.slots {
                    if slot.is_of(what) {
                        self.slots.invalidate(&*key);
                    }
                }
            }
        }
    }

    /// How many keys have something, and how many bytes that takes, about.
    pub(super) fn size(&self) -> (u64, u64) {
        self.slots.run_pending_tasks();
        (self.slots.entry_count(), self.slots.weighted_size())
    }

    fn fresh(&self, facts: &Facts, cache_by: Option<By>, now: Instant) -> Option<Aged> {
        let slot = self.slots.get(&facts.key(self.by_in_force(facts, cache_by)))?;
        let kept = slot.kept.as_ref()?.aged(now);
        (kept.freshness() == Freshness::Fresh).then_some(kept)
    }

    fn by_in_force(&self, facts: &Facts, cache_by: Option<By>) -> By {
        self.learned.get(&facts.base()).or(cache_by).unwrap_or(By::EVERYTHING)
    }

    fn ticket(
        self: &Arc<Self>,
        flights: &mut Flights,
        (facts, of): (&Facts, &Of),
        (by, key): (By, &Key),
        cache_by: Option<By>,
        shared: bool,
    ) -> Ticket {
        let (sender, flight) = watch::channel(None);
        let number = shared.then(|| {
            flights.next += 1;
            flights.by_key.insert(key.clone(), (flights.next, flight));
            flights.next
        });
        Ticket {
            memory: Arc::clone(self),
            facts: facts.clone(),
            of: of.clone(),
            key: key.clone(),
            by,
            otherwise: cache_by.unwrap_or(By::EVERYTHING),
            number,
            generation: flights.generation,
            sender,
        }
    }

    fn keep(&self, ticket: &Ticket, key: &Key, kept: &Arc<Kept>) {
        if *key != ticket.key {
            self.slots.invalidate(&ticket.key);
        }
        if matches!(kept.said, Said::Answer(_)) {
            let base = ticket.facts.base();
            if kept.by == ticket.otherwise {
                self.learned.invalidate(&base);
            } else {
                self.learned.insert(base, kept.by);
            }
        }
        if key.shareable && Freshness::of(Duration::ZERO, kept.windows) != Freshness::Gone {
            let (of, by, weight) = (ticket.of.clone(), kept.by, kept.weight);
            let slot = Slot { kept: Some(Arc::clone(kept)), failed: None, of, by, weight };
            self.slots.insert(key.clone(), Arc::new(slot));
        } else {
            self.slots.invalidate(key);
        }
    }

    fn keep_failure(&self, ticket: &Ticket, failure: Failure, now: Instant) {
        if failure.remembered().is_zero() {
            return;
        }
        let kept = self.slots.get(&ticket.key).and_then(|slot| slot.kept.clone());
        let weight = kept.as_ref().map_or(0, |kept| kept.weight);
        let slot = Slot { kept, failed: Some((failure, now)), of: ticket.of.clone(), by: ticket.by, weight };
        self.slots.insert(ticket.key.clone(), Arc::new(slot));
    }

    /// Nothing panics under the lock, so a poisoned one is as good as another.
    fn lock(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Whether other calls may wait for it.
    pub(super) fn is_shared(&self) -> bool {
        self.number.is_some()
    }

    pub(super) fn flight(&self) -> Flight {
        self.sender.subscribe()
    }

    /// Keeps what came of the request and tells everyone who waits. `weight`: what the answer takes, in bytes.
    pub(super) fn land(self, outcome: Result<(Said, u32), Failure>, attempts: u8, now: Instant) {
        let (outcome, key) = match outcome {
            Ok((said, weight)) => {
                let (windows, by) = self.terms(&said);
                let kept = Kept { said, at: now, windows, by, weight };
                (Ok(Arc::new(kept)), self.facts.key(by))
            }
            Err(failure) => (Err(failure), self.key.clone()),
        };
        let mut flights = self.memory.lock();
        if flights.generation == self.generation {
            match &outcome {
                Ok(kept) => self.memory.keep(&self, &key, kept),
                Err(failure) => self.memory.keep_failure(&self, *failure, now),
            }
        }
        flights.remove(&self);
        drop(flights);
        self.sender.send_replace(Some(Arc::new(Landed { outcome, key, attempts })));
    }

    /// How long what was said serves, and whom. Only an answer may be stale: a no that has ended is asked for again,
    /// so that a number that is new at the backend is not refused for longer than `ttl`.
    fn terms(&self, said: &Said) -> (Windows, By) {
        let brief =
            |windows: Windows| Windows { revalidate: Duration::ZERO, stale: Duration::ZERO, ..windows };
        match said {
            Said::Answer(answer) => {
                let windows = answer.caching.windows;
                let windows = match answer.action {
                    BackendAction::Answer => windows,
                    BackendAction::Reject(_) | BackendAction::Transfer(_) | BackendAction::Default => {
                        brief(windows)
                    }
                };
                (windows, answer.caching.by.unwrap_or(self.otherwise))
            }
            // Nothing in it could be personal, and nothing in it could say so.
            Said::Unknown => (brief(Windows::default()), self.by),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.memory.lock().remove(self);
    }
}

impl Flights {
    /// Takes the ticket's own request out; another of the same key stays.
    fn remove(&mut self, ticket: &Ticket) {
        let own = |(number, _): &(u64, Flight)| ticket.number == Some(*number);
        if self.by_key.get(&ticket.key).is_some_and(own) {
            self.by_key.remove(&ticket.key);
        }
    }
}

impl Landed {
    /// What a call that waited beside the one that asked may have of it: a failure, or an answer that is for it too.
    pub(super) fn shared(&self, facts: &Facts, now: Instant) -> Option<Result<&Arc<Kept>, Failure>> {
        match &self.outcome {
            Err(failure) => Some(Err(*failure)),
            Ok(kept) => {
                let for_it = self.key.shareable && facts.key(kept.by) == self.key;
                let serves = kept.aged(now).freshness() <= Freshness::Revalidate;
                (for_it && serves).then_some(Ok(kept))
            }
        }
    }
}

#[cfg(test)]
mod tests;
