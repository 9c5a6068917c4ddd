//! What was sent and answered, by size.

use alloc::vec::Vec;

/// Probes of one size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) size: u32,
    pub(super) sent: u32,
    pub(super) replied: u32,
    /// Sent, and given up. An answer that comes later takes it back.
    pub(super) lost: u32,
    pub(super) too_big: bool,
    pub(super) refused: bool,
}

/// The ladder of one method: tallies by ascending size, and the largest size that was answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder {
    tallies: Vec<Tally>,
    /// Largest answered size; 0 before the first answer.
    pub(super) low: u32,
}

impl Ladder {
    pub(super) fn at(&mut self, size: u32) -> &mut Tally {
        let index = match self.tallies.binary_search_by_key(&size, |tally| tally.size) {
            Ok(index) => index,
            Err(index) => {
                self.tallies.insert(index, Tally { size, ..Tally::default() });
                index
            }
        };
        &mut self.tallies[index]
    }

    pub(super) fn get(&self, size: u32) -> Tally {
        self.tallies
            .binary_search_by_key(&size, |tally| tally.size)
            .map_or(Tally { size, ..Tally::default() }, |index| self.tallies[index])
    }

    pub(super) fn answered(&mut self, size: u32) {
        self.at(size).replied += 1;
        self.low = self.low.max(size);
    }

    pub(super) fn all(&self) -> &[Tally] {
        &self.tallies
    }

    /// Sent and lost among the sizes that are known to pass.
    pub(super) fn loss(&self) -> (u32, u32) {
        let passing = self.tallies.iter().filter(|tally| tally.size <= self.low);
        passing.fold((0, 0), |(sent, lost), tally| (sent + tally.replied + tally.lost, lost + tally.lost))
    }

    /// The smallest size above `low` for which at least `tries` probes between it and `low` went unanswered.
    pub(super) fn high(&self, tries: u32) -> Option<u32> {
        let mut lost = 0;
        for tally in self.tallies.iter().filter(|tally| tally.size > self.low) {
            lost += tally.lost;
            if lost >= tries || tally.refused {
                return Some(tally.size);
            }
        }
        None
    }

    /// Forgets every loss: they say nothing about sizes. Answers stay, they are facts.
    pub(super) fn forget_losses(&mut self) {
        for tally in &mut self.tallies {
            tally.sent -= tally.lost.min(tally.sent);
            tally.lost = 0;
        }
    }
}
