//! The headers of a call that its dialplan and its backend may use.

use std::collections::BTreeMap;

use crate::pii::Redacted;

/// SIP headers by lower-case name. Values may hold numbers, so they are never shown.
pub type Headers = BTreeMap<String, Redacted<String>>;

/// Of the way and of the message itself: nothing that a dialplan or a backend could use. A call does not have them.
const PLUMBING: [&str; 15] = [
    "via",
    "route",
    "record-route",
    "contact",
    "call-id",
    "cseq",
    "max-forwards",
    "content-length",
    "content-type",
    "allow",
    "supported",
    "require",
    "authorization",
    "proxy-authorization",
    "session-expires",
];
const MOST: usize = 64;
const NAME_MAX: usize = 64;
const VALUE_MAX: usize = 1024;

/// What a header comes to that is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    First,
    /// Several lines are one list.
    Join,
}

/// The headers that a call has of those its ingress was `told`, by name and value: at most so many and so long. What exceeds
/// is left out whole.
pub fn admitted<'h>(told: impl IntoIterator<Item = (&'h str, &'h str)>, repeated: Repeated) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in told {
        let name = name.to_ascii_lowercase();
        let fits = (1..=NAME_MAX).contains(&name.len()) && value.len() <= VALUE_MAX;
        if !fits || PLUMBING.contains(&name.as_str()) {
            continue;
        }
        let has_room = headers.len() < MOST;
        match (headers.get_mut(&name), repeated) {
            (None, _) if has_room => _ = headers.insert(name, value.into()),
            (Some(known), Repeated::Join) => {
                let joined = format!("{}, {value}", known.reveal());
                if joined.len() <= VALUE_MAX {
                    *known = joined.into();
                }
            }
            (Some(_), Repeated::First) | (None, _) => {}
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(told: &[(&str, &str)], repeated: Repeated) -> Vec<(String, String)> {
        let shown = |(name, value): (String, Redacted<String>)| (name, value.reveal().clone());
        admitted(told.iter().copied(), repeated).into_iter().map(shown).collect()
    }

    #[test]
    fn names_are_in_lower_case_and_the_messages_own_headers_are_left_out() {
        let told =
            [("X-Campaign", "spring"), ("Via", "SIP/2.0/UDP a"), ("", "nameless"), ("FROM", "<sip:a@b>")];
        let expected = [("from", "<sip:a@b>"), ("x-campaign", "spring")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all(&told, Repeated::First), expected);
    }

    #[test]
    fn a_header_that_is_there_again_is_passed_over_or_joined_as_far_as_it_fits() {
        let long = "x".repeat(VALUE_MAX - 4);
        let told = [("a", "1"), ("A", "2"), ("a", &long), ("a", "3")];
        for (repeated, expected) in [(Repeated::First, "1"), (Repeated::Join, "1, 2, 3")] {
            assert_eq!(all(&told, repeated), [("a".to_owned(), expected.to_owned())]);
        }
    }

    #[test]
    fn headers_are_bounded_in_number_and_length() {
        let (long_name, long_value) = ("n".repeat(NAME_MAX + 1), "v".repeat(VALUE_MAX + 1));
        let many: Vec<String> = (0..MOST + 10).map(|n| format!("x-{n:03}")).collect();
        let too_long = [(long_name.as_str(), "v"), ("a-long", long_value.as_str())];
        let told: Vec<(&str, &str)> =
            too_long.into_iter().chain(many.iter().map(|name| (name.as_str(), "v"))).collect();
        for repeated in [Repeated::First, Repeated::Join] {
            let names: Vec<String> = all(&told, repeated).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, many[..MOST], "the first so many that fit");
        }
    }
}
