use std::time::Duration;

use tokio::time::Instant;

/// A server says within this time that the caller has begun to speak.
const NOTICED_WITHIN: Duration = Duration::from_millis(700);
/// One that is asked for a sign of life gives it within this.
const ANSWERS_WITHIN: Duration = Duration::from_millis(2_500);

/// Whether the model that serves hears the caller. A server that says nothing of a voice that our own ear hears takes it
/// for noise, or is there no more: it is asked.
#[derive(Debug, Default)]
pub struct Attention {
    /// Since when the caller speaks unnoticed.
    unnoticed: Option<Instant>,
    /// Since when the server owes us a sign of life.
    asked: Option<Instant>,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    Ask,
    GiveUp,
}

impl Attention {
    /// Our own ear hears the caller, and the server has not said so. True the first time.
    pub fn voiced(&mut self, now: Instant) -> bool {
        let first = self.unnoticed.is_none();
        self.unnoticed.get_or_insert(now);
        first
    }

    /// The server says something, whatever it is. True if that was waited for.
    pub fn sign(&mut self) -> bool {
        std::mem::take(self).unnoticed.is_some()
    }

    /// Whether the server may be deaf.
    pub const fn is_doubted(&self) -> bool {
        self.asked.is_some()
    }

    pub fn on_time(&mut self, now: Instant) -> Option<Doubt> {
        match (self.asked, self.unnoticed) {
            (Some(asked), _) => (now >= asked + ANSWERS_WITHIN).then_some(Doubt::GiveUp),
            (None, Some(since)) if now >= since + NOTICED_WITHIN => {
                self.asked = Some(now);
                Some(Doubt::Ask)
            }
            (None, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_server_that_does_not_notice_the_caller_is_asked_once_and_given_up_without_an_answer() {
        let (mut attention, start) = (Attention::default(), Instant::now());
        let mut doubts = Vec::new();
        for at in (0..4_000).step_by(20) {
            assert_eq!(attention.voiced(start + MS * at), at == 0);
            doubts.extend(attention.on_time(start + MS * at).map(|doubt| (at, doubt)));
            if doubts.len() == 2 {
                break;
            }
        }
        assert_eq!(doubts, [(700, Doubt::Ask), (3_200, Doubt::GiveUp)]);
    }

    #[test]
    fn any_word_of_the_server_is_a_sign_of_life() {
        let (mut attention, start) = (Attention::default(), Instant::now());
        assert!(!attention.sign(), "nobody waits for it");
        attention.voiced(start);
        assert!(attention.sign());
        assert_eq!(attention.on_time(start + MS * 9_000), None);
        attention.voiced(start);
        assert_eq!(attention.on_time(start + MS * 700), Some(Doubt::Ask));
        assert!(attention.is_doubted() && attention.sign() && !attention.is_doubted());
        assert_eq!(attention.on_time(start + MS * 9_000), None);
    }
}
