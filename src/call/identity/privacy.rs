//! Callers who withhold their number: the words for it, and what must then not be told.

use crate::call::Headers;

/// What carriers write for a number that is withheld or not known.
const ANONYMOUS: [&str; 20] = [
    "anonymous",
    "restricted",
    "unavailable",
    "unknown",
    "private",
    "withheld",
    "hidden",
    "blocked",
    "anonym",
    "not available",
    "not-available",
    "no number",
    "no caller id",
    "number withheld",
    "private number",
    "unknown number",
    "unknown caller",
    "anonymous caller",
    "coin line/payphone",
    "unassigned",
];

/// The same words on the keys of a telephone, for networks that carry digits only (Twilio, "Caller ID strings").
const SPELLED: [&str; 6] =
    ["+266696687", "+7378742833", "+17378742833", "+2562533", "+8656696", "+86282452253"];

/// Headers that name the caller, besides those that hold the number itself.
const NAMING: [&str; 12] = [
    "from",
    "f",
    "contact",
    "m",
    "p-asserted-identity",
    "p-preferred-identity",
    "remote-party-id",
    "reply-to",
    "call-info",
    "identity",
    "y",
    "p-charge-info",
];

/// The digits that a header must share with a withheld number to be taken for it: a subscriber's part.
const TELLING_DIGITS: usize = 7;

/// Whether `raw` says that there is no number: a number, a SIP user, or a whole `user@host`.
pub fn is_anonymous(raw: &str) -> bool {
    let raw = raw.trim();
    let address = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| {
        let (head, rest) = raw.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let user = address.unwrap_or(raw).split(['@', ';']).next().unwrap_or_default().trim_matches(['"', ' ']);
    let is_zeros = user.trim_start_matches('+').bytes().all(|b| b == b'0');
    is_zeros || ANONYMOUS.iter().any(|word| user.eq_ignore_ascii_case(word)) || SPELLED.contains(&user)
}

/// What the Privacy header asks for (RFC 3323, RFC 3325, RFC 7044).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Privacy {
    /// The caller's identity.
    pub(super) id: bool,
    pub(super) history: bool,
    /// Nothing: the identity may be told.
    pub(super) none: bool,
}

impl Privacy {
    pub(super) fn parse(value: &str) -> Self {
        let has = |wanted: &[&str]| {
            let mut words = value.split([';', ',', ' ', '\n']).map(|word| word.trim().trim_matches('"'));
            words.any(|word| wanted.iter().any(|wanted| word.eq_ignore_ascii_case(wanted)))
        };
        Self { id: has(&["id", "user", "full"]), history: has(&["history", "full"]), none: has(&["none"]) }
    }
}

/// A `privacy` parameter, of Remote-Party-ID or Diversion.
pub(super) fn is_asked_by(parameter: &str) -> bool {
    let mut words = parameter.split([';', ',', '-', ' ']);
    words.any(|word| ["full", "uri", "yes", "id"].iter().any(|asked| word.eq_ignore_ascii_case(asked)))
}

/// Takes out what names the caller: by its name, and by the number in it wherever a carrier has put it.
pub(super) fn hide_caller(headers: &mut Headers, numbers: &[String]) {
    let tails: Vec<_> = numbers.iter().filter_map(|number| tail(&digits(number))).collect();
    headers.retain(|name, value| {
        let digits = digits(value.reveal());
        !NAMING.contains(&name.as_str()) && !tails.iter().any(|tail| digits.contains(tail))
    });
}

pub(super) fn hide_diversion(headers: &mut Headers) {
    headers.retain(|name, _| !matches!(name.as_str(), "diversion" | "history-info"));
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The last digits of a number, which stay the same whatever prefix it is written with.
fn tail(digits: &str) -> Option<String> {
    let start = digits.len().checked_sub(TELLING_DIGITS)?;
    digits.get(start..).map(str::to_owned)
}
