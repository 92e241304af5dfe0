use url::Url;

use super::variables::Variables;
use crate::document::{SecretRef, Surroundings, Table};
use crate::pii::Redacted;

/// One section of the file with the variables that lie over it. Of several like it in the file no variable can say
/// which one it means, so then they stand for themselves.
pub(super) struct Layers<'a, 'd> {
    pub(super) table: Option<&'a Table<'d>>,
    pub(super) variables: Option<&'a Variables<'a>>,
    pub(super) surroundings: &'a dyn Surroundings,
}

/// One thing that both layers may name.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) key: &'static str,
    pub(super) variable: &'static str,
}

impl Layers<'_, '_> {
    /// The address that the variable gives, or else the file. `Err` when it is wrong, which is then noted.
    pub(super) fn address(
        &self,
        named: Named,
        accepted: &str,
        schemes: &[&str],
    ) -> Result<Option<Url>, Noted> {
        // Both are looked at, so that what is wrong in the file is found even where a variable hides it.
        let written = self.table.and_then(|table| table.get(named.key));
        let written = written.map(|value| value.address(accepted, schemes).ok_or(Noted)).transpose();
        let set = self.variables.filter(|variables| variables.get(named.variable).is_some());
        match set {
            Some(variables) => variables.address(named.variable, accepted, schemes).ok_or(Noted).map(Some),
            None => written,
        }
    }

    /// The secret that the file refers to, or else the variable holds. `None` is noted.
    pub(super) fn secret(&self, named: Named, what: &str) -> Option<Redacted<String>> {
        if let Some(value) = self.table.and_then(|table| table.get(named.key)) {
            return value.secret(self.surroundings);
        }
        let secret = self.variables.and_then(|variables| variables.secret(named.variable));
        if secret.is_none() {
            self.report_missing(named, SecretRef::ACCEPTED, what);
        }
        secret
    }

    /// Notes that neither layer has it: in the file where there is a section, else as the variable.
    pub(super) fn report_missing(&self, named: Named, in_file: &str, in_variable: &str) {
        match (self.table, self.variables) {
            (Some(table), Some(_)) => {
                let accepted = format!("{in_file}, or the variable {}", named.variable);
                table.require(named.key, &accepted);
            }
            (Some(table), None) => {
                table.require(named.key, in_file);
            }
            (None, Some(variables)) => variables.report_missing(named.variable, in_variable),
            (None, None) => {}
        }
    }
}

/// Something is wrong, and has been noted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;
