//! A folder over time.

use super::*;
use crate::document::{Diagnostic, Place};

fn set_of(set: &mut Set, files: &[(&str, u64, String)]) -> Loaded {
    let sources: Vec<_> = files.iter().map(|(name, age, text)| source(name, *age, text)).collect();
    set.take(&sources, Vec::new(), &secrets(), NOW)
}

fn winner(loaded: &Loaded, called: &str) -> Option<String> {
    goes_to(&loaded.dialplan, called).map(|text| text.split('/').next().unwrap().to_owned())
}

#[test]
fn a_bad_file_keeps_its_last_good_version_and_no_number_goes_to_another() {
    let one = tenant_file("one", "+15550000001", "");
    let two = tenant_file("two", "+15550000002", "");
    let broken = tenant_file("one", "+15550000001", "colour = 1\n");
    let greedy = tenant_file("two", "+15550000001", "");
    let mut set = Set::default();

    let loaded = set_of(&mut set, &[("a.toml", 9, one.clone()), ("b.toml", 9, two.clone())]);
    assert!(!loaded.has_errors(), "{:?}", lines(&loaded));

    // The broken file is the newest of all, and still the one that has the number.
    let loaded = set_of(&mut set, &[("a.toml", 1, broken.clone()), ("b.toml", 2, greedy.clone())]);
    assert_eq!(winner(&loaded, "+15550000001").as_deref(), Some("one"));
    assert_eq!(winner(&loaded, "+15550000002").as_deref(), Some("two"), "held back as a whole");
    assert_eq!((loaded.kept, loaded.files, loaded.dialplan.tenants()), (2, 2, 2), "{:?}", lines(&loaded));

    // A third that comes new wants what two has in force.
    let third = tenant_file("three", "+15550000002", "");
    let loaded = set_of(
        &mut set,
        &[("a.toml", 1, broken.clone()), ("b.toml", 2, greedy.clone()), ("c.toml", 50, third.clone())],
    );
    assert_eq!(winner(&loaded, "+15550000002").as_deref(), Some("two"));

    // One gives the number up: two gets it, and three what two has left.
    let moved = tenant_file("one", "+15550000003", "");
    let all = [("a.toml", 0, moved), ("b.toml", 2, greedy), ("c.toml", 50, third)];
    set_of(&mut set, &all);
    let loaded = set_of(&mut set, &all);
    let winners = ["+15550000001", "+15550000002", "+15550000003"].map(|number| winner(&loaded, number));
    assert_eq!(winners.map(Option::unwrap), ["two", "three", "one"], "{:?}", lines(&loaded));
    assert!(!loaded.has_errors() && loaded.kept == 0, "{:?}", lines(&loaded));

    let loaded = set_of(&mut set, &[("a.toml", 0, broken)]);
    assert_eq!((winner(&loaded, "+15550000003").as_deref(), loaded.dialplan.tenants()), (Some("one"), 1));
    let loaded = set_of(&mut set, &[]);
    assert_eq!(loaded.dialplan.tenants(), 0, "a file that is gone is gone");
}

#[test]
fn what_cannot_be_read_for_the_moment_stays_in_force() {
    let one = tenant_file("one", "+15550000001", "");
    let two = tenant_file("two", "+15550000002", "");
    let mut set = Set::default();
    set_of(&mut set, &[("plans/a.toml", 9, one.clone()), ("plans/b.toml", 9, two)]);
    for unreadable in ["plans/b.toml", "plans"] {
        let place = Place::Whole(Path::new(unreadable).into());
        let sources = if unreadable == "plans" { Vec::new() } else { vec![source("plans/a.toml", 9, &one)] };
        let loaded = set.take(&sources, vec![Diagnostic::error(place, "cannot be read")], &secrets(), NOW);
        assert_eq!(loaded.dialplan.tenants(), 2, "{unreadable}");
        assert!(loaded.has_errors());
    }
}

#[test]
fn a_tenants_own_file_may_change_whoever_else_takes_its_name() {
    let one = |number: &str| tenant_file("one", number, "");
    let mut set = Set::default();
    set_of(&mut set, &[("a.toml", 9, one("+15550000001"))]);
    // The copy is the older by its date.
    let loaded = set_of(&mut set, &[("a.toml", 1, one("+15550000002")), ("b.toml", 50, one("+15550000003"))]);
    assert_eq!(winner(&loaded, "+15550000002").as_deref(), Some("one"), "{:?}", lines(&loaded));
    assert_eq!(winner(&loaded, "+15550000003"), None);
}

#[test]
fn nobody_is_held_back_for_what_is_held_back_itself() {
    let mut set = Set::default();
    let one = tenant_file("one", "+15550000001", "");
    let two = tenant_file("two", "+15550000002", "");
    set_of(&mut set, &[("a.toml", 9, one.clone()), ("b.toml", 9, two)]);
    // Two wants one's number and a free one; three wants the free one alone.
    let greedy = tenant_file("two", "+15550000001', '+15550000003", "");
    let three = tenant_file("three", "+15550000003", "");
    let loaded = set_of(&mut set, &[("a.toml", 9, one), ("b.toml", 5, greedy), ("c.toml", 1, three)]);
    let winners = ["+15550000001", "+15550000002", "+15550000003"].map(|number| winner(&loaded, number));
    assert_eq!(winners.map(Option::unwrap), ["one", "two", "three"], "{:?}", lines(&loaded));
}

proptest! {
    /// Three tenants own a number each and fight over a fourth, in files that break now and then. Whoever has a number
    /// keeps it until its own file gives it up.
    #[test]
    fn nobody_loses_a_number_to_anothers_edit(
        edits in prop::collection::vec((0_usize..3, 0_u8..4), 1..40),
    ) {
        let own = |tenant: usize| format!("+1555000000{}", tenant + 1);
        let text = |tenant: usize, edit: u8| {
            let called = match edit {
                0 => format!("'{}'", own(tenant)),
                1 => format!("'{}', '+15550000009'", own(tenant)),
                2 => format!("'{}', '+1555000000{}'", own(tenant), (tenant + 1) % 3 + 1),
                _ => "'nonsense'".to_owned(),
            };
            format!("tenant = 't{tenant}'\n[[route]]\nid = 'r'\ncalled = [{called}]\n")
        };
        let mut set = Set::default();
        let mut files: Vec<_> =
            (0..3).map(|tenant| (["a.toml", "b.toml", "c.toml"][tenant], 100, text(tenant, 0))).collect();
        set_of(&mut set, &files);
        let mut fought_over = None;
        for (at, (tenant, edit)) in edits.into_iter().enumerate() {
            files[tenant] = (files[tenant].0, 99 - at as u64, text(tenant, edit));
            let loaded = set_of(&mut set, &files);
            for tenant in 0..3 {
                prop_assert_eq!(winner(&loaded, &own(tenant)), Some(format!("t{tenant}")), "edit {}", at);
            }
            let holder = winner(&loaded, "+15550000009");
            if let Some(before) = fought_over && holder.as_ref() != Some(&before) {
                prop_assert_eq!(&before, &format!("t{tenant}"), "only its holder's own edit takes it away");
            }
            fought_over = holder;
        }
    }
}
