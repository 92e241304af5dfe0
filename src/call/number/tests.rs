use proptest::prelude::*;

use super::*;

#[test]
fn a_number_never_shows() {
    let number = Number::read("+15557770001", None);
    assert!(!format!("{number:?}").contains("555"));
}

#[test]
fn numbers_are_read_by_the_trunks_country() {
    let us = Country::parse("US");
    let de = Country::parse("DE");
    for (raw, country, expected) in [
        ("+15557770001", None, Some("+15557770001")),
        ("+1 (555) 777-0001", None, Some("+15557770001")),
        ("5557770001", us, Some("+15557770001")),
        ("15557770001", us, Some("+15557770001")),
        ("030 1234567", de, Some("+49301234567")),
        ("5557770001", None, None),
        ("reception", us, None),
        ("2255", us, None),
        ("", us, None),
        ("+", None, None),
        ("+0123456", None, None),
    ] {
        let read = Number::read(raw, country);
        assert_eq!(read.e164.as_ref().map(E164::reveal), expected, "{raw} in {country:?}");
        assert_eq!(read.raw.reveal(), raw, "the raw value is kept");
    }
}

#[test]
fn a_length_that_no_number_of_a_country_has_is_named() {
    for (number, expected) in [
        ("+12125550142", None),
        ("+1212555014", Some("9 digits after +1, not 10")),
        ("+493023125123", None),
        ("+4420794601234", Some("11 digits after +44, not 7 or 9 to 10")),
        ("+80012345678", None),
        ("+999123456", Some("a calling code that no country has")),
    ] {
        let number = E164::parse(number).expect("E.164");
        let wrong = number.wrong_length().map(|wrong| wrong.to_string());
        assert_eq!(wrong.as_deref(), expected, "{}", number.reveal());
    }
}

proptest! {
    #[test]
    fn no_text_is_ever_a_problem(
        raw in "([-+0-9 ().;:@%,x*#<>]|[0-9]{1,6}|sip:|tel:|;phone-context=\\+|ext|\\PC){0,12}",
        country in "US|GB|DE|IT|AR|MX|BR|RU|KZ|HK|SG|JP|CI|KR|AU|FI|IL|HU|AG|GA|SM",
        area in proptest::option::of("[1-9][0-9]{0,3}"),
        bare in proptest::bool::ANY,
    ) {
        let plan = NumberingPlan {
            country: Country::parse(&country),
            area_code: area.map(Into::into),
            international_prefix: Some("9011".into()),
            bare: if bare { Bare::International } else { Bare::National },
        };
        for plan in [plan, NumberingPlan::default()] {
            let number = plan.read(&raw);
            prop_assert_eq!(number.raw.reveal(), &raw);
            if let Some(e164) = &number.e164 {
                prop_assert!(E164::parse(e164.reveal()).is_some());
                // What was read reads the same again, so every place that reads it agrees.
                let again = plan.read(e164.reveal());
                prop_assert_eq!(again.e164.as_ref(), Some(e164));
                e164.wrong_length();
            }
        }
    }
}
