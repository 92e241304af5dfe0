use std::fs;
use std::sync::mpsc;

use tokio::task::JoinSet;

use super::*;

/// A reloader of an empty folder without a watch, as on a file system that tells of nothing.
fn unwatched() -> (PathBuf, Reloader) {
    let folder = std::env::temp_dir().join(format!("dialplane-poll-{}", uuid::Uuid::now_v7()));
    fs::create_dir(&folder).unwrap();
    let mut reloader = Reloader::new(&folder);
    reloader.watched.watcher = None;
    (folder, reloader)
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_tells_of_is_found_by_looking() {
    let (folder, reloader) = unwatched();
    let (started, read) = (Instant::now(), Arc::new(Notify::new()));
    let (stop, told, mut tasks) = (CancellationToken::new(), Arc::clone(&read), JoinSet::new());
    fs::write(folder.join("acme.toml"), "").unwrap();
    let reload = move || {
        told.notify_one();
        Vec::new()
    };
    tasks.spawn(reloader.run(Vec::new(), stop.clone(), reload));
    read.notified().await;
    assert!((POLL..POLL + QUIET).contains(&started.elapsed()), "{:?}", started.elapsed());
    stop.cancel();
    tasks.join_next().await.unwrap().unwrap();
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_panic_of_the_reading_is_not_the_end() {
    let (folder, reloader) = unwatched();
    let trigger = reloader.trigger();
    let (stop, mut tasks, (sender, read)) = (CancellationToken::new(), JoinSet::new(), mpsc::channel());
    let asked = trigger.clone();
    let mut readings = 0;
    let reload = move || {
        readings += 1;
        if readings == 1 {
            asked.fire();
            panic!("the first reading fails");
        }
        sender.send(readings).unwrap();
        Vec::new()
    };
    tasks.spawn(reloader.run(Vec::new(), stop.clone(), reload));
    trigger.fire();
    let second = spawn_blocking(move || read.recv().unwrap()).await.unwrap();
    assert_eq!(second, 2);
    stop.cancel();
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn of_a_folder_above_only_the_names_on_the_way_matter() {
    let folder = std::env::temp_dir().join(format!("dialplane-points-{}", uuid::Uuid::now_v7()));
    fs::create_dir_all(folder.join("d")).unwrap();
    let folder = folder.canonicalize().unwrap();
    let points = Points::of(&folder.join("d"), &[folder.join("gone/numbers.csv")]);
    for (path, concerns) in [
        ("d", true),
        ("d/acme.toml", true),
        ("d/deeper/acme.toml", false),
        ("gone", true),
        ("other", false),
        ("other/acme.toml", false),
    ] {
        assert_eq!(points.concern(&folder.join(path)), concerns, "{path}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn links_that_lead_in_circles_lead_nowhere() {
    let folder = std::env::temp_dir().join(format!("dialplane-circle-{}", uuid::Uuid::now_v7()));
    fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink("two", folder.join("one")).unwrap();
    std::os::unix::fs::symlink("one", folder.join("two")).unwrap();
    let points = Points::of(&folder.join("one"), &[]);
    assert!(points.concern(&folder.canonicalize().unwrap().join("two")));
    assert!(!points.concern(&folder.canonicalize().unwrap().join("one/acme.toml")));
    fs::remove_dir_all(folder).unwrap();
}
