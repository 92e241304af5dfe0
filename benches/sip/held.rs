//! The most calls that are up together with clean audio, in G.711 from end to end.

use std::time::Duration;

use dialplane::kit::phone::{Call, Dial, RATE, Stage};
use dialplane::kit::tone::tone_of;
use tokio::time::{Instant, interval, sleep};

use crate::heard::is_tone;
use crate::model::Model;
use crate::{most_that_goes, router};

/// The first step's calls.
const FIRST: usize = 50;

/// How many begin in a second.
const RAMP: u32 = 50;

/// How long the calls of a step are watched.
const WATCH: Duration = Duration::from_secs(10);

/// From the last INVITE until its greeting must be heard: what is later is missing.
const PATIENCE: Duration = Duration::from_secs(4);

/// What may be missing of the agents' speech.
const MISSING: f64 = 0.05;

#[tokio::main]
pub async fn measure(most: usize, g711: bool) {
    let model = Model::start();
    let (router, sip) = router(&model, g711).await;
    let idle = router.memory();
    println!("\nCalls held, router without calls {:.1} MB:\n", idle as f64 / 1024.0);
    println!("| calls | answered | speech missing, mean / worst call | of a core a call | memory a call |");
    println!("|---|---|---|---|---|");
    most_that_goes(FIRST, most, async |count| {
        let mut calls = Vec::new();
        let mut pace = interval(Duration::from_secs(1) / RAMP);
        for number in 0..count {
            pace.tick().await;
            let caller = format!("+1555123{number:04}");
            let dial = Dial { jitter_buffer: JITTER_BUFFER, ..Dial::new(sip, "+15557770001", &caller) };
            calls.push(Call::place(&dial).await.unwrap());
        }
        sleep(PATIENCE).await;
        let (from, before) = (Instant::now(), router.cpu());
        sleep(WATCH).await;
        let (to, used) = (Instant::now(), router.cpu() - before);
        let memory = router.memory().saturating_sub(idle);
        let answered = calls.iter().filter(|call| matches!(call.stage(), Stage::Answered(_))).count();
        let missing: Vec<f64> = calls.iter().map(|call| missing(call, from, to)).collect();
        let mean = missing.iter().sum::<f64>() / count as f64;
        println!(
            "| {count} | {answered} | {:.1} / {:.1} % | {:.2} % | {:.2} MB |",
            100.0 * mean,
            100.0 * missing.iter().copied().fold(0.0, f64::max),
            100.0 * used.as_secs_f64() / WATCH.as_secs_f64() / count as f64,
            memory as f64 / 1024.0 / count as f64,
        );
        for call in &calls {
            call.hang_up().await;
        }
        sleep(Duration::from_secs(2)).await;
        answered == count && mean <= MISSING
    })
    .await;
}

/// A phone's usual one.
const JITTER_BUFFER: Duration = Duration::from_millis(60);

/// The share of the time in which the agent was to speak and was not heard.
fn missing(call: &Call, from: Instant, to: Instant) -> f64 {
    let heard = call.heard();
    let Some(start) = heard.start else { return 1.0 };
    let place = |moment: Instant| {
        let samples = moment.saturating_duration_since(start).as_secs_f64() * f64::from(RATE);
        (samples as usize).min(heard.samples.len())
    };
    let pieces = heard.samples[place(from)..place(to)].chunks_exact(80);
    let spoken = pieces.filter(|piece| is_tone(piece, tone_of("alloy"))).count();
    (1.0 - spoken as f64 * 0.01 / (to - from).as_secs_f64()).max(0.0)
}
