//! Dialplane routes a carrier's phone call to an AI voice agent.
//!
//! # The path of a call
//!
//! ```text
//!  carrier ── SIP ──> livekit-sip ──> LiveKit room ──> ingress::livekit (agent worker, joins the room)
//!  carrier or phone ── SIP and RTP ──────────────────> ingress::sip     (our own port, no LiveKit)
//!                                                            │ Leg: LegEvent / LegCommand
//!                                                            v
//!    offer -> facts -> route -> permit -> config -> model -> answer -> converse -> ending -> record
//! ```
//!
//! - **offer** A LiveKit server asks for a worker, or an INVITE arrives; a slot is reserved before the answer is sent
//!   ([`ingress`], [`admission`]).
//! - **facts** The SIP participant's attributes, or the INVITE's headers, become a [`call::Call`]. A bad value never fails a call.
//! - **route** [`dialplan`] names the tenant and how the number matched. A pure function.
//! - **permit** The tenant's caps ([`admission`]), held until the record is written; when the backend names another
//!   tenant, that one's. A call beyond them becomes what the tenant says (`when_full`), by default busy.
//! - **config** [`lookup`] has the answer of the tenant's backend or asks for it; whatever goes wrong, a lower rung of
//!   the answer ladder serves: an older answer, the dialplan's agent, the router's default prompt.
//! - **model** [`realtime`] connects and prepares the greeting while the caller still hears ringback.
//! - **answer** Only then is our audio track published: livekit-sip answers the INVITE when it subscribes to it.
//! - **converse** The session moves audio both ways, yields to the caller, and keeps the limits.
//! - **ending** One [`call::Ending`] value per call, whoever ended it.
//! - **record** One [`record::CallRecord`] per call, written by [`store`].
//!
//! # Invariants
//!
//! - Decisions are pure functions of their input and `now`; tasks and sockets live at the edges. Nothing below
//!   `session::run`, the ingress and `app` reads a clock, but for `dialplan::reload`.
//! - Exactly one ending and one record per call; a panic costs one call.
//! - Every queue, cache, body, retry and wait has a bound. Every task has an owner.
//! - No number, prompt, transcript or key in a log line, a metric label or an error text ([`pii`]).
//! - There is no global state but rustls' crypto provider (`app::crypto`), which the libraries below ask for.
//!
//! # Modules, bottom to top
//!
//! A module may import what its row names; `pii` and `telemetry` are open to all. A foreign crate that has a
//! home here is imported nowhere else. `tests/it/tidy.rs` reads this table and holds the code to it.
//!
//! | module | what lives there | may import | foreign home |
//! |---|---|---|---|
//! | `pii` | redacting types | - | |
//! | `telemetry` | metric names and labels as enums, logs, the call's span | - | prometheus_client, tracing_subscriber |
//! | `tls` | whom we trust: the TLS of every outbound connection; who we are to inbound ones | - | rustls, rustls_native_certs |
//! | `document` | TOML with places: `Diagnostic`, `SecretRef` | - | toml |
//! | `http` | the outbound client: bounds, the signature of what it sends | document, tls | reqwest, aws_lc_rs |
//! | `call` | `Call`, numbers and plans, who is who by the headers, `Refusal`, `Ending` | - | phonenumber, rsipstack |
//! | `media` | frames, codecs, outlet, framer, pacer, the caller as the model hears it, recordings, how late we are | - | opus, hound |
//! | `tenant` | id, agent, `CallConfig`, the answer's wire form | call, document | |
//! | `fleet` | circuit breakers, rates, tenants' and trunks' calls at once | tenant | |
//! | `dialplan` | file, schedule, trunk, set, reload, resolve | document, http::sign, http::address, call, media, tenant, fleet | notify |
//! | `admission` | router slots, permits of tenants and of trunks | media, tenant, fleet | |
//! | `lookup` | call-config webhook, what is kept of it, the answer ladder | fleet, call, media, tenant, http, dialplan | moka |
//! | `realtime` | provider, commands, events; a file a dialect | tls, tenant, media, document | tokio_tungstenite, rustls |
//! | `tools` | what the model may do to the call: tools offered, tool calls read | call, tenant, realtime | |
//! | `livekit` | project, token, API, webhook, websocket, wire | tls | livekit_api, livekit_protocol, prost, tokio_tungstenite |
//! | `ingress` | `leg`; livekit/{worker, leg, signal, peer, rpc, facts, rescue}; sip/{uas, socket, stream, authentication, digest, door, body, dialog, leg, facts, sdp, rtp, srtp} | fleet, tls, call, media, livekit, dialplan::trunk, admission | str0m, rsipstack, aws_lc_rs, md5, tokio_rustls |
//! | `record` | the call record, usage | call, tenant, fleet, dialplan, lookup, realtime, media | |
//! | `store` | journal: JSON lines and open marks | call, record | |
//! | `session` | permit, setup, floor, failover, farewell, machine, run | fleet, call, media, tenant, dialplan, admission, lookup, realtime, tools, record, store, ingress::leg | |
//! | `kit` | strict scripted model, mock backend, phone | media | axum, aws_lc_rs |
//! | `admin` | health, `/metrics`, LiveKit's webhooks in | telemetry, livekit::webhook, media::lateness | axum |
//! | `config` | settings from file and environment | document, tls, http, call, tenant, dialplan, lookup, realtime, livekit, ingress::sip::settings | |
//! | `app` | wiring, signals, drain | * | rustls |
//! | `demo` | six calls that show what the router does | * | |
//! | `cli` | commands | * | clap, anyhow |

pub mod admin;
pub mod admission;
pub mod app;
pub mod call;
pub mod cli;
pub mod config;
pub mod demo;
pub mod dialplan;
pub mod document;
pub mod fleet;
pub mod http;
pub mod ingress;
pub mod kit;
pub mod livekit;
pub mod lookup;
pub mod media;
pub mod pii;
pub mod realtime;
pub mod record;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod tenant;
pub mod tls;
pub mod tools;
