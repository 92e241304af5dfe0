use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::JournalError;
use super::marks::{self, Mark};
use crate::telemetry::Metrics;

/// Records hold telephone numbers: not for everybody.
const MODE: u32 = 0o640;
/// `FILE.open` is rewritten when it is longer than this and than four times the marks in it that are open.
const COMPACT_AT: u64 = 1 << 20;

/// The journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process writes it")]
    InUse,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the thread that writes it could not be started: {0}")]
    Thread(io::Error),
}

/// What the router before this one left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interrupted {
    /// Calls it had open, whose records are written now.
    pub calls: usize,
    /// The last line of the journal was cut short; it was closed off and left as it is.
    pub torn: bool,
}

/// Something to be written.
#[derive(Debug)]
pub(super) enum Entry {
    /// A call got its permit. `record` is for the case that nobody sees its end.
    Mark { id: String, record: String },
    /// A call is over.
    Record { id: String, record: String },
}

/// The journal and its open marks. All methods block.
#[derive(Debug)]
pub(super) struct Files {
    records: Appended,
    open: Appended,
    open_path: PathBuf,
    /// The lines of the marks that are not closed, by call.
    marks: HashMap<String, String>,
    compact_at: u64,
    metrics: Metrics,
}

/// A file that only grows, by whole lines.
#[derive(Debug)]
struct Appended {
    file: File,
    length: u64,
    /// Its last line was cut short and could not be taken back.
    torn: bool,
}

impl Files {
    pub(super) fn open(path: &Path, metrics: Metrics) -> Result<(Self, Interrupted), OpenError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(MODE);
        let file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(e)) => return Err(e.into()),
        }
        let mut records = Appended::new(file)?;
        let torn = records.torn;
        let open_path = beside(path, ".open");
        let left = match fs::read(&open_path) {
            Ok(text) => marks::unclosed(&String::from_utf8_lossy(&text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        let calls = write_interrupted(&mut records, &left)?;
        // Only now, with every record on the disk, may the marks go.
        let open = rewritten(&open_path, "")?;
        let marks = HashMap::new();
        let files = Self { records, open, open_path, marks, compact_at: COMPACT_AT, metrics };
        Ok((files, Interrupted { calls, torn }))
    }

    /// Writes all entries, with one fsync a file; says of each whether it is on the disk.
    pub(super) fn commit(&mut self, entries: &[Entry]) -> Vec<Result<(), JournalError>> {
        let offset = self.records.length;
        let records: String = entries.iter().filter_map(Entry::record_line).collect();
        let recorded = self.sync_records(&records);
        let mut opened = Vec::new();
        let mut closed = Vec::new();
        for entry in entries {
            match entry {
                Entry::Mark { id, record } => opened.push((id, marks::open(id, offset, record))),
                Entry::Record { id, .. } if recorded.is_ok() => closed.push((id, marks::closed(id))),
                // Its mark stays open: the next start makes it an interrupted call.
                Entry::Record { .. } => {}
            }
        }
        // A call may be opened and closed in one go, never the other way round.
        let text: String = opened.iter().chain(&closed).map(|(_, line)| line.as_str()).collect();
        let marked = self.sync_marks(&text, !opened.is_empty());
        if marked.is_ok() {
            self.marks.extend(opened.into_iter().map(|(id, line)| (id.clone(), line)));
        }
        for (id, _) in closed {
            self.marks.remove(id);
        }
        self.keep_short();
        let outcome = |entry: &Entry| match entry {
            Entry::Mark { .. } => marked,
            Entry::Record { .. } => recorded,
        };
        entries.iter().map(outcome).collect()
    }

    /// Nothing more is written. With no call open there is nothing to be left in `FILE.open`.
    pub(super) fn close(self) {
        if self.marks.is_empty() {
            // One that stays has only closed marks, which the next start drops.
            let _ = fs::remove_file(&self.open_path);
        }
    }

    fn sync_records(&mut self, text: &str) -> Result<(), JournalError> {
        if text.is_empty() {
            return Ok(());
        }
        self.metrics.journal_synced();
        let written = self.records.append(text).and_then(|()| self.records.file.sync_data());
        written.map_err(|e| refused(&e))
    }

    /// Closing marks need no fsync: if they are lost, the next start finds their records.
    fn sync_marks(&mut self, text: &str, opens: bool) -> Result<(), JournalError> {
        if text.is_empty() {
            return Ok(());
        }
        let mut written = self.open.append(text);
        if written.is_ok() && opens {
            self.metrics.journal_synced();
            written = self.open.file.sync_data();
        }
        written.map_err(|e| refused(&e))
    }

    fn keep_short(&mut self) {
        if self.open.length > self.compact_at
            && let Err(e) = self.compact()
        {
            tracing::warn!(kind = %e.kind(), "the open marks could not be shortened");
        }
    }

    fn compact(&mut self) -> io::Result<()> {
        let text: String = self.marks.values().map(String::as_str).collect();
        // Set first: a disk that refuses is not asked again with every write.
        self.compact_at = self.open.length.max(COMPACT_AT).saturating_mul(2);
        self.open = rewritten(&self.open_path, &text)?;
        self.compact_at = self.open.length.saturating_mul(4).max(COMPACT_AT);
        Ok(())
    }
}

impl Entry {
    fn record_line(&self) -> Option<String> {
        match self {
            Self::Mark { .. } => None,
            Self::Record { record, .. } => Some(format!("{record}\n")),
        }
    }
}

impl Appended {
    fn new(mut file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { file, length, torn: last != [b'\n'] })
    }

    /// Appends whole lines, or nothing.
    fn append(&mut self, lines: &str) -> io::Result<()> {
        let start = if self.torn { "\n" } else { "" };
        let bytes = [start.as_bytes(), lines.as_bytes()].concat();
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                self.torn = false;
                Ok(())
            }
            Err(e) => {
                self.torn |= self.file.set_len(self.length).is_err();
                Err(e)
            }
        }
    }
}

/// Writes the records of calls that were left open and have none, and says how many.
fn write_interrupted(records: &mut Appended, left: &[Mark]) -> io::Result<usize> {
    let recorded = match left.iter().map(|mark| mark.offset).min() {
        Some(offset) => ids_behind(&mut records.file, offset, records.length)?,
        None => HashSet::new(),
    };
    let missing: Vec<&Mark> = left.iter().filter(|mark| !recorded.contains(&mark.id)).collect();
    let lines: String = missing.iter().map(|mark| format!("{}\n", mark.record)).collect();
    if !lines.is_empty() || records.torn {
        records.append(&lines)?;
        records.file.sync_data()?;
    }
    Ok(missing.len())
}

/// The ids of the records behind `offset`; of all, when the file is shorter, as it was rotated since.
fn ids_behind(file: &mut File, offset: u64, length: u64) -> io::Result<HashSet<String>> {
    file.seek(SeekFrom::Start(if offset <= length { offset } else { 0 }))?;
    let mut ids = HashSet::new();
    for line in BufReader::new(file).split(b'\n') {
        let record: Option<Value> = serde_json::from_slice(&line?).ok();
        let id = record.as_ref().and_then(|record| record.get("id")?.as_str());
        ids.extend(id.map(str::to_owned));
    }
    Ok(ids)
}

/// Replaces the file at `path` by one with this text: after a crash there is the old one or the new one.
fn rewritten(path: &Path, text: &str) -> io::Result<Appended> {
    let new = beside(path, ".new");
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(MODE).open(&new)?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(Appended { file, length: text.len() as u64, torn: false })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn refused(error: &io::Error) -> JournalError {
    tracing::error!(kind = %error.kind(), "the disk refused a write to the journal");
    JournalError::Refused
}
