//! Log lines to standard error. Foreign crates' events are off: some of them log whole messages, with numbers
//! and keys.

use std::io;
use std::panic::{self, PanicHookInfo};

use tracing::Level;
use tracing::field::display;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// As much of it as a line in the log is to have: for what others chose, a Call-ID say, which may be as long as they like.
pub fn shortened(text: &str) -> &str {
    const LONGEST: usize = 128;
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default()
}

impl Format {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "human" => Some(Self::Human),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Sends our own events of `level` and above to standard error, from now on and in the whole process. Fails
/// when it was done before.
pub fn init(format: Format, level: Level) -> Result<(), SetGlobalDefaultError> {
    tracing::subscriber::set_global_default(subscriber(format, level, io::stderr))
}

/// Logs from now on where a panic happened, and not what it said: its words may quote what a caller or a model wrote.
pub fn panics() {
    panic::set_hook(Box::new(log_panic));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(display);
    tracing::error!(location, "a bug: panicked");
}

/// The same to any writer.
pub fn subscriber(
    format: Format,
    level: Level,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> impl tracing::Subscriber + Send + Sync {
    let ours = Targets::new().with_target("dialplane", LevelFilter::from_level(level));
    tracing_subscriber::registry().with(layer(format, writer).with_filter(ours))
}

fn layer<S>(
    format: Format,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'s> LookupSpan<'s>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        Format::Human => Box::new(layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr()))),
        Format::Json => Box::new(layer.json().flatten_event(true).with_span_list(false)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, level: Level) -> String {
        lines(format, level, || {
            let _call = crate::telemetry::call_span(&"id-1").entered();
            tracing::info!(seconds = 2, "the call is over");
            tracing::debug!("a detail");
            tracing::error!(target: "str0m", "a foreign event");
            tracing::error!(target: "rsip::transport", "another");
        })
    }

    fn lines(format: Format, level: Level, logging: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(format, level, move || writer.clone()), logging);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_panic_is_logged_by_its_place_and_not_by_its_words() {
        // Other tests, on other threads, keep the hook they had.
        let (before, here) = (panic::take_hook(), std::thread::current().id());
        panic::set_hook(Box::new(move |panic| match std::thread::current().id() == here {
            true => log_panic(panic),
            false => before(panic),
        }));
        let text = lines(Format::Json, Level::INFO, || {
            let _call = crate::telemetry::call_span(&"id-1").entered();
            panic::catch_unwind(|| panic!("called by +15551230001")).unwrap_err();
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains("1555"), "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(line["location"].as_str().unwrap().starts_with("src/telemetry/logs.rs:"), "{text}");
        assert_eq!(line["span"]["id"], "id-1");
    }

    #[test]
    fn only_our_own_events_of_the_level_are_logged() {
        for (level, expected) in [(Level::INFO, 1), (Level::DEBUG, 2), (Level::ERROR, 0)] {
            for format in [Format::Human, Format::Json] {
                let text = logged(format, level);
                assert_eq!(text.lines().count(), expected, "{level} {format:?}: {text}");
                assert!(!text.contains("foreign") && !text.contains("another"));
            }
        }
    }

    #[test]
    fn a_json_line_is_an_object_that_names_the_call() {
        let text = logged(Format::Json, Level::INFO);
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["message"], "the call is over");
        assert_eq!(line["seconds"], 2);
        assert_eq!(line["span"]["id"], "id-1");
        assert_eq!(line["level"], "INFO");
    }
}
