//! Numbers and headers of the world's carriers: `fixtures/numbers.csv`.

use std::collections::BTreeSet;

use dialplane::call::identity::{self, Parties};
use dialplane::call::{Bare, Caller, Country, E164, Headers, Number, TrunkRules, Withheld};

const ROWS: &str = include_str!("../../fixtures/numbers.csv");

struct Row<'a> {
    line: usize,
    country: &'a str,
    trunk: &'a str,
    fact: &'a str,
    raw: &'a str,
    expected: Option<&'a str>,
}

fn rows() -> Vec<Row<'static>> {
    let lines = ROWS.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|(at, line)| {
        let fields: Vec<&str> = line.split('|').map(|field| field.trim_matches(' ')).collect();
        let [country, trunk, fact, raw, expected, why] = fields[..] else {
            panic!("line {}: {line}", at + 1)
        };
        assert!(!why.is_empty(), "line {}: every row says why", at + 1);
        let expected = Some(expected).filter(|expected| *expected != "-");
        Row { line: at + 1, country, trunk, fact, raw, expected }
    });
    rows.collect()
}

impl Row<'_> {
    fn rules(&self) -> TrunkRules {
        let mut rules = TrunkRules::default();
        rules.numbers.country =
            (self.country != "-").then(|| Country::parse(self.country).expect("a country"));
        for setting in self.trunk.split_whitespace() {
            match setting.split_once('=') {
                Some(("area", digits)) => rules.numbers.area_code = Some(digits.into()),
                Some(("idd", digits)) => rules.numbers.international_prefix = Some(digits.into()),
                Some(("bare", "international")) => rules.numbers.bare = Bare::International,
                None if setting == "trusted" => rules.trusted = true,
                None if setting == "show" => rules.withheld = Withheld::Show,
                _ => panic!("line {}: no setting {setting}", self.line),
            }
        }
        rules
    }

    fn parties(&self) -> Parties {
        let headers: Headers = self
            .raw
            .split('¦')
            .map(|header| header.trim().split_once(": ").expect("a header"))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        identity::identify(None, None, headers, &self.rules())
    }

    fn read(&self) -> Option<String> {
        let e164 = |number: &Number| number.e164.as_ref().map(|number| number.reveal().to_owned());
        match self.fact {
            "called" => {
                let number = self.rules().numbers.read(self.raw);
                assert_eq!(number.raw.reveal(), self.raw, "line {}: the raw text is kept", self.line);
                e164(&number)
            }
            "diverted" => self.parties().diverter.and_then(|by| e164(&by.number)),
            "caller" => match &self.parties().caller {
                Caller::Number(number) => e164(number),
                Caller::Anonymous => Some("anonymous".to_owned()),
            },
            "name" => self.parties().caller_name.map(|name| name.reveal().clone()),
            "verified" => self.parties().verified.map(|verified| verified.to_string()),
            fact => panic!("line {}: no fact {fact}", self.line),
        }
    }
}

#[test]
fn numbers_and_headers_of_the_worlds_carriers_are_read_right() {
    let rows = rows();
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let read = row.read();
            let Row { line, country, trunk, fact, raw, expected } = row;
            (read.as_deref() != *expected).then(|| {
                format!("line {line}: {country} {trunk} {fact} {raw:?} is {read:?}, not {expected:?}")
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_rows_cover_200_cases_of_30_countries() {
    let rows = rows();
    let countries: BTreeSet<_> =
        rows.iter().map(|row| row.country).filter(|country| *country != "-").collect();
    let headers = rows.iter().filter(|row| row.fact != "called").count();
    assert!(rows.len() >= 300 && countries.len() >= 40 && headers >= 50);
}

#[test]
fn what_was_read_has_a_possible_length_and_stays_itself() {
    for row in rows().iter().filter(|row| row.fact == "called") {
        let Some(number) = row.expected.and_then(E164::parse) else { continue };
        let again = row.rules().numbers.read(number.reveal()).e164;
        assert_eq!(again.as_ref(), Some(&number), "line {}", row.line);
        if !row.raw.starts_with("+999") && row.country != "GA" {
            assert_eq!(number.wrong_length(), None, "line {}", row.line);
        }
    }
}
