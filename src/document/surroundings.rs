use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where references lead: environment variables and files. Settings and dialplans see nothing else of the
/// machine, so tests give them a [`Given`].
pub trait Surroundings {
    /// The variable's value; `None` when it is unset, empty or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// The file's text.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The bytes of a file that belongs to a document, as a list of numbers does: never a secret, so a check reads
    /// it too. A file of more than `largest` bytes is an error.
    fn attachment(&self, path: &Path, largest: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(largest + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > largest {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }
}

/// This process's own environment and files.
#[derive(Debug, Clone, Copy)]
pub struct Process;

impl Process {
    /// Larger files are not what somebody meant to point at.
    const LARGEST: u64 = 1024 * 1024;
}

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        String::from_utf8(self.attachment(path, Self::LARGEST)?)
            .map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// Surroundings where every reference leads somewhere: for `check`, which needs no keys.
#[derive(Debug, Clone, Copy)]
pub struct Placeholders;

impl Surroundings for Placeholders {
    fn variable(&self, _name: &str) -> Option<String> {
        Some("placeholder".into())
    }

    fn read(&self, _path: &Path) -> io::Result<String> {
        Ok("placeholder".into())
    }
}

/// Exactly these variables and files.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub variables: BTreeMap<String, String>,
    pub files: BTreeMap<PathBuf, String>,
}

impl Given {
    pub fn variables<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self { variables: variables.map(owned).into(), files: BTreeMap::new() }
    }
}

impl Surroundings for Given {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn attachment(&self, path: &Path, _largest: u64) -> io::Result<Vec<u8>> {
        self.read(path).map(String::into_bytes)
    }
}
