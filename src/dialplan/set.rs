//! The dialplans of a folder over time. Each file's last good version stays in force while a newer one is bad, and of
//! two files that want the same the one that has it keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use super::Dialplan;
use super::action::Clips;
use super::draft::Draft;
use super::file::{self, TenantFile};
use super::folder::{Source, gather};
use super::lint::lint;
use super::table::Table;
use super::ties::{Horizon, ties};
use super::trunk::Trunks;
use super::verdict::{self, Verdict};
use crate::document::{self, Diagnostic, Surroundings};

/// What a folder yielded.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    pub dialplan: Dialplan,
    /// File by file, in the order of their names and of their lines.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files there were, good or bad: whether dialplans exist at all.
    pub files: usize,
    /// How many of them are bad and serve their last good version.
    pub kept: usize,
    /// Files beside the dialplans that these refer to.
    pub attachments: Vec<PathBuf>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// What is in force, by file.
#[derive(Debug, Default)]
pub struct Set {
    trunks: Trunks,
    in_force: BTreeMap<Arc<Path>, Version>,
    clips: Clips,
}

/// A file that can be served, and what tells it from another version of the file.
#[derive(Debug, Clone)]
struct Version {
    file: Arc<TenantFile>,
    fingerprint: u64,
}

/// A file as it takes part in a load.
struct Part {
    path: Arc<Path>,
    modified: SystemTime,
    /// As it was read now; `None` when it could not be.
    read: Option<Version>,
    diagnostics: Vec<Diagnostic>,
    standing: Standing,
    /// The files beside it that it names.
    attachments: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// What is in force already: unchanged, or kept because the newer version is bad.
    InForce,
    /// New, and good so far.
    New,
    /// Bad with nothing to fall back to: it serves nobody, and nobody newer is given its numbers meanwhile.
    Claims,
}

impl Set {
    /// Nothing yet. Routes name trunks as `trunks` does.
    pub fn new(trunks: Trunks) -> Self {
        Self { trunks, ..Self::default() }
    }

    /// Reads the folder again. Never fails: what is bad is told, and costs only its own file's news.
    pub fn reload(&mut self, folder: &Path, surroundings: &dyn Surroundings, now: Timestamp) -> Loaded {
        let (sources, unreadable) = gather(folder);
        self.take(&sources, unreadable, surroundings, now)
    }

    /// As [`Set::reload`], of files that have been read already, and of some that could not be.
    pub fn take(
        &mut self,
        sources: &[Source],
        unreadable: Vec<Diagnostic>,
        surroundings: &dyn Surroundings,
        now: Timestamp,
    ) -> Loaded {
        let files = sources.len() + unreadable.len();
        let mut clips = std::mem::take(&mut self.clips);
        let mut parts: Vec<_> =
            sources.iter().map(|source| self.part(source, surroundings, &mut clips)).collect();
        self.clips = clips;
        // Those of a bad file too: its mend may lie there.
        let mut attachments: BTreeSet<_> = parts.iter().flat_map(|part| part.attachments.clone()).collect();
        parts.extend(unreadable.iter().flat_map(|diagnostic| self.unreadable(diagnostic)));
        self.settle(&mut parts, now);

        let serving = parts.iter().filter(|part| part.standing != Standing::Claims);
        let kept = serving.clone().filter(|part| part.read.is_none()).count();
        self.in_force =
            serving.filter_map(|part| Some((Arc::clone(&part.path), self.version(part)?))).collect();
        self.clips.forget_unused();
        attachments.extend(self.files().flat_map(|file| file.attachments.iter().cloned()));
        let dialplan = self.compile();
        let mut diagnostics: Vec<_> =
            parts.into_iter().flat_map(|part| part.diagnostics).chain(unreadable).collect();
        diagnostics.sort_by(|a, b| (a.place.path(), &a.place).cmp(&(b.place.path(), &b.place)));
        Loaded { dialplan, diagnostics, files, kept, attachments: attachments.into_iter().collect() }
    }

    /// The files in force, in the order of their names.
    pub(super) fn files(&self) -> impl Iterator<Item = &TenantFile> {
        self.in_force.values().map(|version| version.file.as_ref())
    }

    /// What is allowed in the files in force and hardly meant. It may take seconds, so no reload waits for it.
    pub fn lints(&self, now: Timestamp) -> Vec<Diagnostic> {
        let files: Vec<_> = self.files().collect();
        lint(&Draft::of(&files), Horizon::of(now))
    }

    fn compile(&self) -> Dialplan {
        let files: Vec<_> = self.files().collect();
        let tenants = files.iter().filter_map(|file| file.tenant.as_ref());
        let tenants = tenants.map(|tenant| (tenant.id.clone(), Arc::clone(tenant))).collect();
        Dialplan { table: Arc::new(Table::of(&Draft::of(&files))), tenants: Arc::new(tenants) }
    }

    fn part(&self, source: &Source, surroundings: &dyn Surroundings, clips: &mut Clips) -> Part {
        let ((file, beside), mut diagnostics) = document::read(&source.path, &source.text, |document| {
            file::read(document, surroundings, &self.trunks, clips)
        });
        diagnostics.extend(beside);
        let known = self.in_force.get(&source.path);
        let is_bad = file.tenant.is_none() || diagnostics.iter().any(Diagnostic::is_error);
        let fingerprint = fingerprint(source, &file);
        let standing = match known {
            Some(known) if is_bad || known.fingerprint == fingerprint => Standing::InForce,
            None if is_bad => Standing::Claims,
            Some(_) | None => Standing::New,
        };
        Part {
            path: Arc::clone(&source.path),
            modified: source.modified,
            attachments: file.attachments.clone(),
            read: (!is_bad || known.is_none()).then(|| Version { file: Arc::new(file), fingerprint }),
            diagnostics,
            standing,
        }
    }

    /// What stays in force of a file, or of all of a folder, that cannot be read at this moment.
    fn unreadable(&self, diagnostic: &Diagnostic) -> Vec<Part> {
        let Some(path) = diagnostic.place.path() else { return Vec::new() };
        let stays = self.in_force.keys().filter(|known| known.starts_with(path));
        let part = |path: &Arc<Path>| Part {
            path: Arc::clone(path),
            modified: SystemTime::UNIX_EPOCH,
            read: None,
            diagnostics: Vec::new(),
            standing: Standing::InForce,
            attachments: Vec::new(),
        };
        stays.map(part).collect()
    }

    /// The version of a file that takes part.
    fn version(&self, part: &Part) -> Option<Version> {
        let known = || self.in_force.get(&part.path).cloned();
        match part.standing {
            // An unchanged file is taken as it was read now: a secret that it refers to may have changed.
            Standing::InForce => part.read.clone().or_else(known),
            Standing::New | Standing::Claims => part.read.clone(),
        }
    }

    /// Compares all with each other until nobody has to give way any more. Who has to falls back to what is in force,
    /// which nothing new has a claim against, so it ends.
    fn settle(&self, parts: &mut [Part], now: Timestamp) {
        let horizon = Horizon::of(now);
        loop {
            parts.sort_by(|a, b| {
                let key =
                    |part: &Part| (part.standing != Standing::InForce, part.modified, Arc::clone(&part.path));
                key(a).cmp(&key(b))
            });
            let versions: Vec<_> = parts.iter().map(|part| self.version(part)).collect();
            let (at, files): (Vec<_>, Vec<_>) = versions
                .iter()
                .enumerate()
                .filter_map(|(at, version)| Some((at, version.as_ref()?.file.as_ref())))
                .unzip();
            let draft = Draft::of(&files);
            let in_force = |at: &usize| {
                let path = &parts.get(*at)?.path;
                self.in_force.get(path).map(|version| version.file.as_ref())
            };
            let in_force: Vec<_> = at.iter().map(in_force).collect();
            let verdicts = verdict::of(&draft, &ties(&draft, horizon), &in_force);
            let mut gone = BTreeSet::new();
            for Verdict { file, keeper, diagnostic } in verdicts {
                // Who keeps it may have to give way itself: the next round shows what comes of that.
                if keeper != file && gone.contains(&keeper) {
                    continue;
                }
                let Some(part) = at.get(file).and_then(|at| parts.get_mut(*at)) else { continue };
                if !part.diagnostics.contains(&diagnostic) {
                    part.diagnostics.push(diagnostic);
                }
                if part.give_way(self.in_force.contains_key(&part.path)) {
                    gone.insert(file);
                }
            }
            if gone.is_empty() {
                return;
            }
        }
    }
}

impl Part {
    /// Whether that changes anything.
    fn give_way(&mut self, has_version_in_force: bool) -> bool {
        match self.standing {
            Standing::New if has_version_in_force => {
                self.standing = Standing::InForce;
                self.read = None;
                true
            }
            Standing::New => {
                self.standing = Standing::Claims;
                true
            }
            // Two that got along may tie as their calendars come into view. Both go on; the order decides.
            Standing::InForce | Standing::Claims => false,
        }
    }
}

/// Of this process only: what the file says, and what its numbers file and its recordings do.
fn fingerprint(source: &Source, file: &TenantFile) -> u64 {
    let mut hasher = DefaultHasher::new();
    source.text.hash(&mut hasher);
    for entry in file.numbers.iter().flat_map(|numbers| &numbers.entries) {
        (entry.number(), entry.agent).hash(&mut hasher);
    }
    file.recordings.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
impl Dialplan {
    /// Of a folder without errors.
    pub fn of(folder: &Path) -> Self {
        let now = Timestamp::UNIX_EPOCH;
        let loaded = Set::new(Trunks::default()).reload(folder, &crate::document::Process, now);
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
        loaded.dialplan
    }
}
