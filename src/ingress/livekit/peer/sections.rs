/// Receiving sections in all, however many tracks a room has.
const MAX: usize = 4;
/// So often a free section is offered again, before another one is: the server makes no use of one that it has
/// answered before it knew of a track.
const AGAIN: u32 = 2;
/// Offers made only because the server asked: beyond as many in a row, it is not understood and not followed.
const QUESTIONS: u32 = 8;

/// The sections in which we receive.
#[derive(Debug)]
pub(super) struct Sections {
    offered: usize,
    /// Those whose track is known.
    named: usize,
    wanted: usize,
    /// Offers that only asked what a free section is for, since it was last told.
    asked: u32,
    /// All of those since an offer said something.
    questions: u32,
}

impl Sections {
    pub(super) const fn one() -> Self {
        Self { offered: 1, named: 0, wanted: 0, asked: 0, questions: 0 }
    }

    pub(super) const fn free(&self) -> usize {
        self.offered.saturating_sub(self.named)
    }

    /// The server wants this many besides those that carry a track.
    pub(super) fn want(&mut self, count: u32) {
        let count = usize::try_from(count).unwrap_or(MAX);
        let free = if self.asked < AGAIN { self.free() } else { 0 };
        self.wanted = self.wanted.max(count.saturating_sub(free).min(MAX.saturating_sub(self.offered)));
    }

    pub(super) const fn is_any_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// How many more are offered now.
    pub(super) fn offer(&mut self) -> usize {
        let wanted = std::mem::take(&mut self.wanted);
        self.offered += wanted;
        if wanted > 0 {
            self.asked = 0;
        }
        wanted
    }

    /// Whether an offer without a change may tell what a section is for.
    pub(super) const fn may_ask(&self) -> bool {
        self.free() > 0 && self.questions < QUESTIONS
    }

    /// An offer without a change leaves.
    pub(super) const fn ask(&mut self) {
        self.asked += 1;
        self.questions += 1;
    }

    /// An offer with a change leaves.
    pub(super) const fn say(&mut self) {
        self.questions = 0;
    }

    /// The tracks of so many are known.
    pub(super) const fn name(&mut self, tracks: usize) {
        if tracks > self.named {
            self.asked = 0;
        }
        self.named = tracks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_section_that_is_of_no_use_twice_is_followed_by_another() {
        let mut sections = Sections::one();
        for _ in 0..AGAIN {
            sections.want(1);
            assert_eq!(sections.offer(), 0, "there is a free one");
            sections.ask();
        }
        sections.want(1);
        assert_eq!(sections.offer(), 1);
        sections.name(1);
        assert_eq!(sections.free(), 1);
        sections.want(0);
        assert_eq!(sections.offer(), 0);
    }

    #[test]
    fn there_are_never_more_than_four() {
        let mut sections = Sections::one();
        let mut offered = 1;
        for _ in 0..100 {
            sections.want(u32::MAX);
            offered += sections.offer();
            sections.ask();
        }
        assert_eq!(offered, MAX);
    }
}
