//! Session timers (RFC 4028): a call that nobody refreshes in time is over, however its end was lost.
//!
//! We ask for none ourselves, as a caller who is gone is noticed by its silence. Where the caller asks for one, the caller
//! refreshes if it can; where it wants us to, we do with UPDATE, if it takes that.

use std::time::Duration;

use rsipstack::sip::{Header, Headers, Request};

use super::message::{Reply, has_token, header, main_of, parameter, values_in};

/// An estimate of the round trip (RFC 3261, section 17.1.1.1): what is lost is sent again by it.
pub const T1: Duration = Duration::from_millis(500);

/// A shorter interval is refused (RFC 4028, section 5).
const SHORTEST: Duration = Duration::from_secs(90);

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    pub interval: Duration,
    pub refresher: Refresher,
    /// The caller knows of session timers, and not only a proxy on the way.
    supported: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresher {
    Caller,
    Us,
}

/// What a Session-Expires header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    interval: Duration,
    /// The one who sent the request, or the other.
    refresher: Option<Side>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Said {
    /// The one in these headers, if there is one. `Err` says what a request with it is answered.
    pub fn in_headers(headers: &Headers) -> Result<Option<Self>, Reply> {
        values_in(headers, "session-expires").next().map(Self::read).transpose()
    }

    fn read(value: &str) -> Result<Self, Reply> {
        let seconds: u32 = main_of(value).parse().map_err(|_| Reply::status(400))?;
        let refresher = match parameter(value, "refresher") {
            Some(side) if side.eq_ignore_ascii_case("uac") => Some(Side::Client),
            Some(side) if side.eq_ignore_ascii_case("uas") => Some(Side::Server),
            Some(_) | None => None,
        };
        Ok(Self { interval: Duration::from_secs(seconds.into()), refresher })
    }
}

/// What an INVITE, re-INVITE or UPDATE asks for; `Err` says what it is answered instead.
pub fn agree(request: &Request) -> Result<Option<Timer>, Reply> {
    let Some(Said { interval, refresher }) = Said::in_headers(&request.headers)? else { return Ok(None) };
    let supported = has_token(request, "supported", "timer") || has_token(request, "require", "timer");
    if interval < SHORTEST && supported {
        return Err(Reply::status(422).with("Min-SE", SHORTEST.as_secs().to_string()));
    }
    let refresher = match refresher {
        Some(Side::Server) => Refresher::Us,
        Some(Side::Client) => Refresher::Caller,
        None if supported => Refresher::Caller,
        None => Refresher::Us,
    };
    // A caller who takes no UPDATE gets no timer: it may refresh as it likes.
    let can = refresher == Refresher::Caller || has_token(request, "allow", "update");
    Ok(can.then_some(Timer { interval: interval.max(SHORTEST), refresher, supported }))
}

impl Timer {
    /// What our 2xx says of it.
    pub fn headers(self) -> Vec<Header> {
        let by = match self.refresher {
            Refresher::Caller => "uac",
            Refresher::Us => "uas",
        };
        let expires = header("Session-Expires", format!("{};refresher={by}", self.interval.as_secs()));
        let required =
            (self.refresher == Refresher::Caller && self.supported).then(|| header("Require", "timer"));
        [expires].into_iter().chain(required).collect()
    }

    /// What our refresh says of it: there we are the client.
    pub fn refresh(self) -> Vec<Header> {
        let expires = format!("{};refresher=uac", self.interval.as_secs());
        vec![header("Session-Expires", expires), header("Supported", "timer")]
    }

    /// As the 2xx to our refresh has it (section 7.2): there we are the client. One that says nothing leaves it as it was, as
    /// whoever asked for it may be a proxy that says no more.
    pub fn answered(self, said: Option<Said>) -> Self {
        let Some(Said { interval, refresher }) = said else { return self };
        let refresher = match refresher {
            Some(Side::Server) => Refresher::Caller,
            Some(Side::Client) | None => Refresher::Us,
        };
        Self { interval: interval.max(SHORTEST), refresher, ..self }
    }

    /// From a refresh to our next.
    pub fn half(self) -> Duration {
        self.interval / 2
    }

    /// From a refresh to the end of a call that has no other: a little before the interval is over (section 10).
    pub fn whole(self) -> Duration {
        self.interval - (self.interval / 3).min(Duration::from_secs(32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &str) -> Request {
        Request::try_from(format!("INVITE sip:us@b SIP/2.0\r\nCSeq: 8 INVITE\r\n{headers}\r\n")).unwrap()
    }

    fn shown(headers: &[Header]) -> Vec<String> {
        headers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn who_refreshes_is_the_caller_if_it_can_and_we_if_it_wants_so() {
        const TIMER: &str = "Supported: 100rel, Timer\r\n";
        const UPDATE: &str = "Allow: INVITE, UPDATE\r\n";
        for (headers, expected) in [
            (String::new(), None),
            (format!("{TIMER}Session-Expires: 1800\r\n"), Some("1800;refresher=uac")),
            (format!("{TIMER}x: 1800\r\n"), Some("1800;refresher=uac")),
            (format!("{TIMER}Session-Expires: 90 ; refresher = uac\r\n"), Some("90;refresher=uac")),
            (format!("{TIMER}{UPDATE}Session-Expires: 1800;refresher=uas\r\n"), Some("1800;refresher=uas")),
            (format!("{TIMER}Session-Expires: 1800;refresher=uas\r\n"), None),
            (format!("{UPDATE}Session-Expires: 1800\r\n"), Some("1800;refresher=uas")),
            (format!("{UPDATE}Session-Expires: 30\r\n"), Some("90;refresher=uas")),
        ] {
            let agreed = agree(&request(&headers)).unwrap();
            let said = agreed.map(|timer| timer.headers());
            let expires = said.as_ref().map(|headers| headers[0].value().to_owned());
            assert_eq!(expires.as_deref(), expected, "{headers}");
            let required = said.is_some_and(|headers| shown(&headers).contains(&"Require: timer".to_owned()));
            assert_eq!(
                required,
                headers.contains(TIMER) && expected.is_some_and(|e| e.ends_with("uac")),
                "{headers}"
            );
        }
    }

    #[test]
    fn an_interval_that_is_too_short_or_none_is_refused() {
        let short = agree(&request("Supported: timer\r\nSession-Expires: 60\r\n")).unwrap_err();
        assert_eq!(short, Reply::status(422).with("Min-SE", "90"));
        assert_eq!(agree(&request("Session-Expires: soon\r\n")), Err(Reply::status(400)));
    }

    #[test]
    fn a_call_without_refresh_ends_a_little_early() {
        for (seconds, whole) in [(90, 60), (1800, 1768)] {
            let timer = Timer {
                interval: Duration::from_secs(seconds),
                refresher: Refresher::Caller,
                supported: true,
            };
            assert_eq!(timer.whole(), Duration::from_secs(whole));
        }
    }

    #[test]
    fn the_answer_to_our_refresh_says_how_it_goes_on() {
        let asked = "Allow: UPDATE\r\nSession-Expires: 1800;refresher=uas\r\n";
        let timer = agree(&request(asked)).unwrap().unwrap();
        for (answer, seconds, refresher) in [
            ("", 1800, Refresher::Us),
            ("Session-Expires: soon\r\n", 1800, Refresher::Us),
            ("Session-Expires: 600\r\n", 600, Refresher::Us),
            ("x: 600;refresher=UAC\r\n", 600, Refresher::Us),
            ("Session-Expires: 600; refresher = uas\r\n", 600, Refresher::Caller),
            ("Session-Expires: 1;refresher=uac\r\n", 90, Refresher::Us),
        ] {
            let said = Said::in_headers(&request(answer).headers).unwrap_or_default();
            let expected = Timer { interval: Duration::from_secs(seconds), refresher, supported: false };
            assert_eq!(timer.answered(said), expected, "{answer}");
        }
    }
}
