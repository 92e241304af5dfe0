use std::collections::VecDeque;
use std::time::Duration;

use crate::pii::Redacted;
use crate::realtime::{ItemId, Said, Speaker};

/// What is kept of a conversation: its end.
const MOST_ENTRIES: usize = 40;
const MOST_BYTES: usize = 16 * 1024;
/// Turns of the caller that are not written down yet.
const MOST_UNWRITTEN: usize = 2;
/// Interrupted items whose words are not known yet.
const MOST_CUTS: usize = 4;

/// What was said in the call, so that another model session can go on with it.
///
/// What the caller said is written down later than the answer to it begins, so their turn takes its place when it
/// ends, and its words when they come.
#[derive(Debug, Default)]
pub struct History {
    entries: VecDeque<Entry>,
    /// Items that were cut before their words were known, and how much of them was heard.
    cuts: VecDeque<(ItemId, f64)>,
}

#[derive(Debug)]
enum Entry {
    /// A turn, or what the caller did in words; a turn's words come late.
    Caller {
        item: Option<ItemId>,
        text: Option<Redacted<String>>,
    },
    Agent {
        item: Option<ItemId>,
        text: Redacted<String>,
    },
}

impl History {
    /// A turn of the caller is over, which the server knows as `item` if it says so.
    pub fn caller_stopped(&mut self, item: Option<ItemId>) {
        let told_early = |entry: &Entry| matches!(entry, Entry::Caller { item: Some(of), .. } if item.as_ref() == Some(of));
        if self.entries.iter().any(told_early) {
            return;
        }
        if self.entries.iter().filter(|entry| entry.is_unwritten()).count() == MOST_UNWRITTEN
            && let Some(oldest) = self.entries.iter().position(Entry::is_unwritten)
        {
            self.entries.remove(oldest);
        }
        self.push(Entry::Caller { item, text: None });
    }

    /// What a turn is written down as. One without a word is no part of the conversation.
    pub fn caller_said(&mut self, item: &ItemId, text: Redacted<String>) {
        let is_it = |entry: &Entry| match entry {
            Entry::Caller { item: Some(of), text: None } => of == item,
            Entry::Caller { .. } | Entry::Agent { .. } => false,
        };
        let nameless = |entry: &Entry| matches!(entry, Entry::Caller { item: None, text: None });
        let place = self.entries.iter().position(is_it).or_else(|| self.entries.iter().position(nameless));
        let said = (!text.reveal().trim().is_empty()).then_some(text);
        match (place, said) {
            (Some(at), Some(said)) => {
                if let Some(Entry::Caller { text, .. }) = self.entries.get_mut(at) {
                    *text = Some(said);
                }
            }
            (Some(at), None) => _ = self.entries.remove(at),
            (None, Some(said)) => self.push(Entry::Caller { item: Some(item.clone()), text: Some(said) }),
            (None, None) => {}
        }
        self.bound();
    }

    /// What the caller did without speaking, in words.
    pub fn caller_did(&mut self, text: Redacted<String>) {
        self.push(Entry::Caller { item: None, text: Some(text) });
    }

    /// Whether everything the caller has said is written down.
    pub fn is_written(&self) -> bool {
        !self.entries.iter().any(Entry::is_unwritten)
    }

    pub fn agent_said(&mut self, item: &ItemId, text: Redacted<String>) {
        let cut = self.cuts.iter().position(|(of, _)| of == item).and_then(|at| self.cuts.remove(at));
        self.push(Entry::Agent { item: Some(item.clone()), text });
        if let Some((_, share)) = cut {
            self.keep_share(item, share);
        }
    }

    /// The caller broke in and heard only so much of the item, which is `whole` long as far as it has been made.
    pub fn cut(&mut self, item: &ItemId, heard: Duration, whole: Duration) {
        let share = if whole.is_zero() { 0.0 } else { heard.as_secs_f64() / whole.as_secs_f64() };
        if !self.keep_share(item, share) {
            if self.cuts.len() == MOST_CUTS {
                self.cuts.pop_front();
            }
            self.cuts.push_back((item.clone(), share));
        }
    }

    /// False for an item whose words are not known.
    fn keep_share(&mut self, item: &ItemId, share: f64) -> bool {
        let is_it = |entry: &Entry| matches!(entry, Entry::Agent { item: Some(of), .. } if of == item);
        let Some(at) = self.entries.iter().rposition(is_it) else { return false };
        if let Some(Entry::Agent { text, .. }) = self.entries.get_mut(at) {
            *text = first_words(text.reveal(), share).to_owned().into();
        }
        true
    }

    /// The items are of a session that is gone: what it has not written down nobody will, and another one may use the
    /// same ids.
    pub fn forget_items(&mut self) {
        self.cuts.clear();
        self.entries.retain(|entry| !entry.is_unwritten());
        for Entry::Caller { item, .. } | Entry::Agent { item, .. } in &mut self.entries {
            *item = None;
        }
    }

    /// Oldest first.
    pub fn said(&self) -> Vec<Said> {
        let said = |entry: &Entry| match entry {
            Entry::Caller { text, .. } => Some(Said { by: Speaker::Caller, text: text.clone()? }),
            Entry::Agent { text, .. } => Some(Said { by: Speaker::Agent, text: text.clone() }),
        };
        self.entries.iter().filter_map(said).filter(|said| !said.text.reveal().trim().is_empty()).collect()
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        self.bound();
    }

    fn bound(&mut self) {
        let mut bytes: usize = self.entries.iter().map(Entry::bytes).sum();
        while self.entries.len() > MOST_ENTRIES || bytes > MOST_BYTES {
            bytes -= self.entries.pop_front().map_or(bytes, |gone| gone.bytes());
        }
    }
}

impl Entry {
    const fn is_unwritten(&self) -> bool {
        matches!(self, Self::Caller { text: None, .. })
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Caller { text, .. } => text.as_ref().map_or(0, |text| text.reveal().len()),
            Self::Agent { text, .. } => text.reveal().len(),
        }
    }
}

/// The whole words in about this share of a text.
fn first_words(text: &str, share: f64) -> &str {
    if share >= 1.0 {
        return text;
    }
    let budget = (text.chars().count() as f64 * share) as usize;
    let end = text.char_indices().nth(budget).map_or(text.len(), |(at, _)| at);
    let cut = text.get(..end).unwrap_or(text);
    cut.rfind(char::is_whitespace).and_then(|space| cut.get(..space)).unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str) -> ItemId {
        ItemId(name.into())
    }

    fn told(history: &History) -> Vec<(Speaker, String)> {
        history.said().into_iter().map(|said| (said.by, said.text.reveal().clone())).collect()
    }

    #[test]
    fn the_words_of_a_turn_that_is_written_down_late_stand_before_the_answer_to_it() {
        let mut history = History::default();
        history.agent_said(&item("1"), "Hello".into());
        history.caller_stopped(Some(item("u")));
        assert!(!history.is_written());
        history.agent_said(&item("2"), "We open at nine".into());
        history.caller_said(&item("u"), "When do you open".into());
        assert!(history.is_written());
        let expected = [
            (Speaker::Agent, "Hello".to_owned()),
            (Speaker::Caller, "When do you open".to_owned()),
            (Speaker::Agent, "We open at nine".to_owned()),
        ];
        assert_eq!(told(&history), expected);
    }

    #[test]
    fn a_turn_that_is_never_written_down_leaves_nothing_and_does_not_take_the_words_of_later_ones() {
        for names in [Some(["1", "2", "3"]), None] {
            let mut history = History::default();
            for at in 0..3 {
                history.caller_stopped(names.map(|names| item(names[at])));
            }
            history.caller_said(&item("2"), "second".into());
            history.caller_said(&item("3"), "third".into());
            let expected = [(Speaker::Caller, "second".into()), (Speaker::Caller, "third".into())];
            assert_eq!(told(&history), expected, "{names:?}");
        }
    }

    #[test]
    fn a_turn_without_a_word_is_none_and_shifts_no_other() {
        // A cough, a question and its answer; the words of the turns come in either order.
        let (cough, question) = (("cough", ""), ("question", "When do you open"));
        for words in [[cough, question], [question, cough]] {
            let mut history = History::default();
            history.caller_stopped(Some(item("cough")));
            history.agent_said(&item("1"), "Pardon".into());
            history.caller_stopped(Some(item("question")));
            history.agent_said(&item("2"), "At nine".into());
            for (turn, text) in words {
                history.caller_said(&item(turn), text.into());
            }
            assert!(history.is_written());
            let expected = [
                (Speaker::Agent, "Pardon"),
                (Speaker::Caller, "When do you open"),
                (Speaker::Agent, "At nine"),
            ];
            assert_eq!(told(&history), expected.map(|(by, text)| (by, text.to_owned())));
        }
    }

    #[test]
    fn what_a_lost_session_did_not_write_down_takes_no_words_of_the_next() {
        let mut history = History::default();
        history.caller_stopped(Some(item("u")));
        history.forget_items();
        assert!(history.is_written());
        history.agent_said(&item("a"), "Good morning".into());
        history.caller_stopped(Some(item("u")));
        history.caller_said(&item("u"), "Hello".into());
        assert_eq!(
            told(&history),
            [(Speaker::Agent, "Good morning".into()), (Speaker::Caller, "Hello".into())]
        );
    }

    #[test]
    fn an_interrupted_item_keeps_the_words_that_were_heard() {
        let words = "one two three four five six seven eight";
        for (heard, expected) in
            [(0, ""), (500, "one"), (2_000, "one two three four"), (4_000, words), (9_000, words)]
        {
            let (heard, whole) = (Duration::from_millis(heard), Duration::from_secs(4));
            let (mut early, mut late) = (History::default(), History::default());
            early.agent_said(&item("1"), words.into());
            early.cut(&item("1"), heard, whole);
            late.cut(&item("1"), heard, whole);
            late.agent_said(&item("1"), words.into());
            for history in [early, late] {
                let found = told(&history).pop().map_or(String::new(), |(_, text)| text);
                assert_eq!(found, expected, "{heard:?} of 4 s");
            }
        }
    }

    #[test]
    fn an_old_sessions_items_are_not_taken_for_a_new_ones() {
        let mut history = History::default();
        history.agent_said(&item("1"), "of the old session".into());
        history.forget_items();
        history.cut(&item("1"), Duration::ZERO, Duration::from_secs(1));
        assert_eq!(told(&history).len(), 1);
    }

    #[test]
    fn only_the_end_of_a_long_conversation_is_kept() {
        let mut history = History::default();
        for n in 0..100 {
            history.agent_said(&item("1"), format!("{n}").into());
        }
        let kept = told(&history);
        assert_eq!((kept.len(), kept[39].1.as_str()), (MOST_ENTRIES, "99"));
        history.agent_said(&item("2"), "x".repeat(MOST_BYTES).into());
        assert_eq!(told(&history).len(), 1);
        history.agent_said(&item("3"), "x".repeat(MOST_BYTES + 1).into());
        assert_eq!(told(&history).len(), 0, "what is longer than all is nothing to go on with");
    }
}
