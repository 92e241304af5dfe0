//! `dialplane check`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;

use super::folder::{folder, load};
use super::wire;
use crate::config::read_trunks;
use crate::document::{Diagnostic, Placeholders, Process};

/// Print every error and warning of a folder of dialplans.
///
/// It needs no keys and no network. Exits 0 without errors, warnings or not; 1 with errors; 2 when the command line is
/// wrong.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The folder [default: DIALPLANE_DIALPLANS, else dialplans].
    dir: Option<PathBuf>,
    /// The settings: of the file only its trunks and when_model_down are read [default: DIALPLANE_CONFIG,
    /// else none].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn check(args: &Check, now: Timestamp, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let folder = folder(args.dir.as_deref());
    let (trunks, mut found) = read_trunks(args.config.as_deref(), &Process, &Placeholders);
    let (set, loaded) = load(&folder, trunks, now);
    let (tenants, patterns) = (loaded.dialplan.tenants(), loaded.dialplan.patterns());
    let mut of_folder = loaded.diagnostics;
    of_folder.extend(set.lints(now));
    of_folder.sort_by(|a, b| (a.place.path(), &a.place).cmp(&(b.place.path(), &b.place)));
    found.extend(of_folder);
    let errors = found.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = found.len() - errors;
    if args.json {
        let diagnostics = found.iter().map(wire::diagnostic).collect();
        let checked = wire::Checked { files: loaded.files, tenants, patterns, errors, warnings, diagnostics };
        wire::print(&checked, out)?;
    } else {
        write_text(&found, out)?;
        let counts = [
            counted(loaded.files, "file", "files"),
            counted(tenants, "tenant", "tenants"),
            counted(patterns, "number or pattern", "numbers and patterns"),
            counted(errors, "error", "errors"),
            counted(warnings, "warning", "warnings"),
        ];
        writeln!(out, "{}: {}", folder.display(), counts.join(", "))?;
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_text(found: &[Diagnostic], out: &mut impl Write) -> std::io::Result<()> {
    found.iter().try_for_each(|diagnostic| writeln!(out, "{diagnostic}"))
}

/// "no tenants", "1 tenant", "2 tenants".
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
