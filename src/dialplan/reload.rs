//! When the dialplans are read again: on a change in their folder, or of a file elsewhere that they name, and when
//! asked (SIGHUP).
//!
//! A change is acted on once nothing more has changed for 150 ms, at the latest after 500 ms. Every time the
//! watch is set anew before the files are read, so a change that the reading misses is always seen. Where the kernel
//! tells of no changes (a network's file system) a look every 30 s finds them.

mod points;
mod stamp;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Config, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};
use tokio_util::sync::CancellationToken;

use points::Points;
use stamp::Stamps;

const QUIET: Duration = Duration::from_millis(150);
const LONGEST: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_secs(30);

/// Asks for a reload, changed files or not. Clones ask the same reloader.
#[derive(Debug, Clone, Default)]
pub struct Trigger(Arc<Notify>);

impl Trigger {
    pub fn fire(&self) {
        self.0.notify_one();
    }

    /// Waits until it is asked. Cancel safe.
    pub async fn fired(&self) {
        self.0.notified().await;
    }
}

/// Has the dialplans read again when they change.
#[derive(Debug)]
pub struct Reloader {
    watched: Watched,
    trigger: Trigger,
}

impl Reloader {
    /// Watches the folder from now on, so whoever reads it afterwards misses no change. Blocks on the file system.
    pub fn new(folder: &Path) -> Self {
        let folder = absolute(folder.to_owned());
        let mut watched = Watched {
            folder,
            outside: Vec::new(),
            stamps: Stamps::default(),
            changed: Arc::default(),
            watcher: None,
        };
        watched.set();
        Self { watched, trigger: Trigger::default() }
    }

    pub fn trigger(&self) -> Trigger {
        self.trigger.clone()
    }

    /// Calls `reload` after every change until `stop`. It may block, and gives the files that the dialplans name
    /// outside the folder, as the first reading gave `outside`. If it panics, it is called again at the next change.
    pub async fn run<R>(self, outside: Vec<PathBuf>, stop: CancellationToken, reload: R)
    where
        R: FnMut() -> Vec<PathBuf> + Send + 'static,
    {
        let Self { watched, trigger } = self;
        let changed = Arc::clone(&watched.changed);
        let mut work = Work { watched, reload };
        if work.watched.look_at(outside) {
            // They were read before they were watched.
            work = work.done(Work::reload).await;
        }
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = trigger.fired() => work = work.done(Work::reload).await,
                () = changed.notified() => {
                    settle(&changed).await;
                    work = work.done(Work::reload).await;
                }
                _ = poll.tick() => work = work.done(Work::reload_if_stale).await,
            }
        }
    }
}

/// After a first change, waits out those that follow.
async fn settle(changed: &Notify) {
    let longest = Instant::now() + LONGEST;
    loop {
        let quiet = Instant::now() + QUIET;
        if timeout_at(quiet.min(longest), changed.notified()).await.is_err() {
            return;
        }
    }
}

/// All that blocks.
struct Work<R> {
    watched: Watched,
    reload: R,
}

impl<R: FnMut() -> Vec<PathBuf> + Send + 'static> Work<R> {
    async fn done(mut self, job: fn(&mut Self)) -> Self {
        let blocking = spawn_blocking(move || {
            job(&mut self);
            self
        });
        blocking.await.expect("the job catches its panics and nobody aborts it")
    }

    fn reload(&mut self) {
        self.watched.set();
        if self.read() {
            // Files named for the first time were read before they were watched; a list that changes again
            // meanwhile has itself been changed, and that is watched.
            self.watched.set();
            self.read();
        }
    }

    fn reload_if_stale(&mut self) {
        if self.watched.is_stale() {
            self.reload();
        }
    }

    /// Whether the dialplans now name other files than before.
    fn read(&mut self) -> bool {
        match catch_unwind(AssertUnwindSafe(&mut self.reload)) {
            Ok(outside) => self.watched.look_at(outside),
            Err(_) => {
                tracing::error!("reading the dialplans panicked: those read before stay");
                false
            }
        }
    }
}

/// The folder and files that are watched, and how they were when the watch was set.
#[derive(Debug)]
struct Watched {
    folder: PathBuf,
    outside: Vec<PathBuf>,
    stamps: Stamps,
    changed: Arc<Notify>,
    watcher: Option<RecommendedWatcher>,
}

impl Watched {
    /// Takes note of the files outside the folder. Whether there are some that were not known.
    fn look_at(&mut self, outside: Vec<PathBuf>) -> bool {
        let mut outside: Vec<_> = outside.into_iter().map(absolute).collect();
        outside.retain(|file| file.parent() != Some(&self.folder));
        outside.sort_unstable();
        outside.dedup();
        let new = outside.iter().any(|file| self.outside.binary_search(file).is_err());
        self.outside = outside;
        new
    }

    /// Watches what is there now. The kernel watches folders and not their names, so after a change, which may have
    /// put another folder under a name, all of it begins anew; the old watch goes on until the new one stands.
    fn set(&mut self) {
        const TRIES: usize = 3;
        let mut points = Points::of(&self.folder, &self.outside);
        for _ in 0..TRIES {
            self.watcher = watch(&points, Arc::clone(&self.changed)).inspect_err(note_unwatched).ok();
            let now = Points::of(&self.folder, &self.outside);
            if now == points {
                break;
            }
            points = now;
        }
        self.stamps = Stamps::of(&self.folder, &self.outside);
    }

    /// Whether anything is not as it was when the watch was set.
    fn is_stale(&self) -> bool {
        self.stamps != Stamps::of(&self.folder, &self.outside)
    }
}

/// The kernel's events name absolute paths.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn watch(points: &Points, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let concerned = points.clone();
    let on_event = move |event: notify::Result<notify::Event>| {
        let concerns = event.map_or(true, |event| {
            event.need_rescan()
                || (is_change(&event.kind) && event.paths.iter().any(|path| concerned.concern(path)))
        });
        if concerns {
            changed.notify_one();
        }
    };
    let mut watcher = RecommendedWatcher::new(on_event, Config::default())?;
    for folder in points.folders() {
        // The folder above may not be ours to read; the rest is watched all the same.
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            note_unwatched(&error);
        }
    }
    Ok(watcher)
}

fn note_unwatched(error: &notify::Error) {
    let poll_seconds = POLL.as_secs();
    tracing::warn!(kind = ?error.kind, poll_seconds, "some changes of dialplans are only polled for");
}

/// Our own reading is none.
fn is_change(kind: &EventKind) -> bool {
    !kind.is_access() || *kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}
