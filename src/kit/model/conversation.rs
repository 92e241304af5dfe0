//! The items of a conversation, and what a client may do with them.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::Refusal;
use crate::kit::json::{At as _, merge};

/// Items in their order, and the function calls that wait for an output.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    id: String,
    value: Value,
    /// Audio of the assistant that was sent; `None` for an item without audio of the assistant.
    audio: Option<Duration>,
}

impl Conversation {
    pub(super) fn last_id(&self) -> Option<&str> {
        self.items.last().map(|item| item.id.as_str())
    }

    /// Whether the caller has said anything yet.
    pub(super) fn has_user(&self) -> bool {
        self.items.iter().any(|item| item.value.at("/role") == "user")
    }

    /// Adds an item of the server's own at the end.
    pub(super) fn push(&mut self, value: Value, audio: Option<Duration>) {
        let id = value.text("/id").to_owned();
        self.items.push(Item { id, value, audio });
    }

    /// Adds the item of a `conversation.item.create`; returns it as stored, and the id before it.
    pub(super) fn create(
        &mut self,
        event: &Value,
        fresh_id: String,
    ) -> Result<(Value, Option<String>), Refusal> {
        let item = event.at("/item");
        check_content(item)?;
        let id = item.at("/id").as_str().map_or(fresh_id, str::to_owned);
        if self.place(&id).is_some() {
            let message = "An item with this id already exists in the conversation.";
            return Err(Refusal::new("item_create_duplicate_item_id", "item.id", message));
        }
        if item.at("/type") == "function_call_output" && !self.has_call(item.at("/call_id")) {
            let message = "Tool call ID not found in conversation.";
            return Err(Refusal::new("invalid_tool_call_id", "item.call_id", message));
        }
        let place = self.place_after(event.at("/previous_item_id").as_str())?;
        let mut value = item.clone();
        merge(&mut value, &json!({"id": id, "object": "realtime.item", "status": "completed"}));
        let previous =
            place.checked_sub(1).and_then(|before| self.items.get(before)).map(|item| item.id.clone());
        self.items.insert(place, Item { id, value: value.clone(), audio: None });
        Ok((value, previous))
    }

    pub(super) fn retrieve(&self, id: &str) -> Result<&Value, Refusal> {
        let item = self.items.iter().find(|item| item.id == id);
        item.map(|item| &item.value).ok_or_else(|| {
            let message = "Error retrieving item: the item does not exist.";
            Refusal::new("item_retrieve_invalid_item_id", "item_id", message)
        })
    }

    pub(super) fn delete(&mut self, id: &str) -> Result<(), Refusal> {
        let place = self.place(id).ok_or_else(|| {
            let message = "Error deleting item: the item does not exist.";
            Refusal::new("item_delete_invalid_item_id", "item_id", message)
        })?;
        self.items.remove(place);
        Ok(())
    }

    /// Replaces an item of the server's own while it is being spoken.
    pub(super) fn spoken(&mut self, id: &str, value: Option<&Value>, sent: Duration) {
        if let Some(item) = self.items.iter_mut().find(|item| item.id == id) {
            if let Some(value) = value {
                item.value = value.clone();
            }
            item.audio = item.audio.map(|_| sent);
        }
    }

    /// Cuts an item's audio to what was heard; returns what there was of it before.
    pub(super) fn truncate(&mut self, id: &str, heard: Duration) -> Result<Duration, Refusal> {
        let item = self.items.iter_mut().find(|item| item.id == id).ok_or_else(|| {
            let message = "Error truncating item: the item does not exist.";
            Refusal::new("item_truncate_invalid_item_id", "item_id", message)
        })?;
        let Some(audio) = item.audio else {
            let message = "Only model output audio messages can be truncated.";
            return Err(Refusal::new("unsupported_content_type", "item_id", message));
        };
        if heard > audio {
            let (has, asked) = (audio.as_millis(), heard.as_millis());
            let message = format!("Audio content of {has}ms is already shorter than {asked}ms");
            return Err(Refusal::new("invalid_value", "audio_end_ms", message));
        }
        item.audio = Some(heard);
        if let Some(transcript) = item.value.pointer_mut("/content/0/transcript") {
            // The service drops the text of a truncated item, for it can't tell what of it was heard.
            *transcript = Value::Null;
        }
        Ok(audio)
    }

    /// Whether a call of a tool has no output yet.
    pub(super) fn has_open_calls(&self) -> bool {
        let of = |kind: &'static str| self.items.iter().filter(move |item| item.value.at("/type") == kind);
        let answered = |call: &Item| {
            of("function_call_output").any(|output| output.value.at("/call_id") == call.value.at("/call_id"))
        };
        of("function_call").any(|call| !answered(call))
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.items.iter().position(|item| item.id == id)
    }

    fn place_after(&self, previous: Option<&str>) -> Result<usize, Refusal> {
        match previous {
            None => Ok(self.items.len()),
            Some("root") => Ok(0),
            Some(id) => self.place(id).map(|place| place + 1).ok_or_else(|| {
                let message = "The previous item does not exist.";
                Refusal::new("item_create_invalid_previous_item_id", "previous_item_id", message)
            }),
        }
    }

    fn has_call(&self, call_id: &Value) -> bool {
        self.items
            .iter()
            .any(|item| item.value.at("/type") == "function_call" && item.value.at("/call_id") == call_id)
    }
}

/// Which parts a role may hold: the assistant's are text, for assistant audio can't be created.
fn check_content(item: &Value) -> Result<(), Refusal> {
    let accepted: &[&str] = match item.at("/role").as_str() {
        Some("assistant") => &["output_text"],
        Some("user") => &["input_text", "input_audio", "input_image"],
        Some(_) => &["input_text"],
        None => return Ok(()),
    };
    let parts = item.at("/content").as_array().map(Vec::as_slice).unwrap_or_default();
    let wrong =
        parts.iter().position(|part| !part.at("/type").as_str().is_some_and(|kind| accepted.contains(&kind)));
    match wrong {
        Some(index) => {
            let message = format!("Expected one of {}.", accepted.join(", "));
            Err(Refusal::new("invalid_value", format!("item.content[{index}].type"), message))
        }
        None => Ok(()),
    }
}
