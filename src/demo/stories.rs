use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

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
    /// The recordings of what the caller says, and of the answer.
    pub(super) exchange: Option<[&'static str; 2]>,
    /// It is placed as soon as the first call is up.
    is_second: bool,
    pub(super) expected: Expected,
}

pub(super) enum Expected {
    Answered {
        tenant: &'static str,
        route: &'static str,
        config: &'static str,
        /// The recording of what the agent says first.
        greeting: &'static str,
    },
    Refused {
        status: u16,
        tenant: &'static str,
        limit: &'static str,
    },
}

impl Story {
    /// The number of the first.
    pub(super) const FIRST: &str = "+12125550142";

    /// What did not go as it should. What a real model says, and for how long, nobody knows before.
    pub(super) fn faults(&self, played: &Played, record: Option<&Value>, is_recorded: bool) -> Vec<String> {
        let Some(record) = record else { return vec!["there is no record of it".to_owned()] };
        let mut faults: Vec<String> = played.error.iter().cloned().collect();
        faults.extend(played.unheard.iter().filter(|_| is_recorded).cloned());
        let mut check = |what: &str, pointer: &str, expected: &str| {
            let found = text(record, pointer);
            if found != expected {
                faults.push(format!("{what} is {found} and not {expected}"));
            }
        };
        check("the ingress", "/call/ingress", "sip");
        match self.expected {
            Expected::Answered { tenant, route, config, .. } => {
                check("the tenant", "/tenant", tenant);
                check("the route", "/route/id", route);
                check("the configuration's source", "/config_source", config);
                check("the ending", "/ending/how", "caller-hung-up");
                if let Some(status) = played.refused {
                    faults.push(format!("the caller was told {status}"));
                } else if played.greeted.is_none() {
                    faults.push("the caller was not greeted".to_owned());
                } else if played.heard.length() < SHORTEST {
                    faults.push(format!("the caller heard no more than {:?}", played.heard.length()));
                }
                if is_recorded && self.exchange.is_some() && played.replied.is_none() {
                    faults.push("the caller's words were not answered".to_owned());
                }
            }
            Expected::Refused { status, tenant, limit } => {
                check("the tenant", "/tenant", tenant);
                check("the limit", "/limit", limit);
                check("the ending", "/ending/how", "refused");
                if played.refused != Some(status) {
                    faults.push(format!("the caller was told {} and not {status}", told(played.refused)));
                }
            }
        }
        faults
    }
}

fn told(status: Option<u16>) -> String {
    status.map_or("nothing".to_owned(), |status| status.to_string())
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
    /// Where in it the caller spoke.
    pub(super) spoke: Option<Duration>,
    /// What the recorded voice would have said by then.
    pub(super) unheard: Option<String>,
    pub(super) error: Option<String>,
}

impl Played {
    /// Both sides of the call. Neither speaks while the other does.
    pub(super) fn conversation(&self) -> Recording {
        let mut both = self.heard.clone();
        let Some(spoke) = self.spoke else { return both };
        let later = both.samples.iter_mut().skip(samples(spoke));
        later.zip(speech::caller()).for_each(|(heard, said)| *heard = heard.saturating_add(said));
        both
    }
}

pub(super) fn all() -> Vec<Story> {
    let answered = |tenant, route, config, greeting| Expected::Answered { tenant, route, config, greeting };
    let story = |title, file, called, expected| Story {
        title,
        file,
        called,
        diversion: None,
        exchange: None,
        is_second: false,
        expected,
    };
    vec![
        Story {
            exchange: Some(["caller", "dental-reply"]),
            ..story(
                "A tenant by its own number, with the answer of its backend",
                "own-number",
                Story::FIRST,
                answered("bright-smile", "front-desk", "backend", "dental-greeting"),
            )
        },
        story(
            "A tenant by the prefix of its block of numbers, after hours",
            "after-hours",
            "+13125550123",
            answered("copper-kettle", "after-hours", "dialplan", "kettle-greeting"),
        ),
        Story {
            diversion: Some("<sip:+16175550177@carrier.example>;reason=no-answer"),
            ..story(
                "A forwarded call, by the number that forwarded it",
                "forwarded",
                "+16175550100",
                answered("harbour-clinic", "forwarded", "dialplan", "clinic-greeting"),
            )
        },
        story(
            "A tenant whose backend breaks down: the default prompt answers",
            "backend-down",
            "+14165550190",
            answered("north-cab", "dispatch", "default", "default-greeting"),
        ),
        Story {
            is_second: true,
            ..story(
                "A tenant at its cap: call 1 holds its only place",
                "at-its-cap",
                "+12125550143",
                Expected::Refused { status: 486, tenant: "bright-smile", limit: "calls" },
            )
        },
        story(
            "A number that nobody has",
            "unknown",
            "+442079460999",
            Expected::Refused { status: 404, tenant: "none", limit: "none" },
        ),
    ]
}

/// Places all calls at once, but for the one that comes second. What an agent says that `is_recorded` is heard out.
pub(super) async fn play(stories: &[Story], router: SocketAddr, is_recorded: bool) -> Vec<Played> {
    let first_is_up = CancellationToken::new();
    join_all(stories.iter().map(|story| {
        let first_is_up = first_is_up.clone();
        async move {
            if story.is_second {
                first_is_up.cancelled().await;
            }
            // Dropped unused where the first call never comes up.
            let up = (story.called == Story::FIRST).then(|| first_is_up.drop_guard());
            play_one(story, router, is_recorded, up).await
        }
    }))
    .await
}

/// Places the call and hears it out; `up` goes when it is answered.
async fn play_one(story: &Story, router: SocketAddr, is_recorded: bool, up: Option<DropGuard>) -> Played {
    let mut dial = Dial::new(router, story.called, CALLER);
    if let Some(diversion) = story.diversion {
        dial = dial.with_header("Diversion", diversion);
    }
    let (start, mut played) = (Instant::now(), Played::default());
    if let Err(error) = converse(story, &dial, is_recorded, up, start, &mut played).await {
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

async fn converse(
    story: &Story,
    dial: &Dial,
    is_recorded: bool,
    up: Option<DropGuard>,
    start: Instant,
    played: &mut Played,
) -> Result<(), Failed> {
    let mut call = Call::place(dial).await?;
    match call.answered(SOON).await? {
        Stage::Refused(status) => {
            played.refused = Some(status);
            return Ok(());
        }
        Stage::Answered(_) => played.answered = Some(start.elapsed()),
        Stage::Calling | Stage::Ringing | Stage::HungUp | Stage::LetGo | Stage::Unreachable => {}
    }
    drop(up);
    if let Err(late) = listen(story, &call, is_recorded, start, played).await {
        played.unheard = Some(format!("the agent had not spoken and fallen silent {late}"));
    }
    played.heard = call.heard();
    played.greeted = moment(&played.heard, Duration::ZERO, start);
    call.hang_up().await;
    call.over(SOON).await?;
    Ok(())
}

async fn listen(
    story: &Story,
    call: &Call,
    is_recorded: bool,
    start: Instant,
    played: &mut Played,
) -> Result<(), TimedOut> {
    let least = |recording| if is_recorded { spoken(&speech::agent(recording)) } else { SHORTEST };
    let greeting = match story.expected {
        Expected::Answered { greeting, .. } => least(greeting),
        Expected::Refused { .. } => SHORTEST,
    };
    let heard = call.hears(|heard| has_finished(heard, Duration::ZERO, greeting), SOON).await?;
    let Some([_, reply]) = story.exchange else { return Ok(()) };
    played.said = Some(start.elapsed());
    let speech = speech::caller();
    let said = heard.length();
    played.spoke = Some(said);
    call.say(vec![Say::Samples(speech)]).await;
    let heard = call.hears(|heard| has_finished(heard, said, least(reply)), SOON * 2).await?;
    played.replied = moment(&heard, said, start);
    Ok(())
}

/// Somebody has begun to speak since then, at `least` so long ago, and been quiet for a while: a busy machine makes pauses too.
fn has_finished(heard: &Recording, since: Duration, least: Duration) -> bool {
    let from = heard.samples.len().saturating_sub(samples(PAUSE));
    let is_quiet = heard.samples.iter().skip(from).all(|sample| sample.unsigned_abs() < LOUD);
    is_quiet && begun(heard, since).is_some_and(|begun| begun + least <= heard.length())
}

/// When somebody began to speak, since then; from the INVITE on.
fn moment(heard: &Recording, since: Duration, start: Instant) -> Option<Duration> {
    Some(heard.start? + begun(heard, since)? - start)
}

/// When the first loud sample came, since then.
fn begun(heard: &Recording, since: Duration) -> Option<Duration> {
    let from = samples(since);
    let loud = heard.samples.iter().skip(from).position(|sample| sample.unsigned_abs() >= LOUD)?;
    Some(Duration::from_secs((from + loud) as u64) / RATE)
}

/// From the first loud sample to the last.
fn spoken(speech: &[i16]) -> Duration {
    let is_loud = |sample: &i16| sample.unsigned_abs() >= LOUD;
    let (first, last) = (speech.iter().position(is_loud), speech.iter().rposition(is_loud));
    Duration::from_secs((last.unwrap_or(0) - first.unwrap_or(0)) as u64) / RATE
}

fn samples(time: Duration) -> usize {
    (time * RATE).as_secs() as usize
}

#[cfg(test)]
mod tests;
