use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Surroundings;
use crate::pii::Redacted;

/// Where a secret is kept. A file never holds the secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`
    Variable(String),
    /// `file:PATH`; a relative path starts at the folder of the file that names it.
    File(PathBuf),
}

/// Why a reference leads to no secret. Names the reference, never a value.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SecretError {
    #[error("env:{0} names an environment variable that is unset or empty")]
    Unset(String),
    #[error("file:{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("file:{} is empty", .0.display())]
    Empty(PathBuf),
}

impl SecretRef {
    /// What [`SecretRef::parse`] accepts, for error texts.
    pub const ACCEPTED: &str = "env:NAME or file:PATH";

    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            let plausible = !name.is_empty()
                && !name.starts_with(|first: char| first.is_ascii_digit())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return plausible.then(|| Self::Variable(name.to_owned()));
        }
        let path = text.strip_prefix("file:")?;
        (!path.is_empty() && !path.contains('\0')).then(|| Self::File(path.into()))
    }

    /// The secret. `folder` is where relative paths start. A file's trailing line end is not part of it.
    pub fn resolve(
        &self,
        folder: &Path,
        surroundings: &dyn Surroundings,
    ) -> Result<Redacted<String>, SecretError> {
        match self {
            Self::Variable(name) => {
                surroundings.variable(name).map(Redacted::new).ok_or_else(|| SecretError::Unset(name.clone()))
            }
            Self::File(path) => {
                let text = surroundings.read(&folder.join(path)).map_err(|error| {
                    SecretError::Unreadable { path: path.clone(), why: error.kind().to_string() }
                })?;
                match text.trim_end_matches(['\r', '\n']) {
                    "" => Err(SecretError::Empty(path.clone())),
                    secret => Ok(secret.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Given;

    #[test]
    fn only_references_are_read_and_each_leads_to_its_secret() {
        let mut given = Given::variables([("KEY", "from-env"), ("EMPTY", "")]);
        given.files.insert("conf/key".into(), "from-file\r\n".into());
        given.files.insert("/run/key".into(), "absolute\n".into());
        given.files.insert("conf/blank".into(), "\n".into());
        for (text, expected) in [
            ("env:KEY", Some(Ok("from-env"))),
            ("file:key", Some(Ok("from-file"))),
            ("file:/run/key", Some(Ok("absolute"))),
            ("env:MISSING", Some(Err("env:MISSING names an environment variable that is unset or empty"))),
            ("env:EMPTY", Some(Err("env:EMPTY names an environment variable that is unset or empty"))),
            ("file:nowhere", Some(Err("file:nowhere cannot be read: entity not found"))),
            ("file:blank", Some(Err("file:blank is empty"))),
            ("sk-1234", None),
            ("env:", None),
            ("env:sk-1234", None),
            ("env:1KEY", None),
            ("file:", None),
            ("", None),
        ] {
            let outcome =
                SecretRef::parse(text).map(|reference| reference.resolve(Path::new("conf"), &given));
            let shown = outcome.map(|secret| secret.map(|s| s.reveal().clone()).map_err(|e| e.to_string()));
            let expected = expected.map(|outcome| outcome.map(str::to_owned).map_err(str::to_owned));
            assert_eq!(shown, expected, "{text}");
        }
    }
}
