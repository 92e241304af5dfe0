use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::call::E164;
use crate::dialplan::Match;

fn parse(text: &str) -> Pattern {
    Pattern::parse(text, None).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn build(patterns: &[Pattern]) -> Index {
    Index::build(Vec::new(), patterns.iter().zip(0..))
}

#[test]
fn the_narrowest_pattern_is_found_first() {
    let texts = [
        "+1*",
        "+1555*",
        "+1555NXX*",
        "+1555888[0-4]XX",
        "+1555888[0-4]XX*",
        "+15558880001",
        "+1555888XXXX",
        "+[1-4]XX*",
        "'+15558880001'",
        "'2255'",
        "+447700900123",
        "+4477*",
        "+123*",
    ];
    let index = build(&texts.map(parse));
    let found = |called: &str| -> Vec<String> {
        let called = Number::read(called, None);
        index
            .candidates(&called)
            .map(|(kind, value)| format!("{} {}", kind.name(), texts[value as usize]))
            .collect()
    };
    for (called, expected) in [
        (
            "+15558880001",
            "exact '+15558880001', exact +15558880001, pattern +1555888[0-4]XX*, pattern +1555888XXXX, \
             pattern +1555NXX*, prefix +1555*, prefix +1*, pattern +[1-4]XX*",
        ),
        (
            "+1555888012",
            "pattern +1555888[0-4]XX, pattern +1555888[0-4]XX*, pattern +1555NXX*, prefix +1555*, prefix +1*, \
             pattern +[1-4]XX*",
        ),
        ("+15551", "prefix +1555*, prefix +1*, pattern +[1-4]XX*"),
        ("+123", "prefix +123*, prefix +1*, pattern +[1-4]XX*"),
        ("+1234", "prefix +123*, prefix +1*, pattern +[1-4]XX*"),
        ("2255", "exact '2255'"),
        ("+447700900123", "exact +447700900123, prefix +4477*, pattern +[1-4]XX*"),
        ("+4477009001234", "prefix +4477*, pattern +[1-4]XX*"),
        ("+999555", ""),
        ("nobody", ""),
        ("", ""),
    ] {
        assert_eq!(found(called).join(", "), expected, "{called}");
    }
}

#[test]
fn an_empty_index_finds_nothing() {
    let index = build(&[]);
    assert!(index.is_empty());
    assert_eq!(index.candidates(&Number::read("+15557770001", None)).next(), None);
}

#[test]
fn every_number_of_many_is_found_and_no_other() {
    let numbers = (0..50_000_u64).map(|n| 15_550_000_000 + n * 2);
    let index = Index::build(numbers.clone().zip(0..).collect(), []);
    assert_eq!(index.len(), 50_000);
    assert!(index.bytes() < 17 * 50_000, "{} bytes", index.bytes());
    let find = |number: u64| {
        let called = Number::read(&format!("+{number}"), None);
        index.candidates(&called).next()
    };
    for (number, value) in numbers.zip(0..) {
        assert_eq!(find(number), Some((Match::Exact, value)));
        assert_eq!(find(number + 1), None);
    }
    assert!(index.numbers.longest_walk() < 40, "{} buckets", index.numbers.longest_walk());
}

#[test]
fn an_index_never_shows_a_number() {
    let shown = format!("{:?}", build(&["+15557770001", "'555'", "+1555*"].map(parse)));
    assert_eq!(shown, "Index { len: 3, .. }");
}

#[test]
fn repeats_name_the_first_of_equal_numbers() {
    assert_eq!(repeats([7, 8, 7, 9, 8, 7].into_iter()), [(0, 2), (1, 4), (0, 5)]);
    assert_eq!(repeats([].into_iter()), []);
}

/// Literals, numbers, prefixes and patterns of few digits, so that they meet often.
fn pattern() -> impl Strategy<Value = Pattern> {
    let digit = || prop::sample::select(vec!["1", "2", "3"]);
    let place = prop::sample::select(vec!["1", "2", "3", "[12]", "[23]", "[1-3]", "X", "N"]);
    let first = prop_oneof![4 => digit(), 1 => prop::sample::select(vec!["[12]", "[23]", "Z"])];
    let digits = (prop::collection::vec(digit(), 0..=5), prop::collection::vec(place, 0..=3), any::<bool>());
    let of_digits = (first, digits).prop_filter_map("too short", |(first, (head, places, open))| {
        let star = if open { "*" } else { "" };
        Pattern::parse(&format!("+{first}{}{}{star}", head.concat(), places.concat()), None).ok()
    });
    let literal = "(\\+[123]{3,4}|[123]{1,3}|reception)".prop_map(|text| parse(&format!("'{text}'")));
    prop_oneof![8 => of_digits, 1 => literal]
}

fn call() -> impl Strategy<Value = Number> {
    let text = prop_oneof![8 => "\\+[123]{2,9}", 1 => "\\+[123]{14,16}", 1 => "[123]{1,3}", 1 => "reception"];
    text.prop_map(|text| Number::read(&text, None))
}

proptest! {
    #[test]
    fn candidates_agree_with_trying_and_sorting_every_pattern(
        patterns in prop::collection::hash_set(pattern(), 0..40),
        calls in prop::collection::vec(call(), 1..20),
    ) {
        let patterns: Vec<Pattern> = patterns.into_iter().collect();
        let index = build(&patterns);
        prop_assert_eq!(index.len(), patterns.len());
        for called in calls {
            let mut matching: Vec<_> = patterns
                .iter()
                .zip(0..)
                .filter(|(pattern, _)| pattern.matches(&called))
                .map(|(pattern, value)| (pattern.rank(), pattern.kind(), value))
                .collect();
            matching.sort_by_key(|(rank, _, _)| *rank);
            let found: Vec<_> = index.candidates(&called).collect();
            let ranks: Vec<_> = found.iter().map(|(_, value)| patterns[*value as usize].rank()).collect();
            prop_assert!(ranks.is_sorted(), "{}: {ranks:x?}", called.best());
            // Of equally narrow ones any order will do.
            let sorted = |mut found: Vec<(Match, u32)>| { found.sort_by_key(|(_, value)| *value); found };
            let expected = matching.into_iter().map(|(_, kind, value)| (kind, value)).collect();
            prop_assert_eq!(sorted(found), sorted(expected), "{}", called.best());
        }
    }

    #[test]
    fn the_order_of_building_is_of_no_account(
        patterns in prop::collection::hash_set(pattern(), 0..40),
        numbers in prop::collection::btree_set(400_u64..1000, 0..200),
        seed in any::<u64>(),
    ) {
        let patterns: Vec<(Pattern, u32)> = patterns.into_iter().zip(1..).collect();
        let numbers: Vec<(u64, u32)> = numbers.into_iter().zip(1..).collect();
        let index = |patterns: &[(Pattern, u32)], numbers: &[(u64, u32)]| {
            Index::build(numbers.to_vec(), patterns.iter().map(|(pattern, value)| (pattern, *value)))
        };
        let first = index(&patterns, &numbers);
        let by_seed = |n: u32| (u64::from(n) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (mut others, mut other_numbers) = (patterns.clone(), numbers.clone());
        others.sort_by_key(|(_, n)| by_seed(*n));
        other_numbers.sort_by_key(|(_, n)| by_seed(*n));
        prop_assert!(index(&others, &other_numbers) == first);

        if let Some((_, value)) = other_numbers.last_mut() {
            *value += 1;
            prop_assert!(index(&others, &other_numbers) != first, "another value, another index");
        }
    }

    #[test]
    fn repeats_agree_with_a_map(numbers in prop::collection::vec(100_u64..140, 0..60)) {
        let mut firsts = BTreeMap::new();
        let mut expected = Vec::new();
        for (at, number) in numbers.iter().enumerate() {
            let first = *firsts.entry(number).or_insert(at);
            if first != at {
                expected.push((first, at));
            }
        }
        prop_assert_eq!(repeats(numbers.iter().copied()), expected);
    }

    #[test]
    fn a_numbers_value_is_its_digits(digits in "[1-9][0-9]{2,14}") {
        let number = E164::parse(&format!("+{digits}")).expect("a number");
        prop_assert_eq!(number.value().to_string(), digits);
    }
}
