use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;

use super::*;
use crate::call::{Call, Ending};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("dialplane-journal-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("calls.jsonl")
    }

    fn marks(&self) -> PathBuf {
        self.0.join("calls.jsonl.open")
    }

    /// Every line of the journal that is JSON, as (id, how it ended).
    fn records(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.file()).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        lines.map(|line| (text(&line["id"]), text(&line["ending"]["how"]))).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn id(number: u128) -> String {
    CallId::from_u128(number).to_string()
}

fn record(number: u128) -> CallRecord {
    let begun = CallRecord::begun(CallId::from_u128(number), Timestamp::UNIX_EPOCH);
    CallRecord { ending: Ending::CallerHungUp, ..begun }
}

/// A call whose mark is about this many bytes long.
fn bulky(bytes: usize) -> Call {
    let headers = BTreeMap::from([("x-bulk".to_owned(), "x".repeat(bytes).into())]);
    Call { headers, ..Call::example() }
}

fn open(folder: &Folder) -> (Journal, Interrupted) {
    Journal::open(&folder.file(), Metrics::new()).unwrap()
}

#[tokio::test]
async fn a_call_that_nobody_ended_is_recorded_as_interrupted_at_the_next_start() {
    let folder = Folder::new();
    let (journal, before) = open(&folder);
    assert_eq!(before, Interrupted::default());
    for number in 1..=3 {
        journal.open_mark(&record(number).opening()).await.unwrap();
    }
    journal.record(&record(2)).await.unwrap();
    assert_eq!(folder.records(), [(id(2), "caller-hung-up".to_owned())]);
    journal.close().await;

    let (journal, interrupted) = open(&folder);
    assert_eq!(interrupted, Interrupted { calls: 2, torn: false });
    journal.close().await;
    let how = |number, how: &str| (id(number), how.to_owned());
    let records = [how(2, "caller-hung-up"), how(1, "interrupted"), how(3, "interrupted")];
    assert_eq!(folder.records(), records);

    let (_journal, again) = open(&folder);
    assert_eq!(again, Interrupted::default(), "once and no more");
    assert_eq!(folder.records(), records);
}

#[tokio::test]
async fn a_record_whose_closing_mark_was_lost_is_not_written_twice() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    journal.record(&record(1)).await.unwrap();
    journal.open_mark(&record(2).opening()).await.unwrap();
    let marks = fs::read(folder.marks()).unwrap();
    journal.record(&record(2)).await.unwrap();
    journal.close().await;
    // The crash came before the closing mark reached the disk.
    fs::write(folder.marks(), marks).unwrap();

    let (_journal, interrupted) = open(&folder);
    assert_eq!(interrupted.calls, 0);
    assert_eq!(folder.records().len(), 2);
}

#[tokio::test]
async fn a_line_that_a_crash_cut_short_spoils_no_other() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    journal.open_mark(&record(1).opening()).await.unwrap();
    journal.close().await;
    let append = |path: PathBuf, text: &str| {
        OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    append(folder.file(), wire::line(&record(1)).get(..40).unwrap());
    append(folder.marks(), "open 000");

    let (journal, interrupted) = open(&folder);
    assert_eq!(interrupted, Interrupted { calls: 1, torn: true });
    journal.record(&record(2)).await.unwrap();
    let records = [(id(1), "interrupted".to_owned()), (id(2), "caller-hung-up".to_owned())];
    assert_eq!(folder.records(), records);
    assert_eq!(fs::read_to_string(folder.file()).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn a_journal_that_was_rotated_away_still_gets_its_interrupted_calls() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    journal.record(&record(1)).await.unwrap();
    journal.open_mark(&record(2).opening()).await.unwrap();
    journal.close().await;
    fs::remove_file(folder.file()).unwrap();
    let (_journal, interrupted) = open(&folder);
    assert_eq!(interrupted.calls, 1);
    assert_eq!(folder.records(), [(id(2), "interrupted".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_calls_at_once_leave_a_hundred_whole_lines() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let journal = journal.clone();
        calls.spawn(async move {
            journal.open_mark(&record(number).opening()).await.unwrap();
            journal.record(&record(number)).await.unwrap();
        });
    }
    calls.join_all().await;
    let mut ids: Vec<String> = folder.records().into_iter().map(|(id, _)| id).collect();
    ids.sort();
    assert_eq!(ids, (0..100).map(id).collect::<Vec<_>>());
    journal.close().await;
    assert_eq!(open(&folder).1.calls, 0, "every mark is closed");
}

#[test]
fn writes_that_wait_together_share_one_fsync_a_file() {
    let folder = Folder::new();
    let metrics = Metrics::new();
    let (mut files, _) = Files::open(&folder.file(), metrics.clone()).unwrap();
    let mark = |n| Entry::Mark { id: id(n), record: wire::interrupted(&record(n).opening()) };
    let line = |n| Entry::Record { id: id(n), record: wire::line(&record(n)) };
    let batch: Vec<Entry> = (0..50).map(mark).chain((0..50).map(line)).collect();
    assert_eq!(files.commit(&batch), vec![Ok(()); 100]);
    assert!(metrics.render().contains("journal_syncs_total 2\n"), "{}", metrics.render());
    assert_eq!(folder.records().len(), 50);
    files.commit(&[line(50)]);
    assert!(metrics.render().contains("journal_syncs_total 3\n"), "a closing mark waits for no disk");
}

#[tokio::test]
async fn the_open_marks_stay_short_and_lose_nobody() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    let call = bulky(300 << 10);
    for number in 0..20 {
        let one = record(number);
        journal.open_mark(&Opening { call: Some(&call), ..one.opening() }).await.unwrap();
        if number != 1 {
            journal.record(&one).await.unwrap();
        }
    }
    let length = fs::metadata(folder.marks()).unwrap().len();
    assert!(length < 10 * (300 << 10), "{length} bytes, of twenty calls, for one that is open");
    journal.close().await;
    assert_eq!(open(&folder).1.calls, 1, "the one that is still open");
}

#[tokio::test]
async fn a_second_router_on_one_journal_is_refused() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    let second = Journal::open(&folder.file(), Metrics::new());
    assert!(matches!(second, Err(OpenError::InUse)), "{second:?}");
    journal.close().await;
    open(&folder);
}

#[tokio::test]
async fn a_full_disk_is_told_and_counted_and_its_calls_stay_marked() {
    let folder = Folder::new();
    std::os::unix::fs::symlink("/dev/full", folder.file()).unwrap();
    let metrics = Metrics::new();
    let (journal, _) = Journal::open(&folder.file(), metrics.clone()).unwrap();
    assert_eq!(journal.open_mark(&record(1).opening()).await, Ok(()), "the marks are on another disk");
    assert_eq!(journal.record(&record(1)).await, Err(JournalError::Refused));
    assert!(metrics.render().contains(r#"journal_errors_total{what="record"} 1"#));
    journal.close().await;
    fs::remove_file(folder.file()).unwrap();
    assert_eq!(open(&folder).1.calls, 1, "the lost record is an interrupted call");
}

#[tokio::test]
async fn a_closed_journal_takes_nothing_and_no_journal_takes_everything() {
    let folder = Folder::new();
    let (journal, _) = open(&folder);
    journal.close().await;
    journal.close().await;
    assert_eq!(journal.record(&record(1)).await, Err(JournalError::Closed));
    let off = Journal::off();
    assert_eq!(off.open_mark(&record(1).opening()).await, Ok(()));
    assert_eq!(off.record(&record(1)).await, Ok(()));
    off.close().await;
}
