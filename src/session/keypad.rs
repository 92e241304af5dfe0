use std::time::Duration;

use tokio::time::Instant;

use crate::call::Digit;
use crate::pii::Redacted;

/// The most keys of one entry.
const MOST: usize = 32;
/// After the last key, until an entry counts as whole.
const PAUSE: Duration = Duration::from_secs(2);

/// What the caller keys in, entry by entry. An entry is whole with its `#`, after a pause, or when it is as long as one
/// may be; keys that are pressed before it is taken belong to it.
#[derive(Debug, Default)]
pub struct Keypad {
    keys: Vec<Digit>,
    whole: Option<Instant>,
}

impl Keypad {
    pub fn press(&mut self, key: Digit, now: Instant) {
        if self.keys.len() < MOST {
            self.keys.push(key);
        }
        let is_whole = key.reveal() == '#' || self.keys.len() == MOST;
        self.whole = Some(if is_whole { now } else { now + PAUSE });
    }

    /// Whether an entry has begun that is not taken.
    pub const fn is_in_use(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The keys of a whole entry.
    pub fn take(&mut self, now: Instant) -> Option<Redacted<String>> {
        self.whole.take_if(|whole| now >= *whole)?;
        let keys: String = self.keys.drain(..).map(Digit::reveal).collect();
        Some(keys.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(keypad: &mut Keypad, keys: &str, now: Instant) {
        keys.chars().filter_map(Digit::parse).for_each(|key| keypad.press(key, now));
    }

    fn taken(keypad: &mut Keypad, now: Instant) -> Option<String> {
        keypad.take(now).map(|keys| keys.reveal().clone())
    }

    #[test]
    fn an_entry_is_whole_with_its_last_key_after_a_pause_or_when_it_is_long() {
        let now = Instant::now();
        let almost = now + PAUSE - Duration::from_millis(1);
        let long = "1".repeat(MOST);
        for (keys, at_once, later) in [
            ("4711#", Some("4711#"), None),
            ("#", Some("#"), None),
            ("0", None, Some("0")),
            ("*31", None, Some("*31")),
            (&long, Some(long.as_str()), None),
            (&format!("{long}22"), Some(long.as_str()), None),
        ] {
            let mut keypad = Keypad::default();
            assert!(!keypad.is_in_use());
            press(&mut keypad, keys, now);
            assert!(keypad.is_in_use());
            assert_eq!(taken(&mut keypad, almost).as_deref(), at_once, "{keys}");
            assert_eq!(taken(&mut keypad, now + PAUSE).as_deref(), later, "{keys}");
            assert!(!keypad.is_in_use() && taken(&mut keypad, now + PAUSE * 9).is_none(), "{keys}: once");
        }
    }

    #[test]
    fn every_key_gives_the_caller_the_pause_anew_and_what_nobody_took_grows_no_further() {
        let (mut keypad, now) = (Keypad::default(), Instant::now());
        press(&mut keypad, "1", now);
        press(&mut keypad, "2", now + PAUSE / 2);
        assert_eq!(taken(&mut keypad, now + PAUSE), None);
        press(&mut keypad, &"#".repeat(2 * MOST), now + PAUSE);
        assert_eq!(taken(&mut keypad, now + PAUSE), Some(format!("12{}", "#".repeat(MOST - 2))));
    }
}
