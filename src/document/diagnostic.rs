use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Something wrong, or worth a look, in what a person wrote. Prints as `FILE:LINE:COLUMN: message`; the message
/// says what was found and what is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub place: Place,
    pub severity: Severity,
    pub message: String,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In an environment variable.
    Variable(&'static str),
    /// A file or folder as a whole.
    Whole(Arc<Path>),
    /// Line and column from 1; columns count characters.
    At { file: Arc<Path>, line: usize, column: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file, or the settings, cannot be used.
    Error,
    /// Nothing is refused for it.
    Warning,
}

impl Diagnostic {
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Self { place, severity: Severity::Error, message: message.into() }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Place {
    /// The file or folder, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Variable(_) => None,
            Self::Whole(path) | Self::At { file: path, .. } => Some(path),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        write!(f, "{}: {severity}{}", self.place, self.message)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Whole(path) => path.display().fmt(f),
            Self::At { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
        }
    }
}
