mod labels;
mod media;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use labels::{
    Authenticated, Direction, Dropped, JournalWrite, Posted, RateOf, Reload, Rescued, TurnedAway,
};
use labels::{Config, Ended, Limit, Outcome, Project, RateLimit, Reason, Status, Write};
use media::Media;

/// The router's metrics. Clones share them.
///
/// A label's value is a `&'static str`, the `name()` of an enum, or a project's or provider's name from the settings: the
/// number of series is bounded, and no caller can write one.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    offered: Counter,
    active: Gauge,
    turned_away: Family<Reason, Counter>,
    sip_dropped: Family<Reason, Counter>,
    srtp_refused: Family<Reason, Counter>,
    sip_refused: Family<Status, Counter>,
    sip_authentications: Family<Outcome, Counter>,
    ended: Family<Ended, Counter>,
    rescued: Family<Outcome, Counter>,
    webhooks: Family<Outcome, Counter>,
    yielded: Counter,
    resumed: Counter,
    limited: Family<Limit, Counter>,
    config: Family<Config, Counter>,
    config_seconds: Histogram,
    config_requests: Family<Outcome, Counter>,
    config_retries: Counter,
    config_refreshes: Counter,
    config_coalesced: Counter,
    config_cache_entries: Gauge,
    config_cache_bytes: Gauge,
    config_breakers_open: Gauge,
    answer_seconds: Histogram,
    greeting_seconds: Histogram,
    barge_ins: Counter,
    media: Media,
    model_closed: Family<Reason, Counter>,
    model_given_up: Family<Reason, Counter>,
    model_breakers_open: Gauge,
    model_rate_limit_left: Family<RateLimit, Gauge<f64, AtomicU64>>,
    journal_errors: Family<Write, Counter>,
    journal_syncs: Counter,
    registered: Family<Project, Gauge>,
    slots_taken: Gauge,
    slots_limit: Gauge,
    tasks: Gauge,
    dialplan_reloads: Family<Outcome, Counter>,
    dialplan_problems: Gauge,
}

/// One call up, from the offer until this is dropped.
#[derive(Debug)]
pub struct CallUp(Gauge);

/// Around the budget of a lookup, 2 s.
const CONFIG_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.75, 1.0, 1.5, 2.0];
/// From a good answer on loopback to the end of the answer gate, 7 s.
const CALL_BUCKETS: [f64; 14] = [0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0];

impl Metrics {
    /// With every metric at zero.
    pub fn new() -> Self {
        let mut all = Inner {
            registry: Registry::with_prefix("dialplane"),
            offered: Counter::default(),
            active: Gauge::default(),
            turned_away: Family::default(),
            sip_dropped: Family::default(),
            srtp_refused: Family::default(),
            sip_refused: Family::default(),
            sip_authentications: Family::default(),
            ended: Family::default(),
            rescued: Family::default(),
            webhooks: Family::default(),
            yielded: Counter::default(),
            resumed: Counter::default(),
            limited: Family::default(),
            config: Family::default(),
            config_seconds: Histogram::new(CONFIG_BUCKETS),
            config_requests: Family::default(),
            config_retries: Counter::default(),
            config_refreshes: Counter::default(),
            config_coalesced: Counter::default(),
            config_cache_entries: Gauge::default(),
            config_cache_bytes: Gauge::default(),
            config_breakers_open: Gauge::default(),
            answer_seconds: Histogram::new(CALL_BUCKETS),
            greeting_seconds: Histogram::new(CALL_BUCKETS),
            barge_ins: Counter::default(),
            media: Media::default(),
            model_closed: Family::default(),
            model_given_up: Family::default(),
            model_breakers_open: Gauge::default(),
            model_rate_limit_left: Family::default(),
            journal_errors: Family::default(),
            journal_syncs: Counter::default(),
            registered: Family::default(),
            slots_taken: Gauge::default(),
            slots_limit: Gauge::default(),
            tasks: Gauge::default(),
            dialplan_reloads: Family::default(),
            dialplan_problems: Gauge::default(),
        };
        all.register_calls();
        all.register_config();
        all.register_router();
        Self(Arc::new(all))
    }

    /// A call was offered and a slot reserved.
    pub fn call_offered(&self) -> CallUp {
        self.0.offered.inc();
        self.0.active.inc();
        CallUp(self.0.active.clone())
    }

    pub fn offer_turned_away(&self, why: TurnedAway) {
        self.0.turned_away.get_or_create(&Reason { reason: why.name() }).inc();
    }

    /// A message at our SIP port got no answer, or a connection was closed before it had any.
    pub fn sip_dropped(&self, why: Dropped) {
        self.0.sip_dropped.get_or_create(&Reason { reason: why.name() }).inc();
    }

    /// A packet on a call's port was not opened by the caller's SRTP key.
    pub fn srtp_refused(&self, why: &'static str) {
        self.0.srtp_refused.get_or_create(&Reason { reason: why }).inc();
    }

    /// An INVITE at our SIP port was answered so before there was a call. The status is one of ours, and they are few.
    pub fn sip_refused(&self, status: u16) {
        self.0.sip_refused.get_or_create(&Status { status }).inc();
    }

    /// A request at our SIP port had to say whose it is.
    pub fn sip_authenticated(&self, outcome: Authenticated) {
        self.0.sip_authentications.get_or_create(&Outcome { outcome: outcome.name() }).inc();
    }

    /// A caller was found without an agent.
    pub fn rescued(&self, rescued: Rescued) {
        self.0.rescued.get_or_create(&Outcome { outcome: rescued.name() }).inc();
    }

    pub fn webhook(&self, posted: Posted) {
        self.0.webhooks.get_or_create(&Outcome { outcome: posted.name() }).inc();
    }

    /// A job was left to another agent of ours, who was in the room first.
    pub fn yielded(&self) {
        self.0.yielded.inc();
    }

    /// A session began with a caller whose call was answered already.
    pub fn resumed(&self) {
        self.0.resumed.inc();
    }

    /// By the names of the ending and of its detail.
    pub fn call_ended(&self, ending: &'static str, detail: Option<&'static str>) {
        let labels = Ended { ending, detail: detail.unwrap_or("") };
        self.0.ended.get_or_create(&labels).inc();
    }

    /// A call met one of its tenant's limits, by the limit's name.
    pub fn call_limited(&self, limit: &'static str) {
        self.0.limited.get_or_create(&Limit { limit }).inc();
    }

    /// By the names of the rung that served and of why it is not the backend.
    pub fn config_found(&self, source: &'static str, why: Option<&'static str>, took: Duration) {
        let labels = Config { source, why: why.unwrap_or("") };
        self.0.config.get_or_create(&labels).inc();
        self.0.config_seconds.observe(took.as_secs_f64());
    }

    /// A request to a backend ended: `answered`, or why not.
    pub fn config_requested(&self, outcome: &'static str) {
        self.0.config_requests.get_or_create(&Outcome { outcome }).inc();
    }

    /// A request that failed is made once more.
    pub fn config_retried(&self) {
        self.0.config_retries.inc();
    }

    /// A kept answer is asked for again behind a call.
    pub fn config_refreshed(&self) {
        self.0.config_refreshes.inc();
    }

    /// A call waits for another call's request.
    pub fn config_coalesced(&self) {
        self.0.config_coalesced.inc();
    }

    /// What is kept of backends' answers.
    pub fn config_cache(&self, entries: u64, bytes: u64) {
        self.0.config_cache_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.0.config_cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn config_breakers(&self, open: usize) {
        self.0.config_breakers_open.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// From the offer until the caller could hear us.
    pub fn call_answered(&self, took: Duration) {
        self.0.answer_seconds.observe(took.as_secs_f64());
    }

    /// From the offer until the first frame of speech left.
    pub fn greeting_started(&self, took: Duration) {
        self.0.greeting_seconds.observe(took.as_secs_f64());
    }

    /// Of one call.
    pub fn barge_ins(&self, count: u32) {
        self.0.barge_ins.inc_by(u64::from(count));
    }

    /// `asked`, `lost`, `busy`, `refused`.
    pub fn model_closed(&self, reason: &'static str) {
        self.0.model_closed.get_or_create(&Reason { reason }).inc();
    }

    /// A session that did not last as long as its call, by why.
    pub fn model_given_up(&self, reason: &'static str) {
        self.0.model_given_up.get_or_create(&Reason { reason }).inc();
    }

    pub fn model_breakers(&self, open: usize) {
        self.0.model_breakers_open.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// What a provider says is left of its limit.
    pub fn model_rate_limit(&self, provider: &Arc<str>, of: RateOf, percent: u8) {
        let labels = RateLimit { provider: Arc::clone(provider), of: of.name() };
        self.0.model_rate_limit_left.get_or_create(&labels).set(f64::from(percent) / 100.0);
    }

    pub fn journal_failed(&self, what: JournalWrite) {
        self.0.journal_errors.get_or_create(&Write { what }).inc();
    }

    pub fn journal_synced(&self) {
        self.0.journal_syncs.inc();
    }

    pub fn worker_registered(&self, project: &Arc<str>, registered: bool) {
        let labels = Project { project: Arc::clone(project) };
        self.0.registered.get_or_create(&labels).set(registered.into());
    }

    pub fn slots(&self, taken: usize, limit: usize) {
        self.0.slots_taken.set(i64::try_from(taken).unwrap_or(i64::MAX));
        self.0.slots_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    /// Tasks of the runtime that have not ended.
    pub fn tasks(&self, alive: usize) {
        self.0.tasks.set(i64::try_from(alive).unwrap_or(i64::MAX));
    }

    pub fn dialplans_reloaded(&self, reload: Reload) {
        self.0.dialplan_reloads.get_or_create(&Outcome { outcome: reload.name() }).inc();
    }

    /// Errors in the dialplans as they stand.
    pub fn dialplan_problems(&self, problems: usize) {
        self.0.dialplan_problems.set(i64::try_from(problems).unwrap_or(i64::MAX));
    }

    /// All of them in OpenMetrics' text format.
    pub fn render(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry).expect("writing to a string does not fail");
        out
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Drop for CallUp {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Inner {
    fn register_calls(&mut self) {
        let r = &mut self.registry;
        r.register("calls_offered", "Calls that got a slot", self.offered.clone());
        r.register("calls_active", "Calls between offer and record", self.active.clone());
        r.register("offers_turned_away", "Offers that were not taken", self.turned_away.clone());
        let help = "Messages and connections at our SIP port without an answer";
        r.register("sip_dropped", help, self.sip_dropped.clone());
        r.register(
            "srtp_refused",
            "Packets that a caller's SRTP key did not open",
            self.srtp_refused.clone(),
        );
        r.register("sip_refused", "INVITEs refused before there was a call", self.sip_refused.clone());
        let help = "Requests at our SIP port that had to have credentials";
        r.register("sip_authentications", help, self.sip_authentications.clone());
        r.register("calls_ended", "Calls by how they ended", self.ended.clone());
        let help = "Callers found without an agent, by what was done about it";
        r.register("rescues", help, self.rescued.clone());
        let help = "LiveKit's webhooks, by whether a project had signed them";
        r.register("livekit_webhooks", help, self.webhooks.clone());
        let help = "Jobs left to another router, which was in the room first";
        r.register("jobs_yielded", help, self.yielded.clone());
        let help = "Sessions begun in a call that was answered already";
        r.register("calls_resumed", help, self.resumed.clone());
        r.register("calls_limited", "Calls beyond a limit of their tenant", self.limited.clone());
        let help = "From the offer until the caller could hear us";
        r.register_with_unit("answer", help, Unit::Seconds, self.answer_seconds.clone());
        let help = "From the offer until the first frame of speech left";
        r.register_with_unit("greeting", help, Unit::Seconds, self.greeting_seconds.clone());
        r.register("barge_ins", "Times a caller spoke over us", self.barge_ins.clone());
        self.media.register(r);
    }

    fn register_config(&mut self) {
        let r = &mut self.registry;
        r.register("config_lookups", "Lookups by the rung that served, and why", self.config.clone());
        let help = "Time of a lookup";
        r.register_with_unit("config", help, Unit::Seconds, self.config_seconds.clone());
        let help = "Requests to backends by what came of them";
        r.register("config_requests", help, self.config_requests.clone());
        r.register("config_retries", "Second requests after a failed one", self.config_retries.clone());
        let help = "Kept answers that were asked for again behind a call";
        r.register("config_refreshes", help, self.config_refreshes.clone());
        let help = "Lookups that waited for another call's request";
        r.register("config_coalesced", help, self.config_coalesced.clone());
        let help = "Keys with something kept of a backend";
        r.register("config_cache_entries", help, self.config_cache_entries.clone());
        let help = "Memory that takes, about";
        r.register_with_unit("config_cache", help, Unit::Bytes, self.config_cache_bytes.clone());
        let help = "Backends, or tenants of one, that are left alone";
        r.register("config_breakers_open", help, self.config_breakers_open.clone());
    }

    fn register_router(&mut self) {
        let r = &mut self.registry;
        r.register("model_sessions_closed", "Model sessions by why they closed", self.model_closed.clone());
        let help = "Model sessions that did not last as long as their call, by why";
        r.register("model_sessions_given_up", help, self.model_given_up.clone());
        let help = "Model providers that the calls of a tenant leave alone";
        r.register("model_breakers_open", help, self.model_breakers_open.clone());
        let help = "What a provider last said is left of its rate limits";
        r.register("model_rate_limit_left_ratio", help, self.model_rate_limit_left.clone());
        r.register("journal_errors", "Writes to the journal that failed", self.journal_errors.clone());
        r.register("journal_syncs", "Times the journal waited for the disk", self.journal_syncs.clone());
        r.register("worker_registered", "Whether a project's LiveKit sends calls", self.registered.clone());
        r.register("slots_taken", "This router's slots in use", self.slots_taken.clone());
        r.register("slots_limit", "This router's slots", self.slots_limit.clone());
        r.register("tasks", "Tasks of the runtime that have not ended", self.tasks.clone());
        r.register("dialplan_reloads", "Times dialplans were read again", self.dialplan_reloads.clone());
        r.register("dialplan_problems", "Errors in the dialplans", self.dialplan_problems.clone());
    }
}

#[cfg(test)]
mod tests;
