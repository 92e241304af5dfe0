//! What a file says is to be done with a call that no agent answers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};

use super::Instead;
use crate::call::{Destination, Refusal};
use crate::document::{Surroundings, Value, shown};
use crate::media::clip::Clip;
use crate::tenant::Transfers;

/// Recordings by what their files hold, so that one that has not changed is not encoded again.
#[derive(Debug, Default)]
pub(super) struct Clips(HashMap<u64, Weak<Clip>>);

impl Clips {
    pub(super) fn forget_unused(&mut self) {
        self.0.retain(|_, clip| clip.strong_count() > 0);
    }
}

/// Reads actions of one file, and keeps which recordings it names.
pub(super) struct Actions<'a> {
    surroundings: &'a dyn Surroundings,
    clips: &'a mut Clips,
    pub(super) recordings: Vec<Arc<Clip>>,
}

impl<'a> Actions<'a> {
    pub(super) fn new(surroundings: &'a dyn Surroundings, clips: &'a mut Clips) -> Self {
        Self { surroundings, clips, recordings: Vec::new() }
    }

    /// What `reject`, `transfer` or `play` says.
    pub(super) fn read(&mut self, key: &str, value: &Value<'_>) -> Option<Instead> {
        match key {
            "transfer" => read_destination(value).map(Instead::Transfer),
            "play" => self.read_clip(value).map(Instead::Play),
            _ => {
                let name = value.choice(Refusal::ALL.map(Refusal::name))?;
                Refusal::from_name(name).map(Instead::Refuse)
            }
        }
    }

    fn read_clip(&mut self, value: &Value<'_>) -> Option<Arc<Clip>> {
        const ACCEPTED: &str = "the path of a WAV file, from the folder of this one";
        let (path, bytes) = value.attachment(ACCEPTED, self.surroundings, Clip::LARGEST)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let content = hasher.finish();
        let known = self.clips.0.get(&content).and_then(Weak::upgrade);
        let read = known.map_or_else(|| Clip::read(&bytes).map(Arc::new), Ok);
        match read {
            Ok(clip) => {
                self.clips.0.insert(content, Arc::downgrade(&clip));
                self.recordings.push(Arc::clone(&clip));
                Some(clip)
            }
            Err(error) => {
                let file = shown(&path.file_name().unwrap_or_default().to_string_lossy());
                value.report_found(&format!("{error} in {file}"), Clip::ACCEPTED);
                None
            }
        }
    }
}

/// Reads `[transfers]`: where callers may be handed on to, each destination under a name.
pub fn read_transfers(value: &Value<'_>) -> Transfers {
    const ACCEPTED: &str = "a table of names and destinations";
    let entries = value.entries(ACCEPTED);
    if entries.len() > Transfers::MOST {
        let accepted = format!("at most {}", Transfers::MOST);
        value.report_found(&format!("{} destinations", entries.len()), &accepted);
    }
    let read = |(name, value): (&str, Value<'_>)| {
        if !Transfers::is_name(name) {
            value.report_found(&format!("the name {}", shown(name)), Transfers::NAME);
        }
        Some((name.into(), read_destination(&value)?))
    };
    Transfers::new(entries.into_iter().filter_map(read))
}

/// A `tel:` or `sip:` address, or a number in international form.
fn read_destination(value: &Value<'_>) -> Option<Destination> {
    let text = value.text(Destination::ACCEPTED)?;
    let number = || Destination::parse(&format!("tel:{}", text.replace(' ', "")));
    let destination = if text.starts_with('+') { number() } else { Destination::parse(text) };
    if destination.is_none() {
        value.report_found("something that is none (not shown)", Destination::ACCEPTED);
    }
    destination
}
