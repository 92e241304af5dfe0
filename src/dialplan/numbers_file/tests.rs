use proptest::prelude::*;

use super::*;

const AGENTS: [&str; 2] = ["reception", "night"];

fn read_as(text: &str, country: Option<&str>) -> (Vec<String>, Vec<String>) {
    let country = country.map(|code| Country::parse(code).expect("a country"));
    let (entries, diagnostics) = read(text, &Path::new("n.csv").into(), country, &AGENTS);
    let entries = entries.iter().map(|entry| {
        let agent = entry.agent.map_or("-", |agent| AGENTS[usize::from(agent)]);
        format!("{} {} {agent}", entry.line, entry.e164().reveal())
    });
    (entries.collect(), diagnostics.iter().map(ToString::to_string).collect())
}

#[test]
fn numbers_stand_one_a_line_or_with_their_agent() {
    for (case, text, expected) in [
        ("one a line", "+15557770001\n+15557770002", vec!["1 +15557770001 -", "2 +15557770002 -"]),
        ("a header", "number\n+15557770001\n", vec!["2 +15557770001 -"]),
        ("a header of two", "\u{feff}Number,Agent\r\n+15557770001,night\r\n", vec!["2 +15557770001 night"]),
        ("comments", "# ours\n\n+15557770001 # front\n  # end", vec!["3 +15557770001 -"]),
        ("a header after comments", "# ours\nnumber,agent\n+15557770001,night", vec!["3 +15557770001 night"]),
        ("quotes", "\"number\",\"agent\"\n\"+1 555 777 0001\",\"night\"", vec!["2 +15557770001 night"]),
        ("no agent", "+15557770001,\n+15557770002,,\r\n", vec!["1 +15557770001 -", "2 +15557770002 -"]),
        ("marks", " +1 (555) 777-0001 , night ", vec!["1 +15557770001 night"]),
        ("national", "(555) 777-0001,reception", vec!["1 +15557770001 reception"]),
        ("the longest and the shortest", "+123456789012345\n+123", vec!["1 +123456789012345 -", "2 +123 -"]),
        ("nothing", "", vec![]),
    ] {
        let (entries, diagnostics) = read_as(text, Some("US"));
        assert_eq!(entries, expected, "{case}");
        assert_eq!(diagnostics, [""; 0], "{case}");
    }
}

#[test]
fn every_bad_line_is_named_with_what_was_found_and_what_is_accepted() {
    let text = "number,agent\n\
                number,agent\n\
                5557770001\n\
                +1234567890123456\n\
                +0555,night\n\
                +15557770001 x\n\
                reception,+15557770001\n\
                \"+15557770001\n\
                +15557770001,\"night\" x\n\
                +1 555 777 0001, recption\n\
                +15557770001,night,en\n\
                +15557770001,,en\n\
                ,night\n\
                +1555777*\n\
                +15557770001;night\n\
                1.5557770001E10\n";
    let number = "accepted: a number (+15557770001, or national with [numbers] country)";
    let columns = "accepted: number or number,agent";
    let agent = "accepted: the NAME of an [agent.NAME]";
    let none = "found something that is no number";
    let expected = [
        format!("n.csv:2:1: {none}; {number}"),
        format!("n.csv:3:1: found a national number, but the file names no country to read it by; {number}"),
        format!("n.csv:4:1: found digits that are no telephone number; {number}"),
        format!("n.csv:5:1: found digits that are no telephone number; {number}"),
        format!("n.csv:6:1: {none}; {number}"),
        format!("n.csv:7:1: {none}; {number}"),
        format!("n.csv:8:1: found a quote that does not end with its column; {columns}"),
        format!("n.csv:9:14: found a quote that does not end with its column; {columns}"),
        format!(
            "n.csv:10:18: found an agent that the tenant does not have, did you mean reception?; {agent}"
        ),
        format!("n.csv:11:20: found a third column; {columns}"),
        format!("n.csv:12:15: found a third column; {columns}"),
        format!("n.csv:13:1: {none}; {number}"),
        format!("n.csv:14:1: {none}; {number}"),
        format!("n.csv:15:1: {none}; {number}"),
        format!("n.csv:16:1: {none}; {number}"),
    ];
    let (entries, diagnostics) = read_as(text, None);
    assert_eq!(diagnostics, expected);
    assert_eq!(entries, [""; 0]);
}

#[test]
fn of_equal_numbers_the_first_stays() {
    let text = "+15557770001,night\n+15557770002\n+1 555 777 0001,night\n+15557770002,night\n+15557770003\n";
    let (entries, diagnostics) = read_as(text, None);
    assert_eq!(entries, ["1 +15557770001 night", "2 +15557770002 -", "5 +15557770003 -"]);
    let expected = [
        "n.csv:3:1: warning: found a number that line 1 has already",
        "n.csv:4:1: found a number that line 2 has with another agent; accepted: each number with one agent",
    ];
    assert_eq!(diagnostics, expected);
}

#[test]
fn a_thousand_faults_are_told_and_the_others_counted() {
    let repeated = "+15557770001\n".repeat(MOST_DIAGNOSTICS + 3);
    let (entries, diagnostics) = read_as(&repeated, None);
    assert_eq!((entries.len(), diagnostics.len()), (1, MOST_DIAGNOSTICS + 1));
    let last = "n.csv:1002:1: warning: found 2 more lines with something wrong, from here on; mend those above first";
    assert_eq!(diagnostics.last().map(String::as_str), Some(last));

    let (_, diagnostics) = read_as(&format!("{repeated}+15557770001,night\n"), None);
    let last = "n.csv:1002:1: found 3 more lines with something wrong, from here on; mend those above first";
    assert_eq!(
        diagnostics.last().map(String::as_str),
        Some(last),
        "an error among the unsaid makes them one"
    );
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let (entries, diagnostics) = read_as(&" ".repeat(LARGEST as usize + 1), None);
    assert_eq!(entries, [""; 0]);
    assert_eq!(diagnostics, ["n.csv: found more than 67108864 bytes; accepted: at most that many"]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in prop_oneof!["\\PC*", "([+0-9,\"# \r\n]|night){0,60}"]) {
        let (entries, diagnostics) = read_as(&text, Some("US"));
        prop_assert!(entries.len() + diagnostics.len() <= text.split('\n').count());
    }

    /// The quick way and the careful way must agree: a blank at the line's start makes it take the other.
    #[test]
    fn a_plain_line_is_read_as_any_other(line in "\\+?[0-9]{0,17}(,(night|reception|nobody|)?\r?)?") {
        let (quick, quick_faults) = read_as(&line, None);
        let (careful, careful_faults) = read_as(&format!(" {line}"), None);
        prop_assert_eq!(quick, careful);
        prop_assert_eq!(quick_faults.len(), careful_faults.len());
    }
}
