//! How the numbers on a trunk, or in a file, are read.

use std::sync::Arc;

use super::country::{Country, CountryPlan, is_possible, may_be_mended, split};
use super::spelling::{Spelling, spell};
use super::{E164, Number};

/// Fewer digits than a subscriber number has are a short code (`911`, `116117`), unless a prefix says otherwise.
const SUBSCRIBER_DIGITS: usize = 7;
/// No local number is longer, so with more digits a calling code may be among them.
const LOCAL_DIGITS: std::ops::RangeInclusive<usize> = 5..=8;
/// The prefix that ITU-T E.164 recommends. Carriers use it also where telephones don't.
const USUAL_INTERNATIONAL_PREFIX: &str = "00";

/// What turns the numbers of one place into E.164.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberingPlan {
    /// Whose plan reads national numbers.
    pub country: Option<Country>,
    /// Digits put before local numbers, those without any prefix: `30` in Berlin.
    pub area_code: Option<Arc<str>>,
    /// What precedes a calling code; else the country's own, and `00`.
    pub international_prefix: Option<Arc<str>>,
    /// How digits without any prefix are meant.
    pub bare: Bare,
}

/// Digits with neither `+` nor a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bare {
    /// National or local, or else the country's own calling code and a national number.
    #[default]
    National,
    /// E.164 of any country, its `+` left out.
    International,
}

impl NumberingPlan {
    /// Reads what a carrier or a person wrote. Never fails: what cannot be read keeps its raw text alone (a short
    /// code, letters, a SIP user name).
    pub fn read(&self, raw: &str) -> Number {
        let e164 = plain(raw).or_else(|| spell(raw).and_then(|spelling| self.e164(&spelling)));
        Number { raw: raw.into(), e164 }
    }

    /// Whether these digits behind a `+` are a number as they stand: reading would take nothing out.
    pub fn is_plain(digits: &str) -> bool {
        split(digits).is_none_or(|(code, national)| !needs_mending(code, national))
    }

    fn e164(&self, spelling: &Spelling) -> Option<E164> {
        let digits = spelling.digits.as_str();
        if spelling.plus {
            return after_plus(digits, spelling.letters);
        }
        if let Some(context) = &spelling.context {
            return international(&format!("{context}{digits}"));
        }
        if let Some(number) = self.abroad(digits) {
            return Some(number);
        }
        if self.bare == Bare::International
            && digits.len() >= SUBSCRIBER_DIGITS
            && let Some(number) = international(digits)
        {
            return Some(number);
        }
        self.at_home(digits)
    }

    /// Behind an international prefix.
    fn abroad(&self, digits: &str) -> Option<E164> {
        let own = self.international_prefix.as_deref().and_then(|prefix| digits.strip_prefix(prefix));
        let plan = self.country.and_then(Country::plan);
        let countrys = plan.and_then(|plan| plan.after_international_prefix(digits));
        let usual = digits.strip_prefix(USUAL_INTERNATIONAL_PREFIX);
        [own, countrys, usual].into_iter().flatten().find_map(international)
    }

    fn at_home(&self, digits: &str) -> Option<E164> {
        let plan = self.country?.plan()?;
        let national = self
            .local(plan, digits)
            .or_else(|| without_own_code(plan, digits))
            .or_else(|| national(plan, digits))?;
        E164::parse(&format!("+{}{national}", plan.code()))
    }

    /// A number of the trunk's own area. Service numbers begin with 1, and no local number does but Argentina's
    /// mobiles, whose 15 the country's plan reads.
    fn local(&self, plan: CountryPlan, digits: &str) -> Option<String> {
        let area = self.area_code.as_deref()?;
        let is_argentine_mobile = plan.code() == ARGENTINA && digits.starts_with("15");
        let may_be = LOCAL_DIGITS.contains(&digits.len()) && !digits.starts_with(['0', '1']);
        if !may_be && !is_argentine_mobile {
            return None;
        }
        let national = plan.without_national_prefix(&format!("{area}{digits}")).into_owned();
        plan.is_match(&national).then_some(national)
    }
}

/// The spelling that needs no work and takes no lock.
fn plain(raw: &str) -> Option<E164> {
    let digits = raw.strip_prefix('+')?;
    E164::parse(raw).filter(|_| NumberingPlan::is_plain(digits))
}

const ARGENTINA: u16 = 54;
const MEXICO: u16 = 52;

/// Whether a national prefix may have slipped in between the calling code and the number.
fn needs_mending(code: u16, national: &str) -> bool {
    let is_odd = national.starts_with('0') || !is_possible(code, national);
    matches!(code, ARGENTINA | MEXICO) || is_odd && may_be_mended(code, national.len())
}

/// Behind a `+`, what can't be mended is still taken at its word: new numbers are older than their metadata.
fn after_plus(digits: &str, has_letters: bool) -> Option<E164> {
    let prefixed = digits.strip_prefix("00").or_else(|| digits.strip_prefix("011"));
    if let Some(digits) = prefixed {
        return international(digits);
    }
    let possible = international(digits);
    if has_letters { possible } else { possible.or_else(|| E164::parse(&format!("+{digits}"))) }
}

/// A calling code and a national number of a length that its country has.
fn international(digits: &str) -> Option<E164> {
    let (code, national) = split(digits)?;
    let national = if needs_mending(code, national) { mended(code, national) } else { national.to_owned() };
    let number = E164::parse(&format!("+{code}{national}"))?;
    is_possible(code, &national).then_some(number)
}

/// `+44 (0)20 ...`, `+54 11 15 ...`, `+52 1 ...`.
fn mended(code: u16, national: &str) -> String {
    if code == MEXICO {
        return without_mexican_prefix(national).to_owned();
    }
    let stripped = CountryPlan::of(code).map(|plan| plan.without_national_prefix(national));
    match stripped {
        Some(stripped) if is_possible(code, &stripped) => stripped.into_owned(),
        Some(_) | None => national.to_owned(),
    }
}

/// The prefixes that Mexico gave up in 2019 (IFT, Plan de Numeracion): 1 from abroad to mobiles, 01, 044 and 045 at
/// home. The metadata has forgotten them; switches have not.
fn without_mexican_prefix(digits: &str) -> &str {
    let prefixes = ["1", "01", "044", "045"].into_iter();
    prefixes.filter_map(|prefix| digits.strip_prefix(prefix)).find(|rest| rest.len() == 10).unwrap_or(digits)
}

/// The country's own number in international form, its `+` left out. Where that could be a national number as well,
/// the prefix that national numbers have there decides: this one has none.
fn without_own_code(plan: CountryPlan, digits: &str) -> Option<String> {
    let rest = digits.strip_prefix(&plan.code().to_string())?;
    let national = mended(plan.code(), rest);
    (plan.is_match(&national) && (plan.has_zero_prefix() || !plan.is_match(digits))).then_some(national)
}

fn national(plan: CountryPlan, digits: &str) -> Option<String> {
    let national = match plan.code() {
        MEXICO => without_mexican_prefix(digits).to_owned(),
        _ => plan.without_national_prefix(digits).into_owned(),
    };
    let has_prefix = national != digits;
    let is_long = national.len() >= SUBSCRIBER_DIGITS.min(plan.longest());
    let is_number =
        if has_prefix { plan.is_possible(&national) } else { is_long && plan.is_match(&national) };
    is_number.then_some(national)
}
