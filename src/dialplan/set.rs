//! A folder of dialplan files: read, compared with each other, compiled.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::hash::Hash;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::file::{self, TenantFile};
use super::table::{Table, Target};
use super::{Dialplan, Tenant};
use crate::document::{self, Diagnostic, Place, Surroundings};

/// A larger file is not read.
const LARGEST: u64 = 16 * 1024 * 1024;

/// One dialplan file as it was read.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: Arc<Path>,
    pub text: String,
    /// When the file was changed last: of two files that want the same number, the newer is held back.
    pub modified: SystemTime,
}

/// What a folder yielded.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    pub dialplan: Dialplan,
    /// File by file, in the order of their names and of their lines.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files there were, good or bad: whether dialplans exist at all.
    pub files: usize,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads the folder's `*.toml`, in the order of their names, hidden ones (editors' lock files) left out.
pub(super) fn gather(folder: &Path) -> (Vec<Source>, Vec<Diagnostic>) {
    let listed: io::Result<Vec<_>> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let paths = match listed {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("cannot be read: {}; accepted: a folder of *.toml files", error.kind());
            return (Vec::new(), vec![Diagnostic::error(Place::Whole(folder.into()), message)]);
        }
    };
    let is_dialplan = |path: &Path| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|extension| extension == "toml")
    };
    let paths: BTreeSet<_> = paths.into_iter().filter(|path| is_dialplan(path)).collect();
    let mut sources = Vec::new();
    let mut unreadable = Vec::new();
    for path in paths {
        match open(path.into()) {
            Ok(source) => sources.push(source),
            Err(diagnostic) => unreadable.push(diagnostic),
        }
    }
    (sources, unreadable)
}

fn open(path: Arc<Path>) -> Result<Source, Diagnostic> {
    let read = || {
        let mut bytes = Vec::new();
        let file = File::open(&path)?;
        let modified = file.metadata()?.modified()?;
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        Ok((bytes, modified))
    };
    let whole = |message: String| Diagnostic::error(Place::Whole(Arc::clone(&path)), message);
    let (bytes, modified) =
        read().map_err(|error: io::Error| whole(format!("cannot be read: {}", error.kind())))?;
    if bytes.len() as u64 > LARGEST {
        return Err(whole(format!("found more than {LARGEST} bytes; accepted: at most that many")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { path, text, modified }),
        Err(error) => {
            let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            let before =
                String::from_utf8_lossy(good.rsplit(|byte| *byte == b'\n').next().unwrap_or_default());
            let place = Place::At { file: path, line, column: before.chars().count() + 1 };
            Err(Diagnostic::error(place, "found a byte that is not UTF-8; accepted: text in UTF-8"))
        }
    }
}

pub(super) fn compile(sources: &[Source], surroundings: &dyn Surroundings) -> Loaded {
    let mut files: Vec<(TenantFile, Vec<Diagnostic>)> = sources
        .iter()
        .map(|source| {
            document::read(&source.path, &source.text, |document| file::read(document, surroundings))
        })
        .collect();
    hold_back_newer(sources, &mut files);

    let mut table = Table::default();
    let mut tenants = 0;
    for (file, diagnostics) in &files {
        let Some(tenant) = &file.tenant else { continue };
        if !diagnostics.iter().any(Diagnostic::is_error) {
            tenants += 1;
            add_routes(&mut table, tenant, file);
        }
    }
    Loaded {
        dialplan: Dialplan { table, tenants },
        diagnostics: files.into_iter().flat_map(|(_, diagnostics)| diagnostics).collect(),
        files: sources.len(),
    }
}

/// Of two files that name the same tenant or route the same number, the newer gets an error that names the older.
/// A file with errors of its own keeps its claims, so that nobody else is given its numbers meanwhile.
fn hold_back_newer(sources: &[Source], files: &mut [(TenantFile, Vec<Diagnostic>)]) {
    let mut oldest_first: Vec<_> = sources.iter().zip(files).collect();
    oldest_first.sort_by_key(|(source, _)| (source.modified, Arc::clone(&source.path)));
    let mut tenants = HashMap::new();
    let mut numbers = HashMap::new();
    for (_, (file, diagnostics)) in oldest_first {
        if let (Some(tenant), Some(place)) = (&file.tenant, &file.place)
            && let Some(older) = claim(&mut tenants, tenant.id.clone(), place)
        {
            let message =
                format!("found a tenant that an older file has, at {older}; accepted: one file for each");
            diagnostics.push(Diagnostic::error(place.clone(), message));
        }
        for (pattern, place) in &file.claims {
            if let Some(older) = claim(&mut numbers, pattern.clone(), place) {
                let message = format!(
                    "called: found a number that an older file has, at {older}; accepted: each number in one file"
                );
                diagnostics.push(Diagnostic::error(place.clone(), message));
            }
        }
        diagnostics.sort_by(|a, b| a.place.cmp(&b.place));
    }
}

/// Where `key` was claimed before, if it was.
fn claim<K: Eq + Hash>(claims: &mut HashMap<K, Place>, key: K, place: &Place) -> Option<Place> {
    match claims.entry(key) {
        Entry::Vacant(free) => {
            free.insert(place.clone());
            None
        }
        Entry::Occupied(taken) => Some(taken.get().clone()),
    }
}

fn add_routes(table: &mut Table, tenant: &Arc<Tenant>, file: &TenantFile) {
    for route in &file.routes {
        let target =
            Target { tenant: Arc::clone(tenant), route: Arc::clone(&route.id), action: route.action.clone() };
        table.add(target, &route.patterns);
    }
}
