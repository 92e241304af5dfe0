use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Pattern {
    Pattern::parse(text, None).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn numbers_prefixes_patterns_and_literals_are_told_apart() {
    let exact = |number: &str| Pattern::Exact(E164::parse(number).expect("a number"));
    for (text, country, expected, kind) in [
        ("+1 555 777 0001", None, exact("+15557770001"), Match::Exact),
        (" +1 (555) 777-0001 ", None, exact("+15557770001"), Match::Exact),
        ("(555) 777-0001", Some("US"), exact("+15557770001"), Match::Exact),
        ("020 7946 0123", Some("GB"), exact("+442079460123"), Match::Exact),
        ("+44 (0)20 7946 0123", None, exact("+442079460123"), Match::Exact),
        ("+999 555 1234", None, exact("+9995551234"), Match::Exact),
        ("+1555[7][7-7]70001", None, exact("+15557770001"), Match::Exact),
        ("'reception'", None, Pattern::Literal("reception".into()), Match::Exact),
        ("'2255'", Some("US"), Pattern::Literal("2255".into()), Match::Exact),
        ("'it''s'", None, Pattern::Literal("it''s".into()), Match::Exact),
        ("+1 555-777 *", None, parse("+1555777*"), Match::Prefix),
        ("+1555[7]*", None, parse("+15557*"), Match::Prefix),
        ("+1 555 888 [0-4] XX", None, parse("+1555888[43210]XX"), Match::Pattern),
        ("+1555 NXX *", Some("US"), parse("+1555[2-9][0-9][0-9]*"), Match::Pattern),
        ("+[1-9]XX", None, parse("+ZXX"), Match::Pattern),
    ] {
        let country = country.map(|code| Country::parse(code).expect("a country"));
        let read = Pattern::parse(text, country);
        assert_eq!(read.as_ref(), Ok(&expected), "{text:?} in {country:?}");
        assert_eq!(read.map(|pattern| pattern.kind()), Ok(kind), "{text:?}");
    }
}

#[test]
fn what_is_no_pattern_says_why() {
    for (text, country, expected) in [
        ("555 777 0001", None, NotAPattern::NoCountry),
        ("1", Some("US"), NotAPattern::NotANumber),
        ("+0555", None, NotAPattern::NotANumber),
        ("555777*", Some("US"), NotAPattern::National),
        ("555NXX", Some("US"), NotAPattern::National),
        ("+44 (0)20*", Some("GB"), NotAPattern::National),
        ("*", None, NotAPattern::OnlyStar),
        ("+*", None, NotAPattern::OnlyStar),
        ("+1*555", None, NotAPattern::StarNotLast),
        ("+1555**", None, NotAPattern::StarNotLast),
        ("+1555.", None, NotAPattern::EndsWithDot),
        ("+1NXXNXX.", None, NotAPattern::EndsWithDot),
        ("+1555nxx", None, NotAPattern::SmallLetter),
        ("+1555[0-4", None, NotAPattern::OpenSet),
        ("+1555[0-", None, NotAPattern::OpenSet),
        ("+15550-4]", None, NotAPattern::NoSetOpen),
        ("+1555[]X", None, NotAPattern::EmptySet),
        ("+1555[-4]", None, NotAPattern::NotASet),
        ("+1555[0-]", None, NotAPattern::NotASet),
        ("+1555[0 4]", None, NotAPattern::NotASet),
        ("+1555[X]", None, NotAPattern::NotASet),
        ("+1555[4-0]", None, NotAPattern::ReversedRange),
        ("+0555*", None, NotAPattern::StartsWithZero),
        ("+XXX*", None, NotAPattern::StartsWithZero),
        ("+[0-4]XX*", None, NotAPattern::StartsWithZero),
        ("+1234567890123456*", None, NotAPattern::TooLong),
        ("+123456789012345X", None, NotAPattern::TooLong),
        ("+1X", None, NotAPattern::TooShort),
        ("''", None, NotAPattern::NotDigits),
        ("'", None, NotAPattern::NotDigits),
        ("ZEN-DESK", Some("US"), NotAPattern::NotDigits),
        ("NXX", Some("US"), NotAPattern::NotDigits),
        ("1-800-FLOWERS", Some("US"), NotAPattern::NotDigits),
        ("++1555", None, NotAPattern::NotDigits),
        ("+ ", None, NotAPattern::NotDigits),
        ("+()", None, NotAPattern::NotDigits),
        ("١٢٣٤٥٦٧", Some("EG"), NotAPattern::NotDigits),
        ("", None, NotAPattern::NotDigits),
    ] {
        let country = country.map(|code| Country::parse(code).expect("a country"));
        assert_eq!(Pattern::parse(text, country), Err(expected), "{text:?} in {country:?}");
    }
}

#[test]
fn equal_patterns_share_one_spelling() {
    for (text, expected) in [
        ("+1 555 777 0001", "+15557770001"),
        ("+1 555 888 [43210] XX", "+1555888[0-4]XX"),
        ("+1[0-9][1-9][2-9]*", "+1XZN*"),
        ("+1555[97531][01][5-6]", "+1555[13579][01][56]"),
        ("+1555[1235-7]X", "+1555[1-35-7]X"),
        ("'a name '", "'a name '"),
    ] {
        assert_eq!(parse(text).reveal(), expected, "{text}");
    }
}

#[test]
fn the_narrower_pattern_ranks_first() {
    let narrowest_first = [
        "'+15557770001'",
        "+15557770001",
        "+15557770001*",
        "+1555777000[01]",
        "+1555777000X",
        "+1555777000*",
        "+155577[5-9]X001",
        "+155577NXX01",
        "+155577XX001",
        "+1555*",
        "+155[5-7]7770001",
        "+1ZXXXXXXXXX",
        "+1*",
        "+[12]5557770001",
        "+Z*",
    ];
    let ranks = narrowest_first.map(|text| parse(text).rank());
    assert!(ranks.is_sorted_by(|one, next| one < next), "{ranks:x?}");
    let exact = parse("+15557770001");
    for text in narrowest_first {
        assert!(parse(text).overlaps(&exact), "{text}");
    }
}

#[test]
fn what_covers_what_minds_the_length_of_numbers() {
    for (one, other, overlaps, covers) in [
        // No number has fewer than 3 digits, so these are the same.
        ("+1XX*", "+1*", true, true),
        ("+1*", "+1XX*", true, true),
        ("+1XXX*", "+1*", true, false),
        // Nor has any more than 15.
        ("+1234567890123XX", "+1234567890123XX*", true, true),
        ("+12345678901234X*", "+12345678901234*", true, false),
        ("+1555XXX", "+1555XXXX", false, false),
        ("+1555*", "+1555XXXX", true, true),
        ("+15557770001", "+15557770001*", true, false),
        ("+123456789012345", "+123456789012345*", true, true),
        ("'+15557770001'", "+15557770001", true, false),
        ("+1555*", "'+15557770001'", true, true),
        ("+1555*", "'reception'", false, false),
        ("'reception'", "'reception'", true, true),
        ("'reception'", "'Reception'", false, false),
    ] {
        let (one, other) = (parse(one), parse(other));
        assert_eq!(one.overlaps(&other), overlaps, "{} and {}", one.reveal(), other.reveal());
        assert_eq!(other.overlaps(&one), overlaps, "{} and {}", other.reveal(), one.reveal());
        assert_eq!(one.covers(&other), covers, "{} over {}", one.reveal(), other.reveal());
    }
}

#[test]
fn a_pattern_never_shows_its_number() {
    for text in ["+15557770001", "+1555777*", "+1555[0-4]XX", "'15557770001'", "+1555[5"] {
        let shown = format!("{:?}", Pattern::parse(text, None));
        assert!(!shown.contains("555"), "{shown}");
    }
}

/// Of at most four places, over three kinds of digit: 1, 2, and all others. So a number of at most five digits of
/// 1, 2 and 3 stands for all that there are. With it the sizes of its places, 11 for the tail and 0 for the end.
fn few_digits() -> impl Strategy<Value = (Pattern, Vec<u32>)> {
    let first = prop::sample::select(vec![("1", 1), ("2", 1), ("[12]", 2), ("[13-9]", 8), ("Z", 9)]);
    let place =
        prop::sample::select(vec![("1", 1), ("2", 1), ("[12]", 2), ("[03-9]", 8), ("[2-90]", 9), ("X", 10)]);
    let places = (first, prop::collection::vec(place, 0..=3), any::<bool>());
    places.prop_filter_map("too short", |(first, others, open)| {
        let end = if open { ("*", 11) } else { ("", 0) };
        let (texts, sizes): (Vec<&str>, Vec<u32>) =
            [vec![first], others, vec![end]].concat().into_iter().unzip();
        Some((Pattern::parse(&format!("+{}", texts.concat()), None).ok()?, sizes))
    })
}

fn all_numbers() -> Vec<Number> {
    let longer = |texts: &[String]| -> Vec<String> {
        texts.iter().flat_map(|text| ["1", "2", "3"].map(|digit| format!("{text}{digit}"))).collect()
    };
    let mut texts = vec!["+".to_owned()];
    let mut numbers = Vec::new();
    for _ in 1..=5 {
        texts = longer(&texts);
        numbers
            .extend(texts.iter().map(|text| Number::read(text, None)).filter(|number| number.e164.is_some()));
    }
    numbers
}

proptest! {
    #[test]
    fn what_is_revealed_is_read_as_the_same(text in "\\+[1-9Z]([0-9XZN]|\\[[0-9]{1,4}\\]){2,13}\\*?") {
        let pattern = parse(&text);
        prop_assert_eq!(parse(&pattern.reveal()), pattern);
    }

    #[test]
    fn ranks_follow_the_first_place_that_differs(one in few_digits(), other in few_digits()) {
        let ((one, sizes), (other, other_sizes)) = (one, other);
        let differing = sizes.iter().zip(&other_sizes).find(|(one, other)| one != other);
        let expected = differing.map_or(Ordering::Equal, |(one, other)| one.cmp(other));
        prop_assert_eq!(one.rank().cmp(&other.rank()), expected, "{} and {}", one.reveal(), other.reveal());
    }

    #[test]
    fn overlaps_and_covers_agree_with_trying_every_number(
        (one, _) in few_digits(),
        (other, _) in few_digits(),
    ) {
        let numbers = all_numbers();
        let both = numbers.iter().any(|number| one.matches(number) && other.matches(number));
        prop_assert_eq!(one.overlaps(&other), both, "{} and {}", one.reveal(), other.reveal());
        let all = numbers.iter().all(|number| one.matches(number) || !other.matches(number));
        prop_assert_eq!(one.covers(&other), all, "{} over {}", one.reveal(), other.reveal());
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in prop_oneof!["\\PC*", "[+*XZNx0-9\\[\\]' ().-]{0,24}", "\\+[0-9XN\\[\\]-]{0,20}\\*?"]
    ) {
        for country in [None, Country::parse("US"), Country::parse("IT")] {
            if let Ok(pattern) = Pattern::parse(&text, country) {
                prop_assert_eq!(Pattern::parse(&pattern.reveal(), None), Ok(pattern));
            }
        }
    }
}
