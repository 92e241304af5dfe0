//! Dialplans that change on a real disk, as people, deployments and clusters change them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dialplane::dialplan::reload::{Reloader, Trigger};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// A change takes effect within 1 s; a busy machine that runs tests may need longer.
const LIMIT: Duration = Duration::from_secs(2);

/// A folder of its own for a test, gone at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("dialplane-reload-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A path within, its folder made.
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// As editors and deployments do, whole or not at all.
    pub fn replace(&self, name: &str, text: &str) {
        let new = self.write(&format!("{name}.new"), text);
        fs::rename(new, self.path(name)).unwrap();
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.path(name)).unwrap();
    }

    /// Puts a link in the place of another.
    fn relink(&self, target: impl AsRef<Path>, name: &str) {
        self.link(target, &format!("{name}.new"));
        fs::rename(self.path(&format!("{name}.new")), self.path(name)).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A reloader that reads one file, and tells what stands in it.
struct Reading {
    file: PathBuf,
    read: mpsc::UnboundedReceiver<Option<String>>,
    readings: usize,
    trigger: Trigger,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Reading {
    fn start(folder: &Path, file: &Path, outside: Vec<PathBuf>) -> Self {
        let (sender, read) = mpsc::unbounded_channel();
        let reloader = Reloader::new(folder);
        let (trigger, stop, mut task) = (reloader.trigger(), CancellationToken::new(), JoinSet::new());
        let (path, named) = (file.to_owned(), outside.clone());
        let reload = move || {
            let _ = sender.send(fs::read_to_string(&path).ok());
            named.clone()
        };
        task.spawn(reloader.run(outside, stop.clone(), reload));
        Self { file: file.to_owned(), read, readings: 0, trigger, stop, task }
    }

    async fn next(&mut self) -> Option<String> {
        self.readings += 1;
        timeout(LIMIT, self.read.recv()).await.expect("it is read in time").expect("the reloader lives")
    }

    /// What the file says now is read in time. Says how long it took.
    async fn catches_up(&mut self, what: &str) {
        let (changed, wanted) = (Instant::now(), fs::read_to_string(&self.file).ok());
        while self.next().await != wanted {
            assert!(changed.elapsed() < LIMIT, "{what}: another text is read again and again");
        }
        eprintln!("{what}: {} ms", changed.elapsed().as_millis());
    }

    async fn stop(mut self) {
        self.stop.cancel();
        timeout(LIMIT, self.task.join_next()).await.expect("it ends").unwrap().unwrap();
    }
}

#[tokio::test]
async fn files_that_are_written_replaced_removed_and_made_are_read() {
    let disk = Scratch::new();
    let file = disk.write("d/acme.toml", "1");
    let mut reading = Reading::start(&disk.path("d"), &file, Vec::new());
    disk.write("d/acme.toml", "2");
    reading.catches_up("written in place").await;
    disk.replace("d/acme.toml", "3");
    reading.catches_up("renamed over").await;
    fs::remove_file(&file).unwrap();
    reading.catches_up("removed").await;
    disk.write("d/acme.toml", "4");
    reading.catches_up("made").await;
    reading.trigger.fire();
    reading.catches_up("asked for").await;
    // Reading is no change: it would go on for ever.
    assert!(reading.readings <= 10, "{} readings of 5 changes", reading.readings);
    reading.stop().await;
}

#[tokio::test]
async fn a_folder_that_goes_and_comes_back_is_watched_again() {
    let disk = Scratch::new();
    let file = disk.write("d/acme.toml", "1");
    let (folder, away) = (disk.path("d"), disk.path("away"));
    let mut reading = Reading::start(&folder, &file, Vec::new());
    for round in 0..2 {
        fs::remove_dir_all(&folder).unwrap();
        reading.catches_up("folder removed").await;
        disk.write("d/acme.toml", &format!("a{round}"));
        reading.catches_up("folder made").await;
        disk.write("d/acme.toml", &format!("b{round}"));
        reading.catches_up("written in the new folder").await;
    }
    fs::rename(&folder, &away).unwrap();
    reading.catches_up("folder moved away").await;
    disk.write("next/acme.toml", "c");
    fs::rename(disk.path("next"), &folder).unwrap();
    reading.catches_up("another folder moved in").await;
    disk.write("d/acme.toml", "d");
    reading.catches_up("written in that one").await;
    reading.stop().await;
}

/// A ConfigMap's volume: `acme.toml -> ..data/acme.toml`, `..data -> ..1`, and a change makes `..2` and swaps `..data`.
#[tokio::test]
async fn what_links_lead_to_is_watched() {
    let disk = Scratch::new();
    disk.write("map/..1/acme.toml", "1");
    disk.link("..1", "map/..data");
    disk.link("..data/acme.toml", "map/acme.toml");
    let mut mounted = Reading::start(&disk.path("map"), &disk.path("map/acme.toml"), Vec::new());
    disk.write("map/..2/acme.toml", "2");
    disk.relink("..2", "map/..data");
    fs::remove_dir_all(disk.path("map/..1")).unwrap();
    mounted.catches_up("..data swapped").await;

    // One link further: a folder of links into the volume.
    disk.link("../map/acme.toml", "d/acme.toml");
    let mut linked = Reading::start(&disk.path("d"), &disk.path("d/acme.toml"), Vec::new());
    disk.write("map/..3/acme.toml", "3");
    disk.relink("..3", "map/..data");
    linked.catches_up("..data swapped behind a link").await;
    mounted.catches_up("..data swapped again").await;
    disk.write("map/..3/acme.toml", "4");
    linked.catches_up("a link's target written").await;

    // The folder itself is a link.
    disk.link("releases/1", "current");
    disk.write("releases/1/acme.toml", "1");
    disk.write("releases/2/acme.toml", "2");
    let mut released = Reading::start(&disk.path("current"), &disk.path("current/acme.toml"), Vec::new());
    disk.relink("releases/2", "current");
    released.catches_up("the folder's link swapped").await;
    disk.write("releases/2/acme.toml", "3");
    released.catches_up("written behind the new link").await;
    for reading in [mounted, linked, released] {
        reading.stop().await;
    }
}

#[tokio::test]
async fn files_outside_the_folder_are_watched_once_dialplans_name_them() {
    let disk = Scratch::new();
    disk.write("d/acme.toml", "");
    let numbers = disk.write("numbers/acme.csv", "1");
    let mut reading = Reading::start(&disk.path("d"), &numbers, vec![numbers.clone()]);
    reading.catches_up("changed before it was watched").await;
    disk.replace("numbers/acme.csv", "2");
    reading.catches_up("a numbers file").await;
    fs::remove_dir_all(disk.path("numbers")).unwrap();
    reading.catches_up("its folder removed").await;
    disk.write("numbers/acme.csv", "3");
    reading.catches_up("its folder made").await;
    reading.stop().await;
}

#[tokio::test]
async fn changes_without_a_pause_are_read_before_they_end_and_not_one_by_one() {
    const WRITES: usize = 200;
    let disk = Scratch::new();
    let file = disk.write("d/acme.toml", "");
    let mut reading = Reading::start(&disk.path("d"), &file, Vec::new());
    let started = Instant::now();
    let mut writes = 0;
    // No quiet moment until it has been read.
    let first = loop {
        disk.write("d/acme.toml", &writes.to_string());
        writes += 1;
        tokio::select! {
            biased;
            read = reading.read.recv() => break read,
            () = tokio::task::yield_now() => {}
        }
        assert!(started.elapsed() < LIMIT, "a change waits for ever");
    };
    eprintln!("first of many: {} ms, {writes} writes", started.elapsed().as_millis());
    assert!(first.is_some() && writes > 1);
    for write in 0..WRITES {
        disk.write("d/acme.toml", &format!("then {write}"));
    }
    reading.catches_up("the last of many").await;
    assert!(reading.readings < 10, "{} readings of {WRITES} changes", reading.readings);
    reading.stop().await;
}
