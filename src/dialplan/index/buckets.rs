//! A hash table from integers to values, a bucket to the cache line.
//!
//! An entry that finds its bucket full stands in the first one after it that is not. The buckets are filled in their
//! order, each with its entries sorted, so the same entries always make the same table.

const SLOTS: usize = 5;
/// On average, of [`SLOTS`].
const ENTRIES_A_BUCKET: usize = 4;

/// No key is 0: that is a free slot.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(align(64))]
struct Bucket {
    keys: [u64; SLOTS],
    values: [u32; SLOTS],
    /// An entry that belongs here, or before, stands further on.
    overflowed: bool,
}

const _: () = assert!(size_of::<Bucket>() == 64, "a bucket is a cache line");

impl Bucket {
    /// Compares all slots at once: which one hits cannot be foreseen.
    fn get(&self, key: u64) -> Option<u32> {
        let hits = self.keys.iter().rev().fold(0_u32, |hits, known| hits << 1 | u32::from(*known == key));
        self.values.get(hits.trailing_zeros() as usize).copied()
    }

    fn fill(&mut self, entries: impl Iterator<Item = (u64, u32)>) {
        for ((key, value), entry) in self.keys.iter_mut().zip(&mut self.values).zip(entries) {
            (*key, *value) = entry;
        }
    }
}

#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Buckets {
    buckets: Box<[Bucket]>,
    /// Those that a key can belong to; the others hold what the last of these could not.
    homes: usize,
    len: usize,
}

impl Buckets {
    pub(super) fn build(entries: &[(u64, u32)]) -> Self {
        let homes = entries.len().div_ceil(ENTRIES_A_BUCKET);
        let mut buckets = Vec::with_capacity(homes);
        // What the buckets so far could not hold, a part of the entries by home.
        let mut carried: Vec<(u64, u32)> = Vec::new();
        let groups = ByHome::of(entries.iter().copied(), homes);
        let mut ours = groups.iter();
        while buckets.len() < homes || !carried.is_empty() {
            let group = ours.next().unwrap_or_default();
            debug_assert!(group.is_sorted_by(|(one, _), (next, _)| one < next), "each key is there once");
            carried.extend_from_slice(group);
            let mut bucket = Bucket::default();
            let held = carried.len().min(SLOTS);
            bucket.fill(carried.drain(..held));
            bucket.overflowed = !carried.is_empty();
            buckets.push(bucket);
        }
        Self { buckets: buckets.into(), homes, len: entries.len() }
    }

    pub(super) fn get(&self, key: u64) -> Option<u32> {
        let mut at = home(key, self.homes);
        loop {
            let bucket = self.buckets.get(at)?;
            let found = bucket.get(key);
            if found.is_some() || !bucket.overflowed {
                return found;
            }
            at += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// The most buckets that a look-up reads.
    #[cfg(test)]
    pub(super) fn longest_walk(&self) -> usize {
        let runs = self.buckets.split(|bucket| !bucket.overflowed);
        runs.map(|run| run.len() + 1).max().unwrap_or_default()
    }
}

/// See [`super::repeats`].
pub(super) fn repeats(numbers: impl ExactSizeIterator<Item = u64> + Clone) -> Vec<(usize, usize)> {
    let homes = numbers.len().div_ceil(ENTRIES_A_BUCKET);
    let groups = ByHome::of(numbers.zip(0..), homes);
    let mut found = Vec::new();
    for group in groups.iter() {
        for same in group.chunk_by(|(one, _), (next, _)| one == next) {
            let [(_, first), later @ ..] = same else { continue };
            found.extend(later.iter().map(|(_, later)| (*first as usize, *later as usize)));
        }
    }
    found.sort_unstable_by_key(|(_, later)| *later);
    found
}

/// Entries, those of each home together and sorted.
struct ByHome {
    entries: Vec<(u64, u32)>,
    /// Where the entries of each home end.
    ends: Vec<u32>,
}

impl ByHome {
    /// A counting sort.
    fn of(entries: impl Iterator<Item = (u64, u32)> + Clone, homes: usize) -> Self {
        let mut ends = vec![0_u32; homes];
        let count_at = |ends: &mut [u32], key| {
            let count = ends.get_mut(home(key, homes)).expect("every key has a home");
            *count += 1;
            *count - 1
        };
        for (key, _) in entries.clone() {
            count_at(&mut ends, key);
        }
        let mut before = 0;
        for count in &mut ends {
            before += std::mem::replace(count, before);
        }
        let mut sorted = vec![(0, 0); before as usize];
        for entry in entries {
            let at = count_at(&mut ends, entry.0);
            *sorted.get_mut(at as usize).expect("as many places as entries") = entry;
        }
        let mut begin = 0;
        let mut rest = sorted.as_mut_slice();
        for end in &ends {
            let (group, others) = rest.split_at_mut((*end - begin) as usize);
            group.sort_unstable();
            (rest, begin) = (others, *end);
        }
        Self { entries: sorted, ends }
    }

    fn iter(&self) -> impl Iterator<Item = &[(u64, u32)]> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins
            .zip(&self.ends)
            .map(|(begin, end)| self.entries.get(*begin as usize..*end as usize).unwrap_or_default())
    }
}

/// The bucket a key belongs to. Folds the two halves of a product, as wyhash does; the constants are its own.
fn home(key: u64, homes: usize) -> usize {
    let product = u128::from(key ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db;
    let hash = product as u64 ^ (product >> 64) as u64;
    ((u128::from(hash) * homes as u128) >> 64) as usize
}
