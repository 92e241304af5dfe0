//! The text of `FILE.open`: `open ID OFFSET RECORD` when a call gets its permit, `closed ID` after its record.
//! OFFSET is the length of the journal at that time: the call's record can only stand behind it.

use serde_json::Value;

/// A call whose mark was never closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) id: String,
    pub(super) offset: u64,
    /// The record to write if the call has none: one JSON line.
    pub(super) record: String,
}

pub(super) fn open(id: &str, offset: u64, record: &str) -> String {
    format!("open {id} {offset} {record}\n")
}

pub(super) fn closed(id: &str) -> String {
    format!("closed {id}\n")
}

/// The marks that were not closed, in their order. What a crash tore is passed over.
pub(super) fn unclosed(text: &str) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for line in text.lines() {
        if let Some(id) = line.strip_prefix("closed ") {
            marks.retain(|mark| mark.id != id);
        } else if let Some(mark) = line.strip_prefix("open ").and_then(parse) {
            marks.push(mark);
        }
    }
    marks
}

fn parse(line: &str) -> Option<Mark> {
    let mut parts = line.splitn(3, ' ');
    let (id, offset, record) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = serde_json::from_str::<Value>(record).ok()?.is_object();
    let mark = Mark { id: id.to_owned(), offset: offset.parse().ok()?, record: record.to_owned() };
    whole.then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_but_for_the_closed_and_the_torn() {
        let text = [
            open("a", 0, r#"{"id":"a"}"#),
            open("b", 10, r#"{"id":"b", "name":"Ada Lovelace"}"#),
            closed("a"),
            closed("never-opened"),
            "open c twelve {}\n".to_owned(),
            "rubbish\n".to_owned(),
            r#"open d 20 {"id":"#.to_owned(),
        ]
        .concat();
        let b = Mark { id: "b".into(), offset: 10, record: r#"{"id":"b", "name":"Ada Lovelace"}"#.into() };
        assert_eq!(unclosed(&text), [b]);
    }
}
