//! `dialplane diff`.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;

use super::check::counted;
use super::folder::{folder, good_trunks, load_good};
use super::wire;
use crate::call::CallId;
use crate::dialplan::{Dialplan, diff as changes};
use crate::record::replay::{Replayed, replay};

/// Say which numbers change hands between two folders of dialplans.
///
/// One line for each number or pattern, with the routes that calls to it try in order. It needs no keys and no network.
/// Exits as diff(1) does: 0 when nothing changes, 1 when something does, 2 on trouble, errors in dialplans included;
/// their good files are still compared.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// The folder as it was.
    old: PathBuf,
    /// The folder as it is to be [default: DIALPLANE_DIALPLANS, else dialplans].
    new: Option<PathBuf>,
    /// Call records (DIALPLANE_RECORDS): says too which of these calls would go elsewhere, each at its own time.
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// The settings: of the file only its trunks are read [default: DIALPLANE_CONFIG, else none].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn diff(args: &Diff, now: Timestamp, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let trunks = good_trunks(args.config.as_deref())?;
    let (old_set, old, old_is_bad) = load_good(&args.old, trunks.clone(), now)?;
    let (new_set, new, new_is_bad) = load_good(&folder(args.new.as_deref()), trunks, now)?;
    let changes = changes((&old_set, &old.dialplan), (&new_set, &new.dialplan));
    let calls = args.calls.as_deref().map(|file| moved(file, &old.dialplan, &new.dialplan)).transpose()?;
    if args.json {
        wire::print(&wire::differences(&changes, calls.as_ref()), out)?;
    } else {
        changes.iter().try_for_each(|change| writeln!(out, "{change}"))?;
        if let Some(calls) = &calls {
            calls.moved.iter().try_for_each(|call| writeln!(out, "{call}"))?;
            writeln!(out, "{calls}")?;
        }
    }
    let same = changes.is_empty() && calls.is_none_or(|calls| calls.moved.is_empty());
    Ok(match (old_is_bad || new_is_bad, same) {
        (true, _) => super::trouble(),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// What becomes of recorded calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) read: usize,
    /// Lines without a call that can be placed again.
    pub(super) unreadable: usize,
    pub(super) moved: Vec<Moved>,
}

/// A call that goes elsewhere; a route as `tenant/route`, with what it refuses the call for.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) id: CallId,
    pub(super) at: Timestamp,
    pub(super) called: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

fn moved(file: &Path, old: &Dialplan, new: &Dialplan) -> anyhow::Result<Calls> {
    let trouble = || format!("{}: cannot be read", file.display());
    let records = BufReader::new(File::open(file).with_context(trouble)?);
    let mut calls = Calls::default();
    for line in replay(records) {
        let Replayed::Call(call) = line.with_context(trouble)? else {
            calls.unreadable += 1;
            continue;
        };
        calls.read += 1;
        let at = call.received_at;
        let [old, new] = [old, new].map(|plan| plan.resolve(&call, at).map(|routed| routed.to_string()));
        if old != new {
            let called = call.called.best().to_owned();
            calls.moved.push(Moved { id: call.id, at, called, old, new });
        }
    }
    Ok(calls)
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [old, new] = [&self.old, &self.new].map(|route| route.as_deref().unwrap_or("nobody"));
        write!(f, "{} {:.0} {}: {old} -> {new}", self.id, self.at, self.called)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.read == 1 { "call" } else { "calls" };
        write!(f, "{} of {} {calls} would go elsewhere", self.moved.len(), self.read)?;
        match self.unreadable {
            0 => Ok(()),
            lines => {
                let lines = counted(lines, "line has", "lines have");
                write!(f, "; {lines} no call that can be placed again")
            }
        }
    }
}
