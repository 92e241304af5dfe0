//! Prefixes and patterns by their head, the leading places of one digit each.

use super::buckets::Buckets;
use crate::call::E164;
use crate::dialplan::Match;
use crate::dialplan::pattern::{DigitSet, Digits, Rank};

/// A head's value in the table is either that of the one prefix it has, or with this bit the place of its group.
pub(super) const GROUP: u32 = 1 << 31;

/// How many leading digits say which lengths of head there are.
const LEADING: u32 = 5;
const LEADING_VALUES: usize = 10_usize.pow(LEADING);

#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Heads {
    /// By the head as a decimal number.
    table: Buckets,
    groups: Box<[Group]>,
    /// The patterns that begin with a set of several digits.
    headless: Group,
    /// What follows the heads of groups. A group stands together, its narrowest first.
    tails: Box<[Tail]>,
    sets: Box<[DigitSet]>,
    /// By the first five digits: bit n is set if there are heads of n digits that agree with them. Empty without any.
    lengths: Box<[u16]>,
    /// All of them together, for numbers of fewer digits.
    all_lengths: u16,
    len: usize,
}

/// A range of the tails.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Group {
    begin: u32,
    end: u32,
}

/// A pattern without its head.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// Where its sets begin.
    begin: u32,
    places: u8,
    open: bool,
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
            groups: building.groups.into(),
            headless: building.headless,
            tails: building.tails.into(),
            sets: building.sets.into(),
            all_lengths: building.lengths.iter().fold(building.headless_bit, |all, lengths| all | lengths),
            lengths: building.lengths.into(),
            len,
        }
    }

    /// Which lengths of head there may be for the number: bit n for n digits.
    pub(super) fn lengths(&self, number: &E164) -> u16 {
        if self.lengths.is_empty() {
            return self.all_lengths;
        }
        let length = number.reveal().len() - 1;
        let Some(more) = u32::try_from(length).ok().and_then(|length| length.checked_sub(LEADING)) else {
            let shorter = (1_u32 << (length + 1)) - 1;
            return self.all_lengths & shorter as u16;
        };
        let leading = number.value() / 10_u64.pow(more);
        self.lengths.get(leading as usize).copied().unwrap_or_default()
    }

    /// `head` is the decimal value of the `length` first digits of a number.
    pub(super) fn get(&self, length: u32, head: u64) -> Option<Headed<'_>> {
        if length == 0 {
            return Some(Headed::Group(self.tails_of(self.headless)));
        }
        let value = self.table.get(head)?;
        if value & GROUP == 0 {
            return Some(Headed::Prefix(value));
        }
        let group = self.groups.get((value & !GROUP) as usize).expect("a group's value is its place");
        Some(Headed::Group(self.tails_of(*group)))
    }

    /// How the number matches `tail`, whose head it begins with. `rest` are its digits after that.
    pub(super) fn try_tail(&self, tail: &Tail, rest: &[u8]) -> Option<(Match, u32)> {
        let places = usize::from(tail.places);
        if rest.len() < places || !tail.open && rest.len() > places {
            return None;
        }
        let sets = self.sets.get(tail.begin as usize..).unwrap_or_default();
        let fits = sets.iter().take(places).zip(rest).all(|(set, digit)| set.has(*digit));
        fits.then_some((if places == 0 { Match::Prefix } else { Match::Pattern }, tail.value))
    }

    fn tails_of(&self, group: Group) -> &[Tail] {
        self.tails.get(group.begin as usize..group.end as usize).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        let groups = size_of_val(&*self.groups) + size_of_val(&*self.tails) + size_of_val(&*self.sets);
        self.table.bytes() + groups + size_of_val(&*self.lengths)
    }
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
    groups: Vec<Group>,
    headless: Group,
    tails: Vec<Tail>,
    sets: Vec<DigitSet>,
    lengths: Vec<u16>,
    headless_bit: u16,
}

impl Building {
    /// Takes all patterns of one head.
    fn add(&mut self, group: &[Headful<'_>]) {
        let Some(Headful { head: (length, head), .. }) = group.first() else { return };
        match group {
            [only] if only.digits.sets().len() == *length => self.table.push((*head, only.value)),
            _ => {
                let tails = self.add_tails(group);
                if *length == 0 {
                    self.headless = tails;
                } else {
                    self.table.push((*head, GROUP | as_u32(self.groups.len())));
                    self.groups.push(tails);
                }
            }
        }
        self.note_length(*length, *head);
    }

    fn add_tails(&mut self, group: &[Headful<'_>]) -> Group {
        let begin = as_u32(self.tails.len());
        for Headful { head: (length, _), digits, value, .. } in group {
            let sets = digits.sets().get(*length..).unwrap_or_default();
            let places = u8::try_from(sets.len()).expect("a pattern has at most 15 places");
            let tail = Tail { begin: as_u32(self.sets.len()), places, open: digits.is_open(), value: *value };
            self.tails.push(tail);
            self.sets.extend_from_slice(sets);
        }
        Group { begin, end: as_u32(self.tails.len()) }
    }

    fn note_length(&mut self, length: usize, head: u64) {
        let bit = 1_u16 << length;
        if length == 0 {
            self.headless_bit = bit;
            self.lengths.iter_mut().for_each(|lengths| *lengths |= bit);
            return;
        }
        if self.lengths.is_empty() {
            self.lengths = vec![self.headless_bit; LEADING_VALUES];
        }
        // A shorter head agrees with all leading digits that begin with it.
        let digits = u32::try_from(length).expect("a head has at most 15 digits");
        let unsaid = 10_u64.pow(LEADING.saturating_sub(digits));
        let begin = head / 10_u64.pow(digits.saturating_sub(LEADING)) * unsaid;
        let agreeing = begin as usize..(begin + unsaid) as usize;
        for lengths in self.lengths.get_mut(agreeing).unwrap_or_default() {
            *lengths |= bit;
        }
    }
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).ok().filter(|count| *count < GROUP).expect("fewer patterns than 2^31")
}
