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
        let mut text = String::new();
        let read = File::open(path)?.take(Self::LARGEST + 1).read_to_string(&mut text)?;
        if read as u64 > Self::LARGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
        }
        Ok(text)
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
}
