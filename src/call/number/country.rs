//! Countries' numbering plans: phonenumber's metadata, read by the rules of libphonenumber.
//!
//! Its data is used and its parser is not: it strips the national prefix twice (`8 800 ...` in Russia), and takes
//! whatever looks like a number. Patterns are matched under a lock that the whole process shares; lengths are not.

use std::borrow::Cow;
use std::sync::LazyLock;

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

const NORTH_AMERICA: u16 = 1;
const NORTH_AMERICAN_DIGITS: usize = 10;

/// An ISO 3166-1 alpha-2 country, whose numbering plan reads national numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(phonenumber::country::Id);

impl Country {
    pub fn parse(code: &str) -> Option<Self> {
        code.parse().ok().map(Self)
    }

    pub(super) fn plan(self) -> Option<CountryPlan> {
        DATABASE.by_id(self.0.as_ref()).map(CountryPlan)
    }
}

/// No national number is longer.
const MOST_NATIONAL_DIGITS: usize = 30;
const REWRITES: usize = 31;

/// What each calling code from 0 to 999 is for: bit 0 where some country has it, bit n where n digits can follow, the
/// last where its plan rewrites numbers rather than cut a prefix off. Worked out once, as every number is compared with it.
static CODES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let lengths = |code: u16| {
        let countries = DATABASE.by_code(&code).unwrap_or_default();
        let lengths = countries.into_iter().flat_map(|country| CountryPlan(country).lengths());
        lengths.fold(0, |bits, length| bits | 1 << length)
    };
    let rewrites = |code| CountryPlan::of(code).is_some_and(CountryPlan::rewrites);
    let exists = |code| u32::from(DATABASE.region(&code).is_some());
    (0..1000).map(|code| exists(code) | lengths(code) | u32::from(rewrites(code)) << REWRITES).collect()
});

fn bits(code: u16) -> u32 {
    CODES.get(usize::from(code)).copied().unwrap_or_default()
}

fn has(bits: u32, bit: usize) -> bool {
    u32::try_from(bit).is_ok_and(|bit| bits.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
}

/// The calling code at the beginning of `digits`, and what follows it. No code is the beginning of another.
pub(super) fn split(digits: &str) -> Option<(u16, &str)> {
    (1..=3).find_map(|length| {
        let (code, national) = digits.split_at_checked(length)?;
        let code = code.parse().ok()?;
        has(bits(code), 0).then_some((code, national))
    })
}

/// How many digits can follow a calling code, sorted. Several countries may share one.
pub(super) fn possible_lengths(code: u16) -> Vec<usize> {
    (1..=MOST_NATIONAL_DIGITS).filter(|length| has(bits(code), *length)).collect()
}

pub(super) fn is_possible(code: u16, national: &str) -> bool {
    !national.is_empty() && has(bits(code), national.len())
}

/// Whether a number of this length could become a possible one by its country's rules for prefixes: those cut digits off,
/// but in the few countries that rewrite. Answered without a look at the rules, which would cost a thousand times as much.
pub(super) fn may_be_mended(code: u16, length: usize) -> bool {
    let bits = bits(code);
    has(bits, REWRITES) || (1..length.min(MOST_NATIONAL_DIGITS + 1)).any(|shorter| has(bits, shorter))
}

/// The numbering plan of one country.
#[derive(Clone, Copy)]
pub(super) struct CountryPlan(&'static Metadata);

impl CountryPlan {
    /// The plan that reads the numbers of a calling code.
    pub(super) fn of(code: u16) -> Option<Self> {
        let countries = DATABASE.by_code(&code)?;
        let main = countries.iter().find(|country| country.is_main_country_for_code());
        main.or(countries.first()).map(|country| Self(country))
    }

    pub(super) fn code(self) -> u16 {
        self.0.country_code()
    }

    /// Whether long-distance numbers are dialled with a prefix of zero or more digits of which the first is 0.
    pub(super) fn has_zero_prefix(self) -> bool {
        self.0.national_prefix().is_some_and(|prefix| prefix.starts_with('0'))
    }

    pub(super) fn longest(self) -> usize {
        self.lengths().max().unwrap_or(0)
    }

    /// Whether national numbers can have this length.
    pub(super) fn is_possible(self, national: &str) -> bool {
        self.lengths().any(|length| length == national.len())
    }

    /// Whether this is a national number by its digits too.
    pub(super) fn is_match(self, national: &str) -> bool {
        // The general pattern is an alternative of patterns and can't be anchored from here: it may find the beginning
        // of a number that another alternative would take whole. The patterns of the kinds fill in.
        self.is_possible(national)
            && (takes(self.0.descriptors().general(), national)
                || self.kinds().any(|kind| takes(kind, national)))
    }

    fn rewrites(self) -> bool {
        self.0.national_prefix_transform_rule().is_some()
    }

    /// The kinds of numbers that can be called from abroad. Only they know lengths.
    fn kinds(self) -> impl Iterator<Item = &'static Descriptor> {
        let kinds = self.0.descriptors();
        let kinds = [
            kinds.fixed_line(),
            kinds.mobile(),
            kinds.toll_free(),
            kinds.shared_cost(),
            kinds.premium_rate(),
            kinds.personal_number(),
            kinds.voip(),
            kinds.pager(),
            kinds.uan(),
            kinds.voicemail(),
        ];
        kinds.into_iter().flatten()
    }

    /// Canada's 310-XXXX, of seven digits, cannot be called from abroad.
    fn lengths(self) -> impl Iterator<Item = usize> {
        let lengths = self.kinds().flat_map(Descriptor::possible_length).copied().map(usize::from);
        lengths.filter(move |length| self.code() != NORTH_AMERICA || *length == NORTH_AMERICAN_DIGITS)
    }

    /// `digits` after the prefix that is dialled for other countries; carriers may be named in it.
    pub(super) fn after_international_prefix(self, digits: &str) -> Option<&str> {
        let found = self.0.international_prefix()?.find(digits)?;
        (found.start() == 0).then(|| digits.get(found.end()..)).flatten()
    }

    /// `digits` without the prefix for long-distance calls and a carrier's code, as libphonenumber has it: a number
    /// that is one already is left alone unless what remains is one too.
    pub(super) fn without_national_prefix(self, digits: &str) -> Cow<'_, str> {
        let stripped = self.stripped(digits);
        match stripped {
            Some(stripped) if !self.is_match(digits) || self.is_match(&stripped) => Cow::Owned(stripped),
            Some(_) | None => Cow::Owned(digits.to_owned()),
        }
    }

    fn stripped(self, digits: &str) -> Option<String> {
        let Some(pattern) = self.0.national_prefix_for_parsing() else {
            return digits.strip_prefix(self.0.national_prefix()?).map(str::to_owned);
        };
        let groups = pattern.captures(digits)?;
        let prefix = groups.get(0).filter(|prefix| prefix.start() == 0 && prefix.end() > 0)?;
        let last = groups.get(groups.len().saturating_sub(1));
        match self.0.national_prefix_transform_rule() {
            Some(rule) if groups.len() > 1 && last.is_some() => {
                Some(pattern.replace(digits, rule).into_owned())
            }
            _ => digits.get(prefix.end()..).map(str::to_owned),
        }
    }
}

fn takes(descriptor: &Descriptor, national: &str) -> bool {
    let found = descriptor.national_number().find(national);
    found.is_some_and(|found| found.start() == 0 && found.end() == national.len())
}
