//! Prefixes and patterns by their head, the leading places of one digit each.

use super::buckets::Buckets;
use crate::dialplan::Match;
use crate::dialplan::pattern::{DigitSet, Digits, MOST_DIGITS, Rank};

/// A head's value in the table is either that of the one prefix it has, or with this bit the place of its first tail.
pub(super) const GROUP: u32 = 1 << 31;

/// How many leading digits say which lengths of head there are.
const LEADING: u32 = 5;
const LEADING_VALUES: usize = 10_usize.pow(LEADING);

#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Heads {
    /// By the head as a decimal number.
    table: Buckets,
    /// What follows the heads that have more than one prefix. Those of a head stand together, the narrowest first; at
    /// the very beginning those of no head, the patterns that begin with a set of several digits.
    tails: Box<[Tail]>,
    /// By the first five digits: bit n is set if there are heads of n digits that agree with them. Empty without any.
    lengths: Box<[u16]>,
    /// All of them together, for numbers of fewer digits.
    all_lengths: u16,
    len: usize,
}

/// A pattern without its head.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tail {
    sets: [DigitSet; MOST_DIGITS],
    places: u8,
    open: bool,
    /// How many tails of the same head come after it.
    more: u32,
    value: u32,
}

/// What a head leads to.
pub(super) enum Headed<'i> {
    Prefix(u32),
    Group(&'i [Tail]),
}

impl Heads {
    pub(super) fn build(patterns: Vec<(&Digits, u32)>) -> Self {
        let mut building = Building::default();
        let len = patterns.len();
        let mut patterns: Vec<_> =
            patterns.into_iter().map(|(digits, value)| Headful::of(digits, value)).collect();
        patterns.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        for group in patterns.chunk_by(|a, b| a.head == b.head) {
            building.add(group);
        }
        Self {
            table: Buckets::build(&building.table),
            tails: building.tails.into(),
            all_lengths: building.lengths.iter().fold(building.headless_bit, |all, lengths| all | lengths),
            lengths: building.lengths.into(),
            len,
        }
    }

    /// Which lengths of head there may be for a number of so many digits: bit n for n digits.
    pub(super) fn lengths(&self, digits: u32, number: u64) -> u16 {
        if self.lengths.is_empty() {
            return self.all_lengths;
        }
        let Some(more) = digits.checked_sub(LEADING) else { return self.all_lengths };
        let leading = number / power_of_ten(more);
        self.lengths.get(leading as usize).copied().unwrap_or_default()
    }

    /// `head` is the decimal value of the `length` first digits of a number.
    pub(super) fn get(&self, length: u32, head: u64) -> Option<Headed<'_>> {
        let value = if length == 0 { GROUP } else { self.table.get(head)? };
        if value & GROUP == 0 {
            return Some(Headed::Prefix(value));
        }
        let begin = (value & !GROUP) as usize;
        let more = self.tails.get(begin)?.more as usize;
        self.tails.get(begin..=begin + more).map(Headed::Group)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.bytes() + size_of_val(&*self.tails) + size_of_val(&*self.lengths)
    }
}

impl Tail {
    fn of(pattern: &Headful<'_>, more: usize) -> Self {
        let (head, _) = pattern.head;
        let after_head = pattern.digits.sets().get(head..).unwrap_or_default();
        let mut sets = [DigitSet::ANY; MOST_DIGITS];
        for (set, own) in sets.iter_mut().zip(after_head) {
            *set = *own;
        }
        let places = u8::try_from(after_head.len()).expect("a pattern has at most 15 places");
        Self { sets, places, open: pattern.digits.is_open(), more: as_u32(more), value: pattern.value }
    }

    /// How a number matches that begins with the head. `rest` is the decimal value of its digits after that.
    pub(super) fn matched(&self, length: u32, rest: u64) -> Option<(Match, u32)> {
        let after_places = length.checked_sub(u32::from(self.places))?;
        if after_places > 0 && !self.open {
            return None;
        }
        let mut digits = rest / power_of_ten(after_places);
        for set in self.sets.iter().take(usize::from(self.places)).rev() {
            if !set.has((digits % 10) as u8) {
                return None;
            }
            digits /= 10;
        }
        Some((if self.places == 0 { Match::Prefix } else { Match::Pattern }, self.value))
    }
}

/// Of at most the digits that a number has.
pub(super) fn power_of_ten(exponent: u32) -> u64 {
    const POWERS: [u64; MOST_DIGITS + 1] = {
        let mut powers = [1; MOST_DIGITS + 1];
        let mut rest: &mut [u64] = &mut powers;
        let mut power = 1;
        while let [first, others @ ..] = rest {
            *first = power;
            power *= 10;
            rest = others;
        }
        powers
    };
    *POWERS.get(exponent as usize).expect("no more than a number's digits")
}

/// A pattern and its head.
struct Headful<'p> {
    /// How many digits, and their decimal value.
    head: (usize, u64),
    rank: Rank,
    digits: &'p Digits,
    value: u32,
}

impl<'p> Headful<'p> {
    fn of(digits: &'p Digits, value: u32) -> Self {
        assert!(value < GROUP, "values are below Index::VALUES");
        Self { head: digits.head(), rank: digits.rank(), digits, value }
    }

    /// Equal patterns are there once, so no two are equal in it.
    fn order(&self) -> ((usize, u64), Rank, &Digits) {
        (self.head, self.rank, self.digits)
    }
}

#[derive(Default)]
struct Building {
    table: Vec<(u64, u32)>,
    tails: Vec<Tail>,
    lengths: Vec<u16>,
    headless_bit: u16,
}

impl Building {
    /// Takes all patterns of one head. The shortest head comes first.
    fn add(&mut self, group: &[Headful<'_>]) {
        let Some(Headful { head: (length, head), .. }) = group.first() else { return };
        let value = match group {
            [only] if only.digits.sets().len() == *length => only.value,
            _ => {
                let begin = as_u32(self.tails.len());
                let countdown = (0..group.len()).rev();
                self.tails.extend(group.iter().zip(countdown).map(|(pattern, more)| Tail::of(pattern, more)));
                GROUP | begin
            }
        };
        if *length > 0 {
            self.table.push((*head, value));
        }
        self.note_length(*length, *head);
    }

    fn note_length(&mut self, length: usize, head: u64) {
        let bit = 1_u16 << length;
        if length == 0 {
            self.headless_bit = bit;
            return;
        }
        if self.lengths.is_empty() {
            self.lengths = vec![self.headless_bit; LEADING_VALUES];
        }
        // A shorter head agrees with all leading digits that begin with it.
        let digits = u32::try_from(length).expect("a head has at most 15 digits");
        let unsaid = power_of_ten(LEADING.saturating_sub(digits));
        let begin = head / power_of_ten(digits.saturating_sub(LEADING)) * unsaid;
        let agreeing = begin as usize..(begin + unsaid) as usize;
        for lengths in self.lengths.get_mut(agreeing).unwrap_or_default() {
            *lengths |= bit;
        }
    }
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).ok().filter(|count| *count < GROUP).expect("fewer patterns than 2^31")
}
