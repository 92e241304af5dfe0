//! The dialplan files of a folder as they stand on the disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::document::{Diagnostic, Place};

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
