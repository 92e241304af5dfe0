//! Finds what must never be in a log or a metric: numbers, prompts, transcripts, keys.

/// What a leak is told apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// In any spelling, and also a part of it: eight digits in a row say who it is.
    Number,
    /// Four words in a row, whatever stands between them.
    Words,
    /// Twelve characters in a row.
    Key,
}

/// The secrets of a test, each with the name that a finding calls it by.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<(String, Kind, String)>);

const DIGITS: usize = 8;
const WORDS: usize = 4;
const CHARACTERS: usize = 12;

impl Secrets {
    #[must_use]
    pub fn number(self, name: &str, number: &str) -> Self {
        self.with(name, Kind::Number, number)
    }

    /// A prompt, a greeting, what was said.
    #[must_use]
    pub fn words(self, name: &str, text: &str) -> Self {
        self.with(name, Kind::Words, text)
    }

    #[must_use]
    pub fn key(self, name: &str, key: &str) -> Self {
        self.with(name, Kind::Key, key)
    }

    fn with(mut self, name: &str, kind: Kind, secret: &str) -> Self {
        assert!(!pieces(&kind, secret).is_empty(), "{name} is too short to be found again");
        self.0.push((name.to_owned(), kind, secret.to_owned()));
        self
    }

    /// The lines of `text` that give a secret away, as `line 7: the caller's number`. Never the secret itself.
    pub fn leaks(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (at, line) in text.lines().enumerate() {
            for (name, kind, secret) in &self.0 {
                let line = normal(kind, line);
                if pieces(kind, secret).iter().any(|piece| line.contains(piece)) {
                    found.push(format!("line {}: {name}", at + 1));
                }
            }
        }
        found
    }
}

/// The parts of a secret that give it away, each as it stands in a [`normal`] line.
fn pieces(kind: &Kind, secret: &str) -> Vec<String> {
    let secret = normal(kind, secret);
    match kind {
        Kind::Number => windows(&secret.chars().filter(char::is_ascii_digit).collect::<Vec<_>>(), DIGITS),
        Kind::Key => windows(&secret.chars().collect::<Vec<_>>(), CHARACTERS),
        Kind::Words => {
            let words: Vec<&str> = secret.split_whitespace().collect();
            let pieces = words.windows(WORDS.min(words.len()).max(1));
            pieces.map(|words| format!(" {} ", words.join(" "))).collect()
        }
    }
}

fn windows(characters: &[char], length: usize) -> Vec<String> {
    characters.windows(length).map(|piece| piece.iter().collect()).collect()
}

fn normal(kind: &Kind, text: &str) -> String {
    match kind {
        Kind::Key => text.to_owned(),
        // "+1 (555) 123-0001" and "15551230001" are the same number.
        Kind::Number => text.chars().filter(|c| !matches!(c, ' ' | '(' | ')' | '-' | '.' | '/')).collect(),
        Kind::Words => {
            // As JSON and Debug escape them; the `n` would stick to the next word.
            let text = text.replace("\\n", " ").replace("\\t", " ");
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            let mut line = String::from(" ");
            words.for_each(|word| {
                line.push_str(&word.to_lowercase());
                line.push(' ');
            });
            line
        }
    }
}
