//! The tables that a file's routes refer to by name: its `[agent.NAME]` and `[schedule.NAME]`.

use std::collections::BTreeMap;

use crate::document::{Keys, Table, Value, nearest, shown};

/// All `[KEY.NAME]` of one key.
pub(super) struct Named<'d, T> {
    key: &'static str,
    /// What a route has to name, for error texts.
    accepted: &'static str,
    by_name: BTreeMap<&'d str, One<'d, T>>,
}

struct One<'d, T> {
    table: Table<'d>,
    what: T,
    is_used: bool,
}

impl<'d, T: Clone> Named<'d, T> {
    pub(super) fn read(
        root: &Table<'d>,
        key: &'static str,
        keys: Keys,
        accepted: &'static str,
        read: impl Fn(&'d str, &Table<'d>) -> T,
    ) -> Self {
        let one = |(name, table)| (name, One { what: read(name, &table), table, is_used: false });
        let by_name = root.named_tables(key, keys).into_iter().map(one).collect();
        Self { key, accepted, by_name }
    }

    /// In the order of their names.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'d str, &T)> {
        self.by_name.iter().map(|(name, one)| (*name, &one.what))
    }

    /// The one that a route names; noted if there is none.
    pub(super) fn of(&mut self, value: &Value<'d>) -> Option<T> {
        let name = value.text(self.accepted)?;
        let Some(one) = self.by_name.get_mut(name) else {
            let guess = nearest(name, self.by_name.keys().copied());
            let guess = guess.map(|name| format!(", did you mean {name}?")).unwrap_or_default();
            value.report_found(&format!("{}{guess}", shown(name)), self.accepted);
            return None;
        };
        one.is_used = true;
        Some(one.what.clone())
    }

    /// Something else than a route names it.
    pub(super) fn mark_used(&mut self, name: &str) {
        if let Some(one) = self.by_name.get_mut(name) {
            one.is_used = true;
        }
    }

    pub(super) fn warn_of_unused(&self) {
        for (name, one) in self.by_name.iter().filter(|(_, one)| !one.is_used) {
            one.table.warn(format!("no route names the {} {}", self.key, shown(name)));
        }
    }
}
