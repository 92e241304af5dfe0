//! Sets of digits, one a place.

use std::fmt;
use std::ops::RangeInclusive;

use super::{MOST_DIGITS, Rank};
use crate::call::E164;
use crate::dialplan::Match;

/// The digits that may stand at one place: bit 0 for 0 to bit 9 for 9. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DigitSet(u16);

impl DigitSet {
    /// `X`
    pub(in crate::dialplan) const ANY: Self = Self(0x3ff);
    /// `Z`
    pub(super) const NOT_ZERO: Self = Self(0x3fe);
    /// `N`
    pub(super) const FROM_TWO: Self = Self(0x3fc);

    /// Of ASCII digits. `None` without one.
    pub(super) fn of(digits: impl IntoIterator<Item = u8>) -> Option<Self> {
        let mask = digits.into_iter().fold(0, |mask, digit| mask | 1 << (digit - b'0'));
        (mask != 0).then_some(Self(mask))
    }

    /// Of one ASCII digit.
    const fn one(digit: u8) -> Self {
        Self(1 << (digit - b'0'))
    }

    pub const fn size(self) -> u32 {
        self.0.count_ones()
    }

    /// `digit` is 0 to 9.
    pub const fn has(self, digit: u8) -> bool {
        self.0 >> digit & 1 == 1
    }

    /// The digit, if there is but one.
    pub(in crate::dialplan) fn single(self) -> Option<u64> {
        (self.size() == 1).then(|| u64::from(self.0.trailing_zeros()))
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    fn write(self, text: &mut String) {
        let digits: Vec<u8> = (b'0'..=b'9').filter(|digit| self.has(digit - b'0')).collect();
        match (self, digits.as_slice()) {
            (Self::ANY, _) => text.push('X'),
            (Self::NOT_ZERO, _) => text.push('Z'),
            (Self::FROM_TWO, _) => text.push('N'),
            (_, [digit]) => text.push(char::from(*digit)),
            (_, digits) => {
                text.push('[');
                for run in digits.chunk_by(|one, next| one + 1 == *next) {
                    match run {
                        [first, _, .., last] => text.extend([char::from(*first), '-', char::from(*last)]),
                        few => text.extend(few.iter().copied().map(char::from)),
                    }
                }
                text.push(']');
            }
        }
    }
}

/// A prefix or a pattern of digits: 1 to 15 places, the first without 0, and perhaps a tail.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits {
    sets: Box<[DigitSet]>,
    open: bool,
}

impl Digits {
    /// The caller has seen to the bounds above.
    pub(super) fn new(sets: Vec<DigitSet>, open: bool) -> Self {
        Self { sets: sets.into(), open }
    }

    /// As the pattern that only this number matches.
    pub(super) fn of(number: &E164) -> Self {
        Self { sets: number.reveal().bytes().skip(1).map(DigitSet::one).collect(), open: false }
    }

    pub fn sets(&self) -> &[DigitSet] {
        &self.sets
    }

    /// Whether any digits may follow, or none.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// The leading places of one digit each: how many, and the digits as a decimal number.
    pub(in crate::dialplan) fn head(&self) -> (usize, u64) {
        let singles = self.sets.iter().map_while(|set| set.single());
        singles.fold((0, 0), |(length, value), digit| (length + 1, value * 10 + digit))
    }

    pub(in crate::dialplan) fn rank(&self) -> Rank {
        Rank::of(&self.sets, self.open)
    }

    pub(super) const fn kind(&self) -> Match {
        let mut rest: &[DigitSet] = &self.sets;
        while let [set, others @ ..] = rest {
            if set.size() > 1 {
                return Match::Pattern;
            }
            rest = others;
        }
        if self.open { Match::Prefix } else { Match::Exact }
    }

    pub(super) fn matches(&self, number: &E164) -> bool {
        let digits = number.reveal().bytes().skip(1).map(|digit| digit - b'0');
        self.lengths().contains(&digits.len())
            && self.sets.iter().zip(digits).all(|(set, digit)| set.has(digit))
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.lengths(), other.lengths());
        let a_length = one.start().max(two.start()) <= one.end().min(two.end());
        a_length && self.sets.iter().zip(&other.sets).all(|(one, other)| one.meets(*other))
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        let (own, theirs) = (self.lengths(), other.lengths());
        let lengths = own.start() <= theirs.start() && theirs.end() <= own.end();
        // Where only this one has a set the other's tail stands, whose digits are any.
        let others = other.sets.iter().copied().chain(std::iter::repeat(DigitSet::ANY));
        lengths && self.sets.iter().zip(others).all(|(own, other)| own.covers(other))
    }

    /// How many digits the numbers have that it matches: 3 to 15 at most, as E.164 numbers do.
    fn lengths(&self) -> RangeInclusive<usize> {
        let places = self.sets.len();
        if self.open { places.max(E164::FEWEST_DIGITS)..=MOST_DIGITS } else { places..=places }
    }

    pub(super) fn reveal(&self) -> String {
        let mut text = String::from("+");
        for set in &self.sets {
            set.write(&mut text);
        }
        text.extend(self.open.then_some('*'));
        text
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for DigitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
