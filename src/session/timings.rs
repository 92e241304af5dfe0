use std::time::Duration;

/// How long each step of a call may take. The defaults are what a caller will put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// From the offer to the facts: join and SIP participant.
    pub arrival: Duration,
    /// From the facts to the configuration; the lookup keeps its own, shorter budget.
    pub lookup: Duration,
    /// From dialling the model to its first word on the socket.
    pub model_open: Duration,
    /// From there until it took our configuration.
    pub model_configured: Duration,
    /// From there to the first audio of the greeting.
    pub greeting: Duration,
    /// From the facts to the answer, whatever happens in between.
    pub gate: Duration,
    /// From publishing our track until the bridge subscribes to it; the leg, which can publish again, gives up earlier.
    pub subscribed: Duration,
    /// From the subscription until the caller hears us, whatever the leg says; it keeps a shorter time of its own.
    pub active: Duration,
    /// Quiet while we owe the caller speech, before a comfort tone. On the telephone it is up to 0.3 s more.
    pub comfort: Duration,
    /// No sign of the model while it owes us speech, before the session counts as lost.
    pub reply: Duration,
    /// The same where another model can serve the call.
    pub reply_elsewhere: Duration,
    /// From the loss of a session in an answered call until another one must serve.
    pub failover: Duration,
    /// From the transfer of a caller to its outcome; the leg, which asks for it, gives up earlier.
    pub transfer: Duration,
    /// From what the model did, until the words before it are heard and those that go with it are said.
    pub last_words: Duration,
    /// From our asking for a goodbye until the model says it, or we do.
    pub goodbye_begins: Duration,
    /// From there until the caller is let go, whatever is still to be said.
    pub goodbye: Duration,
    /// From our hang-up until the leg must be gone: three steps of a second and a little.
    pub hang_up: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            arrival: Duration::from_secs(10),
            lookup: Duration::from_secs(3),
            model_open: Duration::from_millis(1500),
            model_configured: Duration::from_millis(1000),
            greeting: Duration::from_millis(2500),
            gate: Duration::from_secs(7),
            subscribed: Duration::from_secs(5),
            active: Duration::from_secs(2),
            comfort: Duration::from_millis(1400),
            reply: Duration::from_secs(8),
            reply_elsewhere: Duration::from_secs(4),
            failover: Duration::from_secs(10),
            transfer: Duration::from_secs(35),
            last_words: Duration::from_secs(30),
            goodbye_begins: Duration::from_millis(1500),
            goodbye: Duration::from_secs(12),
            hang_up: Duration::from_millis(3500),
        }
    }
}

impl Timings {
    /// With another budget of the lookup, 2 s by default: the answer may come later by as much.
    pub fn with_lookup(budget: Duration) -> Self {
        let default = Self::default();
        let more = budget.saturating_sub(Duration::from_secs(2));
        Self { lookup: budget + Duration::from_secs(1), gate: default.gate + more, ..default }
    }

    /// The longest that a caller may take to be let go who is told goodbye.
    pub fn letting_go(&self) -> Duration {
        self.goodbye + self.hang_up
    }

    /// The longest that a call may take from our joining its room to the answer: the leg waits 3.3 s for the facts.
    pub fn to_the_answer(&self) -> Duration {
        self.gate + Duration::from_secs(4)
    }
}
