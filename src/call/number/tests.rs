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
