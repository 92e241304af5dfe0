//! The shape of a JSON document as a table, and the first place where a value departs from it.

use serde_json::Value;

/// What a value must be. Tables of shapes are constants, so they read like the reference they follow.
#[derive(Debug)]
pub(super) enum Shape {
    Any,
    Text,
    /// At most this many characters.
    Short(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    Flag,
    /// The one integer that is accepted.
    Exactly(i64),
    Whole(i64, i64),
    Number(f64, f64),
    /// Exactly these keys.
    Object(&'static [Field]),
    /// Any keys, up to this many, each with a value of this shape.
    Map(usize, &'static Self),
    List(&'static Self),
    Nullable(&'static Self),
    /// An object whose other keys depend on the word under one key.
    Tagged(&'static str, &'static [(&'static str, &'static [Field])]),
    /// Any of these, told apart by their JSON type.
    Either(&'static [Self]),
}

/// One key of an object.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// A key that must be there.
pub(super) const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

/// A key that may be left out.
pub(super) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

/// Where and how a value departs from its shape. Never holds the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The path as OpenAI writes it: `session.tools[0].name`.
    pub(super) path: String,
    /// OpenAI's error code.
    pub(super) code: &'static str,
    pub(super) expected: String,
}

impl Misfit {
    fn new(path: &str, code: &'static str, expected: impl Into<String>) -> Self {
        Self { path: path.to_owned(), code, expected: expected.into() }
    }
}

impl Shape {
    /// The first departure of `value`, in the order of the document's keys.
    pub(super) fn check(&self, value: &Value) -> Result<(), Misfit> {
        self.check_at("", value)
    }

    fn check_at(&self, path: &str, value: &Value) -> Result<(), Misfit> {
        match self {
            Self::Any => Ok(()),
            Self::Nullable(_) if value.is_null() => Ok(()),
            Self::Nullable(shape) => shape.check_at(path, value),
            Self::Either(shapes) => either(shapes, path, value),
            Self::Text | Self::Short(_) | Self::Word(_) => self.check_text(path, value),
            Self::Flag => value.as_bool().map(drop).ok_or_else(|| wrong_type(path, "a boolean")),
            Self::Exactly(only) => match value.as_i64() {
                Some(found) if found == *only => Ok(()),
                Some(_) => Err(Misfit::new(path, "invalid_value", only.to_string())),
                None => Err(wrong_type(path, "an integer")),
            },
            Self::Whole(min, max) => {
                let found = value.as_i64().ok_or_else(|| wrong_type(path, "an integer"))?;
                let codes = ["integer_below_min_value", "integer_above_max_value"];
                in_range(path, codes, found < *min, found > *max, format!("{min} to {max}"))
            }
            Self::Number(min, max) => {
                let found = value.as_f64().ok_or_else(|| wrong_type(path, "a number"))?;
                let codes = ["decimal_below_min_value", "decimal_above_max_value"];
                in_range(path, codes, found < *min, found > *max, format!("{min} to {max}"))
            }
            Self::List(shape) => {
                let items = value.as_array().ok_or_else(|| wrong_type(path, "an array"))?;
                let mut items = items.iter().enumerate();
                items.try_for_each(|(index, item)| shape.check_at(&format!("{path}[{index}]"), item))
            }
            Self::Object(fields) => check_object(path, value, None, fields),
            Self::Map(most, shape) => {
                let map = value.as_object().ok_or_else(|| wrong_type(path, "an object"))?;
                if map.len() > *most {
                    let expected = format!("at most {most} keys");
                    return Err(Misfit::new(path, "object_above_max_properties", expected));
                }
                map.iter().try_for_each(|(key, item)| shape.check_at(&join(path, key), item))
            }
            Self::Tagged(tag, variants) => check_tagged(path, value, tag, variants),
        }
    }

    fn check_text(&self, path: &str, value: &Value) -> Result<(), Misfit> {
        let text = value.as_str().ok_or_else(|| wrong_type(path, "a string"))?;
        match self {
            Self::Short(most) if text.chars().count() > *most => {
                Err(Misfit::new(path, "string_above_max_length", format!("at most {most} characters")))
            }
            Self::Word(words) if !words.contains(&text) => {
                Err(Misfit::new(path, "invalid_value", format!("one of {}", words.join(", "))))
            }
            _ => Ok(()),
        }
    }

    /// Whether `value` has the JSON type that this shape is about, whatever it holds.
    fn is_about(&self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Nullable(shape) => value.is_null() || shape.is_about(value),
            Self::Either(shapes) => shapes.iter().any(|shape| shape.is_about(value)),
            Self::Text | Self::Short(_) | Self::Word(_) => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::Exactly(_) | Self::Whole(..) | Self::Number(..) => value.is_number(),
            Self::List(_) => value.is_array(),
            Self::Object(_) | Self::Map(..) | Self::Tagged(..) => value.is_object(),
        }
    }
}

fn either(shapes: &[Shape], path: &str, value: &Value) -> Result<(), Misfit> {
    let mut last = Err(wrong_type(path, "another type"));
    for shape in shapes.iter().filter(|shape| shape.is_about(value)) {
        last = shape.check_at(path, value);
        if last.is_ok() {
            return last;
        }
    }
    last
}

fn check_object(path: &str, value: &Value, tag: Option<&str>, fields: &[Field]) -> Result<(), Misfit> {
    let object = value.as_object().ok_or_else(|| wrong_type(path, "an object"))?;
    for (key, item) in object {
        if tag == Some(key.as_str()) {
            continue;
        }
        match fields.iter().find(|field| field.name == key.as_str()) {
            Some(field) => field.shape.check_at(&join(path, key), item)?,
            None => return Err(Misfit::new(&join(path, key), "unknown_parameter", "no such key")),
        }
    }
    match fields.iter().find(|field| field.required && !object.contains_key(field.name)) {
        Some(field) => Err(missing(&join(path, field.name))),
        None => Ok(()),
    }
}

fn check_tagged(
    path: &str,
    value: &Value,
    tag: &str,
    variants: &[(&str, &'static [Field])],
) -> Result<(), Misfit> {
    let object = value.as_object().ok_or_else(|| wrong_type(path, "an object"))?;
    let tag_path = join(path, tag);
    let word = object.get(tag).ok_or_else(|| missing(&tag_path))?;
    let word = word.as_str().ok_or_else(|| wrong_type(&tag_path, "a string"))?;
    let variant = variants.iter().find(|(name, _)| *name == word);
    let Some((_, fields)) = variant else {
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        return Err(Misfit::new(&tag_path, "invalid_value", format!("one of {}", names.join(", "))));
    };
    check_object(path, value, Some(tag), fields)
}

fn in_range(
    path: &str,
    codes: [&'static str; 2],
    low: bool,
    high: bool,
    range: String,
) -> Result<(), Misfit> {
    let [below, above] = codes;
    match (low, high) {
        (true, _) => Err(Misfit::new(path, below, range)),
        (false, true) => Err(Misfit::new(path, above, range)),
        (false, false) => Ok(()),
    }
}

fn missing(path: &str) -> Misfit {
    Misfit::new(path, "missing_required_parameter", "a value")
}

fn wrong_type(path: &str, expected: &str) -> Misfit {
    Misfit::new(path, "invalid_type", expected)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PET: Shape = Shape::Object(&[
        required("name", Shape::Short(4)),
        optional("age", Shape::Whole(0, 30)),
        optional("legs", Shape::Exactly(4)),
        optional("weight", Shape::Nullable(&Shape::Number(0.1, 90.0))),
        optional("tags", Shape::List(&Shape::Text)),
        optional("extra", Shape::Map(1, &Shape::Flag)),
        optional(
            "food",
            Shape::Either(&[
                Shape::Word(&["any"]),
                Shape::Tagged("kind", &[("meat", &[required("grams", Shape::Whole(1, 900))])]),
            ]),
        ),
    ]);

    #[test]
    fn the_first_departure_is_named_by_path_and_code() {
        for (value, path, code) in [
            (json!([]), "", "invalid_type"),
            (json!({}), "name", "missing_required_parameter"),
            (json!({"name": 1}), "name", "invalid_type"),
            (json!({"name": "Albert"}), "name", "string_above_max_length"),
            (json!({"name": "Al", "nam": 1}), "nam", "unknown_parameter"),
            (json!({"name": "Al", "age": -1}), "age", "integer_below_min_value"),
            (json!({"name": "Al", "age": 31}), "age", "integer_above_max_value"),
            (json!({"name": "Al", "age": 1.5}), "age", "invalid_type"),
            (json!({"name": "Al", "weight": 0.0}), "weight", "decimal_below_min_value"),
            (json!({"name": "Al", "weight": 91}), "weight", "decimal_above_max_value"),
            (json!({"name": "Al", "legs": 3}), "legs", "invalid_value"),
            (json!({"name": "Al", "tags": ["a", 2]}), "tags[1]", "invalid_type"),
            (json!({"name": "Al", "extra": {"x": 1}}), "extra.x", "invalid_type"),
            (json!({"name": "Al", "extra": {"x": true, "y": true}}), "extra", "object_above_max_properties"),
            (json!({"name": "Al", "food": "none"}), "food", "invalid_value"),
            (json!({"name": "Al", "food": 7}), "food", "invalid_type"),
            (json!({"name": "Al", "food": {}}), "food.kind", "missing_required_parameter"),
            (json!({"name": "Al", "food": {"kind": "fish"}}), "food.kind", "invalid_value"),
            (json!({"name": "Al", "food": {"kind": "meat"}}), "food.grams", "missing_required_parameter"),
            (
                json!({"name": "Al", "food": {"kind": "meat", "grams": 1, "salt": 1}}),
                "food.salt",
                "unknown_parameter",
            ),
        ] {
            let misfit = PET.check(&value).expect_err(&value.to_string());
            assert_eq!((misfit.path.as_str(), misfit.code), (path, code), "{value}");
        }
    }

    #[test]
    fn a_value_of_the_shape_passes() {
        for value in [
            json!({"name": "Al"}),
            json!({"name": "Al", "age": 3, "weight": null, "tags": [], "extra": {"x": true}, "food": "any"}),
            json!({"name": "Al", "food": {"kind": "meat", "grams": 5}}),
        ] {
            assert_eq!(PET.check(&value), Ok(()), "{value}");
        }
    }
}
