//! Calls a second: set up as far as the model's greeting, and torn down at once.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::messages::{self, Ids, established, header};
use crate::model::Model;
use crate::{most_that_goes, router};

/// The first step's calls a second.
const FIRST: usize = 50;
const LENGTH: Duration = Duration::from_secs(8);

/// A call that is not answered by then has failed.
const PATIENCE: Duration = Duration::from_secs(4);

/// Of a step's calls, those that may fail.
const FAILED: f64 = 0.01;

/// So many addresses call: one may send 2,000 messages a second.
const CALLERS: u8 = 4;

#[tokio::main(flavor = "current_thread")]
pub async fn measure(most: usize, g711: bool) {
    let model = Model::start();
    let (router, sip) = router(&model, g711).await;
    let idle = router.memory();
    println!("\nCalls set up and torn down, router without calls {:.1} MB:\n", idle as f64 / 1024.0);
    println!(
        "| a second | calls | refused | no answer | INVITE to 200, median / 99 % | processor a call | of a core | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    most_that_goes(FIRST, most, async |rate| {
        let (before, from) = (router.cpu(), Instant::now());
        let step = step(rate, sip).await;
        let used = router.cpu() - before;
        let failed = step.calls - step.answered.len();
        println!(
            "| {rate} | {} | {} | {} | {:.0?} / {:.0?} | {:.2} ms | {:.0} % | {:.1} MB |",
            step.calls,
            step.refused,
            failed - step.refused,
            step.quantile(50),
            step.quantile(99),
            1_000.0 * used.as_secs_f64() / step.calls as f64,
            100.0 * used.as_secs_f64() / from.elapsed().as_secs_f64(),
            router.memory() as f64 / 1024.0,
        );
        failed as f64 <= FAILED * step.calls as f64
    })
    .await;
    // What is remembered for retransmissions is forgotten after 64 s at most.
    sleep(Duration::from_secs(90)).await;
    println!("\nMemory 90 s later: {:.1} MB", router.memory() as f64 / 1024.0);
}

struct Step {
    calls: usize,
    /// By 503: a router that sends its frames late takes no more calls.
    refused: usize,
    /// How long each took that was answered, the shortest first.
    answered: Vec<Duration>,
}

impl Step {
    fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.answered.len() * percent).div_ceil(100).saturating_sub(1);
        self.answered.get(rank).copied().unwrap_or_default()
    }
}

/// The calls of one address.
struct Caller {
    socket: UdpSocket,
    address: SocketAddr,
    router: SocketAddr,
    /// INVITEs that are not answered yet, by their Call-ID.
    calling: HashMap<String, Instant>,
    refused: usize,
    answered: Vec<Duration>,
}

async fn step(rate: usize, router: SocketAddr) -> Step {
    static STEPS: AtomicUsize = AtomicUsize::new(0);
    let number = STEPS.fetch_add(1, Ordering::Relaxed);
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2 + caller), 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        callers.push(Caller {
            socket,
            address,
            router,
            calling: HashMap::new(),
            refused: 0,
            answered: Vec::new(),
        });
    }
    let mut pace = interval(Duration::from_secs(1) / u32::try_from(rate).unwrap());
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut calls, until) = (0, Instant::now() + LENGTH);
    while Instant::now() < until {
        let at = calls % callers.len();
        callers[at].invite(&format!("{number}-{calls}")).await;
        calls += 1;
        // Whatever comes until the next call.
        let next = pace.tick();
        tokio::pin!(next);
        loop {
            tokio::select! {
                _ = &mut next => break,
                () = listen(&mut callers) => {}
            }
        }
    }
    let rest = async {
        while callers.iter().any(|caller| !caller.calling.is_empty()) {
            listen(&mut callers).await;
        }
    };
    // Who is not answered by then has failed.
    let _ = timeout(PATIENCE, rest).await;
    let mut answered: Vec<Duration> = callers.iter().flat_map(|caller| caller.answered.clone()).collect();
    answered.sort_unstable();
    let refused = callers.iter().map(|caller| caller.refused).sum();
    Step { calls, refused, answered }
}

/// Deals with what came, and waits a little if it was nothing.
async fn listen(callers: &mut [Caller]) {
    let mut buffer = [0; 4_096];
    let mut heard = false;
    for caller in callers {
        while let Ok(length) = caller.socket.try_recv(&mut buffer) {
            heard = true;
            caller.received(&String::from_utf8_lossy(&buffer[..length])).await;
        }
    }
    if !heard {
        sleep(Duration::from_millis(1)).await;
    }
}

impl Caller {
    async fn invite(&mut self, call: &str) {
        let ids = Ids {
            call_id: call.to_owned(),
            from_tag: "caller".to_owned(),
            to_tag: None,
            branch: format!("z9hG4bK-{call}"),
            sequence: 1,
        };
        self.calling.insert(call.to_owned(), Instant::now());
        self.send("INVITE", &ids).await;
    }

    async fn received(&mut self, message: &str) {
        let Some(ids) = established(message) else {
            // A refusal is a failure at once.
            if message.starts_with("SIP/2.0 503 ") {
                let known = self.calling.remove(header(message, "Call-ID").unwrap_or_default());
                self.refused += usize::from(known.is_some());
            }
            return;
        };
        let Some(at) = self.calling.remove(&ids.call_id) else { return };
        self.answered.push(at.elapsed());
        let next = |what: &str| format!("z9hG4bK-{what}-{}", ids.call_id);
        self.send("ACK", &Ids { branch: next("ack"), ..ids.clone() }).await;
        self.send("BYE", &Ids { branch: next("bye"), sequence: 2, ..ids.clone() }).await;
    }

    /// Of audio it hears none: the port that its offer names is nobody's.
    async fn send(&self, method: &str, ids: &Ids) {
        let audio = SocketAddr::new(self.address.ip(), 9);
        let request = messages::request(method, self.address, audio, ids, 15);
        self.socket.send_to(&request, self.router).await.unwrap();
    }
}
