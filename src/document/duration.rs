use std::time::Duration;

/// A length of time as people write it: `30m`, `1h30m`, `90s`, `500ms`. Hours, minutes and seconds, each at most once
/// and in that order; or milliseconds alone.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(count) = text.strip_suffix("ms") {
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        return count.parse().ok().filter(|_| digits).map(Duration::from_millis);
    }
    let mut rest = text;
    let mut seconds: u64 = 0;
    for (unit, length) in [('h', 3600), ('m', 60), ('s', 1)] {
        let Some((count, after)) = rest.split_once(unit) else { continue };
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part = count.parse::<u64>().ok()?.checked_mul(length)?;
        seconds = seconds.checked_add(part)?;
        rest = after;
    }
    (rest.is_empty() && !text.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_are_read_in_that_order() {
        for (text, seconds) in [
            ("30m", Some(1800)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("1h0m5s", Some(3605)),
            ("0s", Some(0)),
            ("", None),
            ("30", None),
            ("30m1h", None),
            ("1m1m", None),
            ("m", None),
            ("1.5h", None),
            ("-1s", None),
            ("+1s", None),
            ("1h 30m", None),
            ("1h30ms", None),
            ("+1ms", None),
            ("ms", None),
            ("18446744073709551615h", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_duration(text), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1500)));
    }
}
