use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many as Linux follows.
const MOST_LINKS: usize = 40;

/// Where a change can alter what is read: folders, by their paths without links, and the names in them that matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Points(BTreeMap<PathBuf, Names>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    All,
    These(BTreeSet<OsString>),
}

impl Points {
    /// For all of a folder, and for files elsewhere. Both may be reached over links, and need not be there.
    pub(super) fn of(folder: &Path, files: &[PathBuf]) -> Self {
        let mut points = Self::default();
        if let Some(folder) = points.follow(folder) {
            points.0.insert(folder.clone(), Names::All);
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                    points.follow(&entry.path());
                }
            }
        }
        for file in files {
            points.follow(file);
        }
        points
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(AsRef::as_ref)
    }

    /// Whether a change of `path` can matter.
    pub(super) fn concern(&self, path: &Path) -> bool {
        let within = || {
            let names = self.0.get(path.parent()?)?;
            Some(match names {
                Names::All => true,
                Names::These(names) => names.contains(path.file_name()?),
            })
        };
        self.0.contains_key(path) || within().unwrap_or(false)
    }

    /// Goes along an absolute path and notes each link on the way, and its end or where it breaks off. The path
    /// without links, if it leads to something.
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let mut real = PathBuf::new();
        let mut links = 0;
        let mut ahead = Vec::new();
        push(&mut ahead, path);
        while let Some(step) = ahead.pop() {
            let name = match step {
                Step::Root => {
                    real = PathBuf::from("/");
                    continue;
                }
                Step::Up => {
                    real.pop();
                    continue;
                }
                Step::Into(name) => name,
            };
            let next = real.join(&name);
            match fs::read_link(&next) {
                Ok(target) => {
                    self.note(&real, &name);
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    push(&mut ahead, &target);
                }
                // It is there and no link.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    if ahead.is_empty() {
                        self.note(&real, &name);
                    }
                    real = next;
                }
                Err(_) => {
                    self.note(&real, &name);
                    return None;
                }
            }
        }
        Some(real)
    }

    fn note(&mut self, folder: &Path, name: &OsStr) {
        let names = self.0.entry(folder.to_owned()).or_insert_with(|| Names::These(BTreeSet::new()));
        match names {
            Names::All => {}
            Names::These(names) => _ = names.insert(name.to_owned()),
        }
    }
}

enum Step {
    Root,
    Up,
    Into(OsString),
}

/// Puts the steps of `path` before those that are ahead, the next one last.
fn push(ahead: &mut Vec<Step>, path: &Path) {
    ahead.extend(path.components().rev().filter_map(|component| match component {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Into(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    }));
}
