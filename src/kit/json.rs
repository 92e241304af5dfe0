//! Reading and writing JSON values without a panic: what isn't there is null.

use serde_json::Value;

static NULL: Value = Value::Null;

/// The value at a JSON pointer, or null.
pub(super) trait At {
    fn at(&self, pointer: &str) -> &Value;

    /// The text there, or "".
    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }
}

impl At for Value {
    fn at(&self, pointer: &str) -> &Value {
        self.pointer(pointer).unwrap_or(&NULL)
    }
}

/// Puts the keys of `more` into the object `into`, over those it has.
pub(super) fn merge(into: &mut Value, more: &Value) {
    if let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) {
        into.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}
