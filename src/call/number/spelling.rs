//! From what was written to digits: URIs, punctuation, letters on the keys of a telephone.

use std::borrow::Cow;
use std::net::Ipv4Addr;

/// Longer texts are not numbers.
const LONGEST: usize = 256;
/// Digits before the letters of a vanity number, `1-800-FLOWERS`: without them it is a name.
const BEFORE_LETTERS: usize = 3;

/// The digits of a number, as they would be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Spelling {
    /// International form: the digits begin with a calling code.
    pub(super) plus: bool,
    pub(super) digits: String,
    /// Some of the digits were letters.
    pub(super) letters: bool,
    /// The digits of a global `phone-context` (RFC 3966), which the number continues.
    pub(super) context: Option<String>,
}

/// `None` for what is not a number: a name, an address, a service code with `*` or `#`.
pub(super) fn spell(raw: &str) -> Option<Spelling> {
    if raw.len() > LONGEST {
        return None;
    }
    let (written, parameters) = user_of(raw)?;
    let context = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let global = value.trim_matches('"').strip_prefix('+')?;
        name.eq_ignore_ascii_case("phone-context").then(|| dial(global))?
    });
    let spelling = dial(&written)?;
    Some(Spelling { context: context.map(|context| context.digits), ..spelling })
}

/// The number in `tel:`, `sip:` and `sips:` URIs, in `user@host`, in `Name <uri>`, or all of it; and the parameters
/// that follow it.
fn user_of(raw: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = match raw.split_once('<') {
        Some((_, address)) => address.split('>').next().unwrap_or_default(),
        None => raw,
    };
    let text = text.trim();
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if ["tel", "sip", "sips"].iter().any(|s| scheme.eq_ignore_ascii_case(s)) => {
            (Some(scheme), rest)
        }
        _ => (None, text),
    };
    let (user, has_host) = match rest.rsplit_once('@') {
        Some((user, _host)) => (user, true),
        None => (rest, false),
    };
    let (number, parameters) = user.split_once(';').unwrap_or((user, ""));
    let number = number.split(if has_host { ':' } else { '?' }).next().unwrap_or_default();
    let is_uri = has_host || scheme.is_some();
    let number = if is_uri { unescape(number) } else { Cow::Borrowed(number) };
    // A SIP URI without a user names a host, which may be all digits and dots.
    let is_host = !has_host && scheme.is_some_and(|s| !s.eq_ignore_ascii_case("tel")) && number.contains('.');
    (!is_host && number.trim().parse::<Ipv4Addr>().is_err()).then_some((number, parameters))
}

/// Resolves `%2B` and its like.
pub(in crate::call) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped =
            (*first == b'%').then(|| after.split_at_checked(2)).flatten().and_then(|(hex, after)| {
                let hex =
                    str::from_utf8(hex).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
                Some((u8::from_str_radix(hex, 16).ok()?, after))
            });
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn dial(written: &str) -> Option<Spelling> {
    let mut spelled = Spelling::default();
    for (at, char) in written.char_indices() {
        if let Some(digit) = digit(char) {
            spelled.digits.push(digit);
        } else if matches!(char, '+' | '\u{FF0B}') {
            // A second one is a slip, but one behind digits begins another number.
            if !spelled.digits.is_empty() {
                return None;
            }
            spelled.plus = true;
        } else if !spelled.digits.is_empty() && begins_extension(written.get(at..).unwrap_or_default()) {
            break;
        } else if let Some(key) = key(char) {
            if spelled.digits.len() < BEFORE_LETTERS {
                return None;
            }
            spelled.letters = true;
            spelled.digits.push(key);
        } else if !is_separator(char) {
            return None;
        }
    }
    (!spelled.digits.is_empty()).then_some(spelled)
}

/// ASCII, full-width, and the two rows of Arabic digits.
fn digit(char: char) -> Option<char> {
    let value = [0x30, 0xFF10, 0x0660, 0x06F0].into_iter().find_map(|zero| {
        let value = u32::from(char).checked_sub(zero)?;
        (value < 10).then_some(value)
    })?;
    char::from_digit(value, 10)
}

/// The key of a telephone that bears this letter (ITU-T E.161).
fn key(char: char) -> Option<char> {
    let key = match char.to_ascii_uppercase() {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        _ => return None,
    };
    Some(key)
}

/// Visual separators (RFC 3966, ITU-T E.123), the dashes and spaces of typeset text, and the marks of writing
/// direction that come with a number copied from a screen.
fn is_separator(char: char) -> bool {
    char.is_whitespace()
        || matches!(char,
            '-' | '.' | '/' | '(' | ')' | '[' | ']' | '~' | '\u{00AD}' | '\u{200B}'..='\u{200F}'
            | '\u{2010}'..='\u{2015}' | '\u{202A}'..='\u{202E}' | '\u{2053}' | '\u{2060}'
            | '\u{2066}'..='\u{2069}' | '\u{2212}' | '\u{223C}' | '\u{30FC}' | '\u{FEFF}' | '\u{FF08}' | '\u{FF09}'
            | '\u{FF0D}'..='\u{FF0F}' | '\u{FF5E}')
}

/// `ext. 12`, `x12`, and a pause: what is dialled after the answer.
fn begins_extension(rest: &str) -> bool {
    let lower = rest.to_ascii_lowercase();
    let after = ["extension", "extn", "ext", "x", ","].iter().find_map(|word| lower.strip_prefix(word));
    after.is_some_and(|after| {
        let after = after.trim_start_matches(['.', ':', ' ', ',', '=']);
        !after.is_empty() && after.len() <= 10 && after.bytes().all(|b| b.is_ascii_digit())
    })
}
