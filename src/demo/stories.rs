use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::speech;
use crate::kit::TimedOut;
use crate::kit::phone::{Call, Dial, RATE, Recording, Say, Stage};

/// The longest wait for an answer, and for a speaker to have finished.
const SOON: Duration = Duration::from_secs(10);
/// Whoever is quiet for so long has finished.
const PAUSE: Duration = Duration::from_millis(700);
/// Louder than any noise of a codec, softer than speech.
const LOUD: u16 = 500;
/// What a caller hears at least.
const SHORTEST: Duration = Duration::from_secs(2);

const CALLER: &str = "+15551230001";

/// A call, and what is to come of it.
pub(super) struct Story {
    pub(super) title: &'static str,
    pub(super) file: &'static str,
    pub(super) called: &'static str,
    diversion: Option<&'static str>,
    pub(super) says: Option<&'static str>,
    pub(super) expected: Expected,
}

pub(super) enum Expected {
    Answered { tenant: &'static str, route: &'static str, config: &'static str },
    Refused(u16),
}

impl Story {
    /// The number of the first.
    pub(super) const FIRST: &str = "+12125550142";

    /// What did not go as it should. What a real model says, and for how long, nobody knows before.
    pub(super) fn faults(&self, played: &Played, record: Option<&Value>, is_recorded: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(record) = record else { return vec!["there is no record of it".to_owned()] };
        if let Some(error) = &played.error {
            faults.push(error.clone());
        }
        let mut check = |what: &str, pointer: &str, expected: &str| {
            let found = text(record, pointer);
            if found != expected {
                faults.push(format!("{what} is {found} and not {expected}"));
            }
        };
        check("the ingress", "/call/ingress", "sip");
        match self.expected {
            Expected::Answered { tenant, route, config } => {
                check("the tenant", "/tenant", tenant);
                check("the route", "/route/id", route);
                check("the configuration's source", "/config_source", config);
                check("the ending", "/ending/how", "caller-hung-up");
                if played.heard.length() < SHORTEST
                    || !played.heard.samples.iter().any(|s| s.unsigned_abs() > LOUD)
                {
                    faults.push(format!("the caller heard nothing in {:?}", played.heard.length()));
                }
                if is_recorded && self.says.is_some() && played.replied.is_none() {
                    faults.push("the caller's words were not answered".to_owned());
                }
            }
            Expected::Refused(status) => {
                if played.refused != Some(status) {
                    faults.push(format!("the caller was told {:?} and not {status}", played.refused));
                }
            }
        }
        faults
    }
}

/// What a record says there.
pub(super) fn text<'r>(record: &'r Value, pointer: &str) -> &'r str {
    record.pointer(pointer).and_then(Value::as_str).unwrap_or("none")
}

/// How a call went; moments since the INVITE.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) answered: Option<Duration>,
    pub(super) refused: Option<u16>,
    pub(super) greeted: Option<Duration>,
    pub(super) said: Option<Duration>,
    pub(super) replied: Option<Duration>,
    pub(super) over: Duration,
    pub(super) heard: Recording,
    pub(super) error: Option<String>,
}

pub(super) fn all() -> Vec<Story> {
    let answered = |tenant, route, config| Expected::Answered { tenant, route, config };
    let story =
        |title, file, called, expected| Story { title, file, called, diversion: None, says: None, expected };
    vec![
        Story {
            says: Some("I would like to move my appointment to Friday, please."),
            ..story(
                "A tenant by its own number, with the answer of its backend",
                "own-number",
                Story::FIRST,
                answered("bright-smile", "front-desk", "backend"),
            )
        },
        story(
            "A tenant by the prefix of its block of numbers, after hours",
            "after-hours",
            "+13125550123",
            answered("copper-kettle", "after-hours", "dialplan"),
        ),
        Story {
            diversion: Some("<sip:+16175550177@carrier.example>;reason=no-answer"),
            ..story(
                "A forwarded call, by the number that forwarded it",
                "forwarded",
                "+16175550100",
                answered("harbour-clinic", "forwarded", "dialplan"),
            )
        },
        story(
            "A tenant whose backend breaks down: the default prompt answers",
            "backend-down",
            "+14165550190",
            answered("north-cab", "dispatch", "default"),
        ),
        story("A tenant who says that it is busy", "busy", "+14165550191", Expected::Refused(486)),
        story("A number that nobody has", "unknown", "+442079460999", Expected::Refused(404)),
    ]
}

/// Places the call and hears it out.
pub(super) async fn play(story: &Story, router: SocketAddr) -> Played {
    let mut dial = Dial::new(router, story.called, CALLER);
    if let Some(diversion) = story.diversion {
        dial = dial.with_header("Diversion", diversion);
    }
    let (start, mut played) = (Instant::now(), Played::default());
    if let Err(error) = converse(story, &dial, start, &mut played).await {
        played.error = Some(error.to_string());
    }
    played.over = start.elapsed();
    played
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("a loopback port: {0}")]
    Port(#[from] io::Error),
    #[error("what was waited for was {0}")]
    Late(#[from] TimedOut),
}

async fn converse(story: &Story, dial: &Dial, start: Instant, played: &mut Played) -> Result<(), Failed> {
    let mut call = Call::place(dial).await?;
    match call.answered(SOON).await? {
        Stage::Refused(status) => {
            played.refused = Some(status);
            return Ok(());
        }
        Stage::Answered(_) => played.answered = Some(start.elapsed()),
        Stage::Calling | Stage::Ringing | Stage::HungUp | Stage::LetGo | Stage::Unreachable => {}
    }
    let outcome = listen(story, &call, start, played).await;
    played.heard = call.heard();
    call.hang_up().await;
    call.over(SOON).await?;
    outcome
}

async fn listen(story: &Story, call: &Call, start: Instant, played: &mut Played) -> Result<(), Failed> {
    let moment = |heard: &Recording, at: Duration| heard.start.map(|first| first + at - start);
    let heard = call.hears(|heard| has_finished(heard, Duration::ZERO), SOON).await?;
    played.greeted = begun(&heard, Duration::ZERO).and_then(|at| moment(&heard, at));
    if story.says.is_none() {
        return Ok(());
    }
    played.said = Some(start.elapsed());
    let speech = speech::caller();
    let said = heard.length();
    call.say(vec![Say::Samples(speech)]).await;
    let heard = call.hears(|heard| has_finished(heard, said), SOON * 2).await?;
    played.replied = begun(&heard, said).and_then(|at| moment(&heard, at));
    Ok(())
}

/// Somebody has spoken since then, for long enough to have said something, and been quiet for a while.
fn has_finished(heard: &Recording, since: Duration) -> bool {
    let from = heard.samples.len().saturating_sub(samples(PAUSE));
    let is_quiet = heard.samples.iter().skip(from).all(|sample| sample.unsigned_abs() < LOUD);
    is_quiet && begun(heard, since).is_some_and(|begun| begun + SHORTEST <= heard.length())
}

/// When the first loud sample came, since then.
fn begun(heard: &Recording, since: Duration) -> Option<Duration> {
    let from = samples(since);
    let loud = heard.samples.iter().skip(from).position(|sample| sample.unsigned_abs() >= LOUD)?;
    Some(Duration::from_secs((from + loud) as u64) / RATE)
}

fn samples(time: Duration) -> usize {
    (time * RATE).as_secs() as usize
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        json!({
            "tenant": "bright-smile", "route": {"id": "front-desk"}, "config_source": "backend",
            "call": {"ingress": "sip"}, "ending": {"how": "caller-hung-up"},
        })
    }

    fn heard() -> Played {
        let heard = Recording { samples: vec![5_000; 3 * RATE as usize], ..Recording::default() };
        Played { heard, replied: Some(PAUSE), ..Played::default() }
    }

    #[test]
    fn a_call_that_did_not_go_as_it_should_says_what_was_wrong() {
        let [first, .., unknown] = &all()[..] else { panic!("six stories") };
        let faults =
            |story: &Story, played: &Played, record: &Value| story.faults(played, Some(record), true);
        assert_eq!(faults(first, &heard(), &record()), [""; 0]);
        for (pointer, name) in [
            ("/tenant", "tenant"),
            ("/route/id", "route"),
            ("/config_source", "source"),
            ("/ending/how", "ending"),
        ] {
            let mut other = record();
            *other.pointer_mut(pointer).unwrap() = json!("another");
            let found = faults(first, &heard(), &other);
            assert!(found.len() == 1 && found[0].contains(name), "{found:?}");
        }
        for (wrong, what) in [
            (Played { heard: Recording::default(), ..heard() }, "heard nothing"),
            (Played { replied: None, ..heard() }, "not answered"),
            (Played { error: Some("what was waited for was late".to_owned()), ..heard() }, "late"),
        ] {
            let found = faults(first, &wrong, &record());
            assert!(found.len() == 1 && found[0].contains(what), "{found:?}");
        }
        assert_eq!(first.faults(&heard(), None, true).len(), 1, "no record");
        let refused = |status| Played { refused: Some(status), ..Played::default() };
        assert_eq!(faults(unknown, &refused(404), &record()), [""; 0]);
        assert_eq!(faults(unknown, &refused(486), &record()).len(), 1);
    }

    #[test]
    fn a_speaker_has_finished_after_a_pause_and_not_before_a_word() {
        let quiet = |time: Duration| vec![0; samples(time)];
        let word = vec![5_000; samples(PAUSE)];
        for (parts, finished) in [
            (vec![quiet(PAUSE * 2)], false),
            (vec![quiet(PAUSE), word.clone()], false),
            (vec![word.clone(), quiet(PAUSE / 2)], false),
            (vec![word.clone(), quiet(PAUSE)], false),
            (vec![word, quiet(SHORTEST)], true),
        ] {
            let heard = Recording { samples: parts.concat(), ..Recording::default() };
            assert_eq!(has_finished(&heard, Duration::ZERO), finished, "{} samples", heard.samples.len());
            assert!(!has_finished(&heard, heard.length()), "nothing since then");
        }
    }
}
