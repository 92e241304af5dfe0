//! The patterns a number matches, one by one.

use super::Index;
use super::heads::{Headed, Tail, power_of_ten};
use crate::call::{E164, Number};
use crate::dialplan::Match;

/// How a called number matched, and the value of the pattern. Each step does no more than it must for the next
/// candidate.
#[derive(Clone)]
pub struct Candidates<'i> {
    index: &'i Index,
    called: &'i Number,
    next: Step<'i>,
}

#[derive(Clone)]
enum Step<'i> {
    Literal,
    Exact,
    Heads(&'i E164),
    Head(AtHead<'i>),
    Done,
}

impl<'i> Candidates<'i> {
    pub(super) fn of(index: &'i Index, called: &'i Number) -> Self {
        Self { index, called, next: Step::Literal }
    }
}

impl Iterator for Candidates<'_> {
    type Item = (Match, u32);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = match &mut self.next {
                Step::Literal => {
                    self.next = Step::Exact;
                    self.index.literals.get(self.called.raw.reveal()).map(|value| (Match::Exact, value))
                }
                Step::Exact => {
                    let number = self.called.e164.as_ref();
                    self.next = number.map_or(Step::Done, Step::Heads);
                    number
                        .and_then(|number| self.index.numbers.get(number.value()))
                        .map(|value| (Match::Exact, value))
                }
                Step::Heads(number) => {
                    self.next = Step::Head(AtHead::before_all(self.index, number));
                    None
                }
                Step::Head(head) => {
                    let found = head.next(self.index);
                    if found.is_none() {
                        self.next = Step::Done;
                    }
                    found
                }
                Step::Done => return None,
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// Where among the heads of a number the search is.
#[derive(Clone)]
struct AtHead<'i> {
    /// The number, and how many digits it has.
    number: u64,
    digits: u32,
    /// The lengths to try after this one.
    lengths: u16,
    /// The patterns of this head.
    tails: std::slice::Iter<'i, Tail>,
    /// The number's digits after this head: how many, and their decimal value.
    rest: (u32, u64),
}

impl<'i> AtHead<'i> {
    fn before_all(index: &Index, number: &E164) -> Self {
        let digits = number.reveal().len() as u32 - 1;
        let lengths = index.heads.lengths(digits, number.value());
        Self { number: number.value(), digits, lengths, tails: [].iter(), rest: (0, 0) }
    }

    fn next(&mut self, index: &'i Index) -> Option<(Match, u32)> {
        loop {
            let (rest_length, rest) = self.rest;
            let found = self.tails.find_map(|tail| tail.matched(rest_length, rest));
            if found.is_some() {
                return found;
            }
            let length = self.lengths.checked_ilog2()?;
            self.lengths ^= 1 << length;
            let Some(rest_length) = self.digits.checked_sub(length) else { continue };
            let power = power_of_ten(rest_length);
            let head = self.number / power;
            match index.heads.get(length, head) {
                Some(Headed::Prefix(value)) => return Some((Match::Prefix, value)),
                Some(Headed::Group(tails)) => {
                    self.tails = tails.iter();
                    self.rest = (rest_length, self.number - head * power);
                }
                None => {}
            }
        }
    }
}
