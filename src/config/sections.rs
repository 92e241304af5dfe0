//! The file's sections, each with its variables.

use std::collections::BTreeSet;
use std::sync::Arc;

use url::Url;

use super::builtin;
use super::layers::{Layers, Named};
use super::variables::Variables;
use crate::dialplan::{AGENT_KEYS, read_agent};
use crate::document::{Keys, Surroundings, Table};
use crate::livekit::{Orphans, Project};
use crate::lookup::Unmatched;
use crate::realtime::{Dialect, Provider};
use crate::tenant::Agent;

const LIVEKIT_KEYS: Keys = Keys::only(&["name", "url", "api_key", "api_secret", "agent_names", "orphans"]);
const PROVIDER_KEYS: Keys =
    Keys::only(&["name", "dialect", "url", "api_key", "model", "fallback", "transcription", "g711"]);
const UNMATCHED_KEYS: Keys = Keys::only(&["action"]);

const LIVEKIT_URL: Named = Named { key: "url", variable: "LIVEKIT_URL" };
const LIVEKIT_KEY: Named = Named { key: "api_key", variable: "LIVEKIT_API_KEY" };
const LIVEKIT_SECRET: Named = Named { key: "api_secret", variable: "LIVEKIT_API_SECRET" };
const OPENAI_URL: Named = Named { key: "url", variable: "OPENAI_BASE_URL" };
const OPENAI_KEY: Named = Named { key: "api_key", variable: "OPENAI_API_KEY" };

const LIVEKIT_ACCEPTED: &str =
    "the server's ws, wss, http or https address, such as wss://project.livekit.cloud";
const PROVIDER_ACCEPTED: &str = "an http or https address, such as https://api.openai.com/v1";
const OPENAI: &str = "api.openai.com";
const DEFAULT_PROVIDER: &str = "https://api.openai.com/v1";
const DEFAULT_MODEL: &str = "gpt-realtime-2.1";
/// Beside the default model alone: of another model's relatives nothing is known.
const DEFAULT_FALLBACK: &str = "gpt-realtime-2.1-mini";
const DEFAULT_TRANSCRIPTION: &str = "gpt-transcribe";
const DEFAULT_AGENT_NAME: &str = "pstn-voice-agent";

pub(super) fn read_projects(
    root: &Table<'_>,
    variables: &Variables<'_>,
    surroundings: &dyn Surroundings,
    may_be_none: bool,
) -> Option<Vec<Project>> {
    let tables = root.tables("livekit", LIVEKIT_KEYS);
    let named =
        || [LIVEKIT_URL, LIVEKIT_KEY, LIVEKIT_SECRET].iter().any(|it| variables.get(it.variable).is_some());
    if may_be_none && root.get("livekit").is_none() && !named() {
        return Some(Vec::new());
    }
    refuse_ambiguous(variables, LIVEKIT_URL, "[[livekit]]", tables.len());
    let agent_names = variables.get("DIALPLANE_AGENT_NAME").map(|name| vec![Arc::from(name)]);
    let read = |layers: Layers<'_, '_>| {
        let url = layers.address(LIVEKIT_URL, LIVEKIT_ACCEPTED, &["ws", "wss", "http", "https"]);
        if matches!(url, Ok(None)) {
            let or_sip = format!("{LIVEKIT_ACCEPTED}, or DIALPLANE_SIP to take SIP calls without LiveKit");
            layers.report_missing(
                LIVEKIT_URL,
                LIVEKIT_ACCEPTED,
                if may_be_none { LIVEKIT_ACCEPTED } else { &or_sip },
            );
        }
        let name = read_name(layers.table, "main");
        let api_key = layers.secret(LIVEKIT_KEY, "the project's API key");
        let api_secret = layers.secret(LIVEKIT_SECRET, "the project's API secret");
        let written = layers.table.map_or(Some(None), read_agent_names);
        let orphans = layers.table.map_or(Some(Orphans::default()), read_orphans);
        Some(Project {
            name: name?,
            url: url.ok()??,
            api_key: api_key?,
            api_secret: api_secret?,
            agent_names: agent_names.clone().or(written?).unwrap_or_else(|| vec![DEFAULT_AGENT_NAME.into()]),
            orphans: orphans?,
        })
    };
    read_each(&tables, variables, surroundings, read)
}

pub(super) fn read_providers(
    root: &Table<'_>,
    variables: &Variables<'_>,
    surroundings: &dyn Surroundings,
) -> Option<Vec<Provider>> {
    let tables = root.tables("provider", PROVIDER_KEYS);
    refuse_ambiguous(variables, OPENAI_URL, "[[provider]]", tables.len());
    let read = |layers: Layers<'_, '_>| {
        let url = layers.address(OPENAI_URL, PROVIDER_ACCEPTED, &["http", "https"]);
        let name = read_name(layers.table, "openai");
        let dialect = layers.table.map_or(Some(Dialect::OpenAiRealtime), read_dialect);
        let api_key = layers.secret(OPENAI_KEY, "the model server's API key");
        let models = read_models(layers.table);
        let transcription = read_transcription(layers.table, dialect);
        let g711 =
            layers.table.and_then(|table| table.get("g711")).map(|value| value.boolean("true or false"));
        let url = match (url, dialect) {
            (Ok(None), Some(Dialect::OpenAiRealtimeBeta)) => {
                // OpenAI itself speaks it no more.
                layers.report_missing(OPENAI_URL, PROVIDER_ACCEPTED, PROVIDER_ACCEPTED);
                Ok(None)
            }
            (url, _) => url.map(|url| url.or_else(|| Url::parse(DEFAULT_PROVIDER).ok())),
        };
        let (model, fallback) = models?;
        let url = url.ok()??;
        // A server that only looks like OpenAI's may take the words for G.711 and mean PCM: callers would hear noise.
        let g711 = g711.unwrap_or_else(|| Some(is_openai(&url)));
        Some(Provider {
            name: name?,
            dialect: dialect?,
            url,
            api_key: api_key?,
            model,
            fallback,
            transcription: transcription?,
            g711: g711?,
        })
    };
    read_each(&tables, variables, surroundings, read)
}

/// OpenAI itself, in any of its regions.
fn is_openai(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == OPENAI || host.ends_with(".api.openai.com"))
}

/// A provider's model, and those for calls whose own is refused.
fn read_models(table: Option<&Table<'_>>) -> Option<(String, Vec<String>)> {
    let key = |key| table.and_then(|table| table.get(key));
    let model = key("model").map(|value| value.parsed("the name of a model", filled));
    let fallback = key("fallback").map(|value| {
        let items = value.items("an array of names of models")?;
        items.iter().map(|item| item.parsed("the name of a model", filled)).collect::<Option<Vec<_>>>()
    });
    let fallback = match (&model, fallback) {
        (_, Some(written)) => written?,
        (None, None) => vec![DEFAULT_FALLBACK.to_owned()],
        (Some(_), None) => Vec::new(),
    };
    Some((model.unwrap_or_else(|| Some(DEFAULT_MODEL.to_owned()))?, fallback))
}

/// `Some(None)` where callers are not to be written down.
fn read_transcription(table: Option<&Table<'_>>, dialect: Option<Dialect>) -> Option<Option<String>> {
    let Some(value) = table.and_then(|table| table.get("transcription")) else {
        // Which models the servers of the older dialect have, only their operators know.
        let known = dialect != Some(Dialect::OpenAiRealtimeBeta);
        return Some(known.then(|| DEFAULT_TRANSCRIPTION.to_owned()));
    };
    value.parsed("the name of a model, or \"\" for none", |text| Some(filled(text)))
}

pub(super) fn read_default_agent(root: &Table<'_>) -> Agent {
    let written = root.table("default_agent", AGENT_KEYS).map(|table| read_agent(&table));
    written.unwrap_or_default().over(builtin::agent())
}

pub(super) fn read_unmatched(root: &Table<'_>, has_backend: bool) -> Option<Unmatched> {
    let value = root.table("unmatched", UNMATCHED_KEYS)?.require("action", "ask, reject or default")?;
    match value.choice(["ask", "reject", "default"])? {
        "ask" if !has_backend => {
            value.report_found("ask without a backend", "reject or default, or ask with [call_config]");
            None
        }
        "ask" => Some(Unmatched::Ask),
        "reject" => Some(Unmatched::Reject),
        _ => Some(Unmatched::Default),
    }
}

/// Reads every table, or without one the variables alone. `None` when one of them is wrong.
fn read_each<T>(
    tables: &[Table<'_>],
    variables: &Variables<'_>,
    surroundings: &dyn Surroundings,
    read: impl Fn(Layers<'_, '_>) -> Option<T>,
) -> Option<Vec<T>> {
    let variables = (tables.len() <= 1).then_some(variables);
    if tables.is_empty() {
        return read(Layers { table: None, variables, surroundings }).map(|only| vec![only]);
    }
    let mut names = BTreeSet::new();
    for value in tables.iter().filter_map(|table| table.get("name")) {
        if value.text("text").is_some_and(|name| !names.insert(name)) {
            value.report_found("the name of another one", "a name of its own for each");
        }
    }
    // Collected in two steps, so that an error in the first does not hide those of the second.
    let all: Vec<Option<T>> =
        tables.iter().map(|table| read(Layers { table: Some(table), variables, surroundings })).collect();
    all.into_iter().collect()
}

fn refuse_ambiguous(variables: &Variables<'_>, named: Named, section: &str, count: usize) {
    if count > 1 && variables.get(named.variable).is_some() {
        variables
            .report(named.variable, format!("found beside {count} {section}; accepted: beside one at most"));
    }
}

fn read_name(table: Option<&Table<'_>>, default: &str) -> Option<Arc<str>> {
    let Some(table) = table else { return Some(default.into()) };
    table.require("name", "text")?.parsed("text", filled).map(Arc::from)
}

/// `Some(None)` when the section has none.
fn read_agent_names(table: &Table<'_>) -> Option<Option<Vec<Arc<str>>>> {
    const ACCEPTED: &str = "an array of at least one agent name";
    let Some(value) = table.get("agent_names") else { return Some(None) };
    let items = value.items(ACCEPTED)?;
    if items.is_empty() {
        value.report_found("an empty array", ACCEPTED);
        return None;
    }
    let names: Vec<_> =
        items.iter().map(|item| item.parsed("an agent's name", filled).map(Arc::from)).collect();
    names.into_iter().collect::<Option<Vec<_>>>().map(Some)
}

fn read_orphans(table: &Table<'_>) -> Option<Orphans> {
    let Some(value) = table.get("orphans") else { return Some(Orphans::default()) };
    Some(match value.choice(["resume", "hang-up"])? {
        "resume" => Orphans::Resume,
        _ => Orphans::HangUp,
    })
}

fn read_dialect(table: &Table<'_>) -> Option<Dialect> {
    const GA: &str = "openai-realtime";
    const BETA: &str = "openai-realtime-beta";
    let Some(value) = table.get("dialect") else { return Some(Dialect::OpenAiRealtime) };
    match value.choice([GA, BETA, "openai-live", "gemini-live"])? {
        GA => Some(Dialect::OpenAiRealtime),
        BETA => Some(Dialect::OpenAiRealtimeBeta),
        other => {
            value.report(format!("dialect: {other} is not yet supported; accepted: {GA}, {BETA}"));
            None
        }
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}
