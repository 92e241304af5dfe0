//! One line of the file.

use crate::call::{Country, E164, NumberingPlan};
use crate::dialplan::pattern;
use crate::document::nearest;

const NUMBER: &str = "a number (+15557770001, or national with [numbers] country)";
const COLUMNS: &str = "number or number,agent";

/// Why a line cannot be read. Shows nothing of it.
pub(super) struct Fault {
    /// From 1, in characters.
    pub(super) column: usize,
    pub(super) message: String,
}

/// `+digits` at the line's start as [`E164::value`], and what comes after.
pub(super) fn plain(line: &str) -> Option<(u64, &str)> {
    let digits = line.strip_prefix('+')?;
    let mut value = 0_u64;
    let mut length = 0;
    for digit in digits.bytes().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit <= 9) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    let plausible =
        (E164::FEWEST_DIGITS..=pattern::MOST_DIGITS).contains(&length) && !digits.starts_with('0');
    let (digits, rest) = digits.split_at_checked(length)?;
    // A call's number is read the long way too: what is taken out there must be taken out here.
    (plausible && NumberingPlan::is_plain(digits)).then_some((value, rest))
}

/// The cells of a line.
pub(super) struct Line<'t> {
    number: Cell<'t>,
    pub(super) agent: Option<Cell<'t>>,
}

pub(super) struct Cell<'t> {
    pub(super) text: &'t str,
    column: usize,
}

impl<'t> Line<'t> {
    /// Nothing, if the line is empty or but a comment.
    pub(super) fn of(line: &'t str) -> Result<Option<Self>, Fault> {
        let uncommented = line.split_once('#').map_or(line, |(before, _)| before);
        if uncommented.trim().is_empty() {
            return Ok(None);
        }
        let mut cells = Vec::new();
        let mut begin = 0;
        for text in uncommented.split(',') {
            cells.push(Cell::of(line, begin, text)?);
            begin += text.len() + 1;
        }
        // A comma at the end, or a column of nothing but empty cells, says that no agent is named.
        let mut cells = cells.into_iter().enumerate().filter(|(at, cell)| *at == 0 || !cell.text.is_empty());
        let number = cells.next().map(|(_, cell)| cell);
        let number = number.expect("splitting gives at least one cell");
        let agent = match cells.next() {
            Some((at, cell)) if at > 1 => return Err(cell.too_many()),
            agent => agent.map(|(_, cell)| cell),
        };
        match cells.next() {
            Some((_, cell)) => Err(cell.too_many()),
            None => Ok(Some(Self { number, agent })),
        }
    }

    /// `number` or `number,agent`
    pub(super) fn is_header(&self) -> bool {
        let agent = self.agent.as_ref().is_none_or(|cell| cell.text.eq_ignore_ascii_case("agent"));
        self.number.text.eq_ignore_ascii_case("number") && agent
    }

    pub(super) fn number(&self, country: Option<Country>) -> Result<E164, Fault> {
        pattern::number(self.number.text, country)
            .map_err(|error| self.number.fault(format!("{error}; accepted: {NUMBER}")))
    }
}

impl<'t> Cell<'t> {
    /// `text` begins at byte `begin` of `line`.
    fn of(line: &str, begin: usize, text: &'t str) -> Result<Self, Fault> {
        let blank = text.len() - text.trim_start().len();
        let column = line.get(..begin + blank).map_or(0, |before| before.chars().count()) + 1;
        let trimmed = text.trim();
        let Some(opened) = trimmed.strip_prefix('"') else { return Ok(Self { text: trimmed, column }) };
        match opened.strip_suffix('"') {
            Some(quoted) if !quoted.contains('"') => Ok(Self { text: quoted.trim(), column }),
            _ => {
                let message = format!("found a quote that does not end with its column; accepted: {COLUMNS}");
                Err(Fault { column, message })
            }
        }
    }

    /// Nothing of the name is shown, as it may be a number in the wrong column.
    pub(super) fn unknown_agent(&self, names: &[&str]) -> Fault {
        let guess = nearest(self.text, names.iter().copied());
        let guess = guess.map(|name| format!(", did you mean {name}?")).unwrap_or_default();
        self.fault(format!(
            "found an agent that the tenant does not have{guess}; accepted: the NAME of an [agent.NAME]"
        ))
    }

    fn too_many(&self) -> Fault {
        self.fault(format!("found a third column; accepted: {COLUMNS}"))
    }

    fn fault(&self, message: String) -> Fault {
        Fault { column: self.column, message }
    }
}
