/// The word of `words` that `written` was probably meant to be.
pub fn nearest<'w>(written: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    // Longer "words" are not misspelt keys, and the distance takes quadratic time.
    if written.len() > 64 {
        return None;
    }
    let (distance, word) = words
        .into_iter()
        .map(|word| (distance(&written.to_lowercase(), &word.to_lowercase()), word))
        .min_by_key(|(distance, _)| *distance)?;
    let tolerated = (word.chars().count() / 3).clamp(1, 3);
    (distance <= tolerated).then_some(word)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut two_up: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, a) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        let mut last_b = None;
        for (column, &b) in b.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, column) + usize::from(a != b);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            if column > 0 && last_a == Some(b) && last_b == Some(a) {
                best = best.min(at(&two_up, column - 1) + 1);
            }
            current.push(best);
            last_b = Some(b);
        }
        last_a = Some(a);
        two_up = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_finds_its_word_and_a_stranger_does_not() {
        let words = ["called", "caller", "agent", "id", "greeting"];
        for (written, expected) in [
            ("calld", Some("called")),
            ("claled", Some("called")),
            ("Agent", Some("agent")),
            ("agnet", Some("agent")),
            ("greating", Some("greeting")),
            ("di", Some("id")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, words), expected, "{written}");
        }
    }
}
