//! What the commands read: dialplans and the settings' trunks, without a key or a network.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use jiff::Timestamp;

use crate::config::read_trunks;
use crate::dialplan::trunk::Trunks;
use crate::dialplan::{Loaded, Set};
use crate::document::{Diagnostic, Placeholders, Process, Surroundings};

/// The folder that the command line names, else `DIALPLANE_DIALPLANS`, else `dialplans`.
pub(super) fn folder(named: Option<&Path>) -> PathBuf {
    let variable = || Process.variable("DIALPLANE_DIALPLANS").map(PathBuf::from);
    named.map(Path::to_owned).or_else(variable).unwrap_or_else(|| "dialplans".into())
}

/// A folder as a router that starts now would have it.
pub(super) fn load(folder: &Path, trunks: Trunks, now: Timestamp) -> (Set, Loaded) {
    let mut set = Set::new(trunks);
    let loaded = set.reload(folder, &Placeholders, now);
    (set, loaded)
}

/// The trunks of a settings file without errors; its errors go to stderr.
pub(super) fn good_trunks(config: Option<&Path>) -> anyhow::Result<Trunks> {
    let (trunks, found) = read_trunks(config, &Process, &Placeholders);
    let good = !complain(&found);
    ensure!(good, "the settings have errors");
    Ok(trunks)
}

/// As [`load`], of a folder that has to be there; errors in its files go to stderr, and the good part counts. With it
/// comes whether there were any.
pub(super) fn load_good(
    folder: &Path,
    trunks: Trunks,
    now: Timestamp,
) -> anyhow::Result<(Set, Loaded, bool)> {
    ensure!(
        folder.is_dir(),
        "{}: found no such folder; accepted: a folder of *.toml files",
        folder.display()
    );
    let (set, loaded) = load(folder, trunks, now);
    let has_errors = complain(&loaded.diagnostics);
    Ok((set, loaded, has_errors))
}

fn complain(found: &[Diagnostic]) -> bool {
    let errors = || found.iter().filter(|diagnostic| diagnostic.is_error());
    errors().for_each(|error| eprintln!("{error}"));
    errors().next().is_some()
}
