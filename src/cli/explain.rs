//! `dialplane explain`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use jiff::{Timestamp, Zoned};

use super::folder::{folder, good_trunks, load_good};
use super::wire;
use crate::call::identity::identify;
use crate::call::{Call, CallId, Country, Diverter, Origin, Trunk, TrunkRules};
use crate::dialplan::trunk::{TrunkPlan, Trunks};
use crate::pii::Redacted;

/// Say where a call would go, and why not elsewhere.
///
/// It needs no keys and no network. The call is read as one that arrives: by the numbering plan of its trunk where the
/// settings name the trunk, and headers such as diversion, p-asserted-identity and privacy count. Errors of dialplans
/// go to stderr, and the good files answer. Exits 0 with a route, also one that refuses the call; 1 without one; 2 when
/// the command line or the settings are wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The called number, as the carrier would write it.
    #[arg(long, value_name = "NUMBER", value_parser = NonEmptyStringValueParser::new())]
    called: String,
    /// The caller's number, or anonymous, which is the default. An anonymous caller's share is drawn for each call;
    /// here always the same.
    #[arg(long, value_name = "NUMBER", value_parser = NonEmptyStringValueParser::new())]
    caller: Option<String>,
    /// The trunk that the call comes in on, by its name in the settings or its id.
    #[arg(long, value_name = "NAME|ID", value_parser = NonEmptyStringValueParser::new())]
    trunk: Option<String>,
    /// The LiveKit project.
    #[arg(long, value_name = "NAME", default_value = "main")]
    project: String,
    /// The number that forwarded the call.
    #[arg(long, value_name = "NUMBER", value_parser = NonEmptyStringValueParser::new())]
    diverted: Option<String>,
    /// A SIP header of the call; may be given again.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Reads national numbers where the trunk's settings don't say: an ISO 3166 code such as US.
    #[arg(long, value_name = "CODE", value_parser = country)]
    country: Option<Country>,
    /// When: 2026-12-24T19:00:00Z, or a local time with its zone, "2026-12-24 19:00[America/New_York]" [default: now].
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// The folder [default: DIALPLANE_DIALPLANS, else dialplans].
    #[arg(long, value_name = "DIR")]
    dialplans: Option<PathBuf>,
    /// The settings: of the file only its trunks are read [default: DIALPLANE_CONFIG, else none].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn explain(args: &Explain, now: Timestamp, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let trunks = good_trunks(args.config.as_deref())?;
    let at = args.at.unwrap_or(now);
    let call = args.call(&trunks, at);
    let (_, loaded, _) = load_good(&folder(args.dialplans.as_deref()), trunks, now)?;
    if call.called.e164.is_none() {
        eprintln!(
            "note: the called number is not in international form, such as +15557770001, and its country is not known: \
             give a --trunk of the settings, or a --country"
        );
    }
    let explanation = loaded.dialplan.explain(&call, at);
    if args.json {
        wire::print(&wire::explained(&call, at, &explanation), out)?;
    } else {
        write!(out, "{explanation}")?;
    }
    Ok(if explanation.winner.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Explain {
    fn call(&self, trunks: &Trunks, at: Timestamp) -> Call {
        let plan = self.trunk.as_deref().and_then(|trunk| trunks.named(trunk));
        let rules = self.rules(plan);
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), Redacted::from(value.as_str())));
        let parties = identify(Some(&self.called), self.caller.as_deref(), headers.collect(), &rules);
        let diverter = self.diverted.as_deref().map(|number| Diverter::open(rules.numbers.read(number)));
        let origin = Origin::LiveKit { project: self.project.as_str().into() };
        Call {
            diverter: diverter.or_else(|| parties.diverter.clone()),
            trunk: self.trunk.as_deref().map(|named| trunk(named, plan)),
            ..Call::between(parties, CallId::from_u128(0), origin, at)
        }
    }

    fn rules(&self, plan: Option<&TrunkPlan>) -> TrunkRules {
        let mut rules = plan.map(|plan| plan.rules.clone()).unwrap_or_default();
        rules.numbers.country = rules.numbers.country.or(self.country);
        rules
    }
}

fn trunk(named: &str, plan: Option<&TrunkPlan>) -> Trunk {
    Trunk { id: named.to_owned(), name: plan.map(|plan| plan.name.clone()) }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_ascii_lowercase(), value.to_owned()))
        }
        Some(_) | None => Err("accepted: a header's name, = and its value, such as x-campaign=spring".into()),
    }
}

fn country(text: &str) -> Result<Country, String> {
    Country::parse(text).ok_or_else(|| "accepted: an ISO 3166 code of two letters, such as US".into())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let local = || text.parse::<Zoned>().map(|zoned| zoned.timestamp());
    text.parse().or_else(|_| local()).map_err(|_| {
        "accepted: a time with its offset, 2026-12-24T19:00:00-05:00, or with its zone, \
         \"2026-12-24 19:00[America/New_York]\""
            .into()
    })
}
