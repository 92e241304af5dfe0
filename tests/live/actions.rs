//! What the model and the router do to a call: hang up, hand on, end it for its limits, let go of it; and what the
//! caller does beside speaking.

use std::time::{Duration, Instant};

use dialplane::kit::model::log::SessionLog;
use dialplane::kit::model::script::{Behaviour, Rule, ToolCue};
use serde_json::{Value, json};

use crate::ear::{Heard, Sound, total};
use crate::phone::{Call, Dial};
use crate::rig::until_every;
use crate::rtp::Say;
use crate::world::{ADA, CALLER, Plan, SOON, World, hear, hears, hears_first, hears_out, pitch};

const GREETING: Duration = Duration::from_millis(800);
const REPLY: Duration = Duration::from_millis(1500);
const DESTINATION: &str = "+15557770098";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One kind of call: the number it is placed to, and the voice that answers there.
#[derive(Debug, Clone, Copy)]
struct Line {
    called: &'static str,
    voice: &'static str,
}

impl Line {
    fn pitch(self) -> u32 {
        pitch(self.voice)
    }

    fn session(self, world: &World) -> SessionLog {
        let mut sessions = world.model.sessions().into_iter();
        sessions.find(|session| session.voice() == self.voice).expect("it was opened")
    }
}

/// A tenant with one destination, and a backend that answers each line so. A line's model behaves so.
fn plan<const N: usize>(lines: [(Line, Value, Behaviour); N]) -> Plan {
    let mut plan = Plan::new(Behaviour::default(), &json!({})).dialplan(
        "acme.toml",
        &format!(
            "tenant = 'acme'\n[[route]]\nid = 'all'\ncalled = '+1555777*'\n[transfers]\nbilling = 'tel:{DESTINATION}'\n"
        ),
    );
    let answers = lines.clone().map(|(line, mut answer, _)| {
        answer["voice"] = json!(line.voice);
        answer["systemPrompt"] = json!("You do what has to be done to a call.");
        (line.called, answer)
    });
    plan = plan.hide(&answers[0].1).by_called(answers);
    for (line, _, behaviour) in lines {
        plan.script = plan.script.with(Rule::voice(line.voice, behaviour));
    }
    plan.secrets = plan.secrets.number("where callers are handed on to", DESTINATION);
    plan
}

fn speaks() -> Behaviour {
    Behaviour { greeting: GREETING, reply: REPLY, ..Behaviour::default() }
}

fn calls_tool(name: &str, arguments: &Value) -> Behaviour {
    Behaviour { tool_calls: vec![ToolCue::after(1, name, arguments)], ..speaks() }
}

fn question() -> Vec<Say> {
    vec![Say::Tone { hz: CALLER, length: ms(800) }]
}

/// They have heard the greeting, and say something.
async fn asks(call: &Call, line: Line) {
    call.answered(SOON).await;
    hears_out(call, line.pitch()).await;
    call.endpoint.say(question());
}

/// We hang up, not before the caller has heard so much of the voice, and not long after.
async fn hears_us_part(call: &mut Call, line: Line, spoken: Duration) -> Vec<Heard> {
    let (times, status) = call.over(Duration::from_secs(30)).await;
    let let_go = times.let_go.filter(|_| status.success()).expect("we hung up");
    let heard = hear(call, &[line.pitch(), CALLER]);
    assert!(total(&heard, line.pitch()).abs_diff(spoken) <= ms(100), "{line:?}, not {spoken:?}: {heard:?}");
    let voice = Sound::Tone(line.pitch());
    let end = heard.iter().rev().find(|h| h.sound == voice).expect("it was heard").end;
    let after = call.endpoint.timeline().expect("something was heard").at(let_go).checked_sub(end);
    println!("{:<8} heard {spoken:?}, let go {after:?} after the last word", line.voice);
    assert!(after.is_some_and(|after| after < ms(1500)), "{line:?}: {after:?}");
    heard
}

async fn hang_up(mut call: Call) {
    call.hang_up();
    assert!(call.over(SOON).await.1.success());
}

/// The endings by the number that was called.
fn endings(records: &[Value]) -> Vec<(&str, &str)> {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned().leak() as &str;
    let ending = |record: &Value| (text(&record["call"]["called"]["number"]), text(&record["ending"]["how"]));
    let mut endings: Vec<_> = records.iter().map(ending).collect();
    endings.sort_unstable();
    endings
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn the_model_hangs_up_and_hands_on_and_keeps_the_caller_whom_nobody_takes() {
    let hangs_up = Line { called: "+15557770021", voice: "marin" };
    let moves = Line { called: "+15557770022", voice: "cedar" };
    let keeps = Line { called: "+15557770023", voice: "ash" };
    let billing = json!({"destination": "billing"});
    let world = World::start(plan([
        (hangs_up, json!({}), calls_tool("hang_up", &json!({"farewell": "Thank you, and goodbye"}))),
        (moves, json!({}), calls_tool("transfer_call", &billing)),
        (keeps, json!({}), calls_tool("transfer_call", &billing)),
    ]))
    .await;
    let mut ended = world.call(hangs_up.called);
    let mut moved = world.call(moves.called);
    let refuses = Dial { refer: "603 Decline", ..Dial::new(keeps.called, ADA) };
    let kept = Call::place(&world.rig, &refuses);
    tokio::join!(asks(&ended, hangs_up), asks(&moved, moves), asks(&kept, keeps));

    hears_us_part(&mut ended, hangs_up, GREETING + REPLY).await;
    let (times, status) = moved.over(SOON).await;
    assert!(status.success() && times.let_go.is_some(), "{:?}", moved.messages());
    for call in [&moved, &kept] {
        let messages = call.messages();
        let refer = messages.iter().find(|m| !m.sent && m.is_request("REFER")).expect("a REFER");
        assert!(refer.header("Refer-To").is_some_and(|to| to.contains(&format!("tel:{DESTINATION}"))));
    }
    // Who was not taken is told so by the model, and is still there for more.
    hears(&kept, "the model's word about it", &[keeps.pitch()], |heard| {
        (total(heard, keeps.pitch()) >= GREETING + REPLY - ms(60)).then_some(())
    })
    .await;
    let told = keeps.session(&world).tool_calls[0].output.clone().expect("a result");
    assert!(told.contains("failed"), "{told}");
    kept.endpoint.say(question());
    hears(&kept, "the answer", &[keeps.pitch()], |heard| {
        (total(heard, keeps.pitch()) >= GREETING + REPLY * 2 - ms(60)).then_some(())
    })
    .await;
    hang_up(kept).await;
    let records = world.end(3).await;
    let expected =
        [(hangs_up.called, "agent-hung-up"), (moves.called, "transferred"), (keeps.called, "caller-hung-up")];
    assert_eq!(endings(&records), expected, "{records:?}");
    for (line, tool, outcome, failed) in [
        (hangs_up, "hang_up", "done", 0),
        (moves, "transfer_call", "done", 0),
        (keeps, "transfer_call", "failed", 1),
    ] {
        let record = records.iter().find(|record| record["call"]["called"]["number"] == line.called).unwrap();
        assert_eq!(record["tool_calls"][0]["tool"], tool, "{record}");
        assert_eq!(record["tool_calls"][0]["outcome"], outcome, "{record}");
        assert_eq!(record["failed_transfers"], failed, "{record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_call_that_reaches_a_limit_ends_with_a_goodbye_that_is_heard() {
    let timed = Line { called: "+15557770031", voice: "marin" };
    let endless = Line { called: "+15557770032", voice: "cedar" };
    let silent = Line { called: "+15557770033", voice: "ash" };
    let turns = Line { called: "+15557770034", voice: "verse" };
    let limited = |limits: Value| json!({"limits": limits});
    let talks = json!({"greeting": "none", "limits": {"maxDurationSeconds": 4}});
    let world = World::start(plan([
        (timed, limited(json!({"maxDurationSeconds": 4})), speaks()),
        (endless, talks, speaks()),
        (silent, limited(json!({"silenceSeconds": 3})), speaks()),
        (turns, limited(json!({"maxTurns": 1})), speaks()),
    ]))
    .await;
    let mut calls = [timed, endless, silent, turns].map(|line| world.call(line.called));
    let [timed_call, endless_call, silent_call, turns_call] = &mut calls;
    // From the answer to the end, and on.
    let talking = async {
        endless_call.answered(SOON).await;
        endless_call.endpoint.say(vec![Say::Tone { hz: CALLER, length: Duration::from_secs(20) }]);
    };
    tokio::join!(talking, asks(turns_call, turns));

    let answered = timed_call.answered(SOON).await;
    hears_us_part(timed_call, timed, GREETING * 2).await;
    let talked = timed_call.times().let_go.expect("we hung up") - answered;
    assert!((ms(4500)..ms(8000)).contains(&talked), "4 s and a goodbye: {talked:?}");
    // Nothing but the goodbye: nobody ever found a place for an answer.
    hears_us_part(endless_call, endless, GREETING).await;
    // The greeting, the question whether they are there, and the goodbye.
    let heard = hears_us_part(silent_call, silent, GREETING + REPLY * 2).await;
    let pauses: Vec<Duration> = heard
        .windows(3)
        .filter(|w| w[0].sound == w[2].sound && w[1].sound == Sound::Silence)
        .map(|w| w[1].length())
        .filter(|pause| *pause > ms(100))
        .collect();
    println!("silent caller: pauses {pauses:?}");
    assert_eq!(pauses.len(), 2, "{heard:?}");
    assert!(pauses.iter().all(|pause| (ms(1400)..ms(2500)).contains(pause)), "half of 3 s each: {pauses:?}");
    let session = silent.session(&world);
    assert_eq!(session.told().len(), 1, "it was told once of the silence");
    hears_us_part(turns_call, turns, GREETING + REPLY * 2).await;
    drop(calls);
    let records = world.end(4).await;
    let expected = [
        (timed.called, "time-limit"),
        (endless.called, "time-limit"),
        (silent.called, "silence-limit"),
        (turns.called, "turn-limit"),
    ];
    assert_eq!(endings(&records), expected, "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn keys_reach_the_model_and_a_greeting_may_be_proof_against_the_callers_voice() {
    let keyed = Line { called: "+15557770041", voice: "marin" };
    let firm = Line { called: "+15557770042", voice: "cedar" };
    let greeting = ms(5000);
    let long = Behaviour { greeting, ..speaks() };
    let mut plan =
        plan([(keyed, json!({}), long.clone()), (firm, json!({"greetingInterruptible": false}), long)]);
    plan.secrets = plan.secrets.number("what was keyed in", "47110815");
    let world = World::start(plan).await;
    let (keyed_call, firm_call) = (world.call(keyed.called), world.call(firm.called));
    let calls = [(&keyed_call, keyed), (&firm_call, firm)];
    for (call, line) in calls {
        call.answered(SOON).await;
        hears_first(call, line.pitch()).await;
    }
    let keys = [4, 7, 1, 1, 0, 8, 1, 5, 11];
    keyed_call.endpoint.say(keys.into_iter().flat_map(|key| [Say::Key(key), Say::Silence(ms(60))]).collect());
    firm_call.endpoint.say(question());

    // The greeting stops for the first key; then there is the answer to all of them.
    let pressed = |sessions: &[SessionLog]| {
        let told = sessions.iter().find(|session| session.voice() == keyed.voice)?.told();
        told.iter().find(|(_, text)| text.contains("47110815#")).map(|_| ())
    };
    world.model.wait_for(pressed, SOON).await.expect("the keys reach the model");
    let heard = hears_out_after(&keyed_call, keyed, REPLY).await;
    assert!(total(&heard, keyed.pitch()) < greeting, "the greeting was cut: {heard:?}");
    assert_eq!(keyed.session(&world).truncations.len(), 1, "and the model knows how much was heard");

    // The other one goes on, and what was said over it is answered.
    let heard = hears_out_after(&firm_call, firm, greeting + REPLY - ms(60)).await;
    assert!(total(&heard, firm.pitch()).abs_diff(greeting + REPLY) <= ms(100), "{heard:?}");
    assert_eq!(firm.session(&world).truncations.len(), 0);
    // From now on they may interrupt.
    firm_call.endpoint.say(question());
    hears(&firm_call, "the next answer begins", &[firm.pitch()], |heard| {
        (total(heard, firm.pitch()) >= greeting + REPLY + ms(300)).then_some(())
    })
    .await;
    firm_call.endpoint.say(question());
    let truncated = |sessions: &[SessionLog]| {
        let session = sessions.iter().find(|session| session.voice() == firm.voice)?;
        session.truncations.first().map(|_| ())
    };
    world.model.wait_for(truncated, SOON).await.expect("the answer is interrupted");
    hang_up(keyed_call).await;
    hang_up(firm_call).await;
    let records = world.end(2).await;
    assert_eq!(endings(&records), [keyed, firm].map(|line| (line.called, "caller-hung-up")));
    let digits: u64 = records.iter().map(|record| record["digits"].as_u64().unwrap()).sum();
    assert_eq!(digits, 9);
}

/// Waits until the voice was heard for so long, and is quiet.
async fn hears_out_after(call: &Call, line: Line, least: Duration) -> Vec<Heard> {
    hears(call, "all that is said", &[line.pitch(), CALLER], |heard| {
        let quiet = heard.last().filter(|h| h.sound == Sound::Silence)?.length() >= ms(400);
        (quiet && total(heard, line.pitch()) >= least).then(|| heard.to_vec())
    })
    .await
}

/// Ends the world of a router that was told to end.
async fn ended(mut world: World) -> Vec<Value> {
    let status = world.router.ended(Duration::from_secs(60)).await;
    assert!(status.success(), "{status}");
    world.livekit.wait_until_empty().await;
    world.assert_served();
    world.router.records()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the rig: tests/rig/up"]
async fn a_router_that_shuts_down_tells_its_callers_goodbye_and_at_a_second_signal_does_not() {
    let lines = [("+15557770051", "marin"), ("+15557770052", "cedar"), ("+15557770053", "ash")]
        .map(|(called, voice)| Line { called, voice });
    for signals in [1, 2] {
        let mut plan = plan(lines.map(|line| (line, json!({}), speaks())));
        let grace = if signals == 1 { "1" } else { "60" };
        plan.variables.insert("DIALPLANE_DRAIN_SECONDS".to_owned(), grace.to_owned());
        let world = World::start(plan).await;
        let mut calls = lines.map(|line| (world.call(line.called), line));
        for (call, line) in &calls {
            call.answered(SOON).await;
            hears_out(call, line.pitch()).await;
        }
        let told = Instant::now();
        world.router.terminate();
        if signals == 2 {
            // Two signals at once are one.
            until_every(ms(20), "the router drains", SOON, async || {
                let (_, body) = world.router.get("/readyz").await?;
                body.contains("\"draining\":true").then_some(())
            })
            .await;
            world.router.terminate();
        }
        for (call, line) in &mut calls {
            let spoken = if signals == 1 { GREETING * 2 } else { GREETING };
            let (times, status) = call.over(Duration::from_secs(30)).await;
            assert!(status.success() && times.let_go.is_some(), "{times:?}");
            let heard = total(&hear(call, &[line.pitch()]), line.pitch());
            println!("{signals} signals: let go after {:?}, heard {heard:?}", times.let_go.unwrap() - told);
            assert!(heard.abs_diff(spoken) <= ms(100), "{signals} signals: {heard:?}");
            let let_go = times.let_go.unwrap() - told;
            assert!(signals == 1 || let_go < Duration::from_secs(5), "at once: {let_go:?}");
        }
        let records = ended(world).await;
        let refused = records.iter().filter(|record| record["ending"]["how"] != "drained").count();
        assert_eq!((records.len() - refused, refused), (3, 0), "{records:?}");
    }
}
