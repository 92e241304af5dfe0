//! A Rust file as the rules see it: without comments and literals, cut into tokens that know their line.

/// An identifier, `::`, or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The tokens of `source`; comments, string and character literals are left out.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let next = match skipped(&chars, at) {
            Some(end) => end,
            None => {
                let (end, text) = token(&chars, at);
                if !text.trim().is_empty() {
                    found.push(Token { text, line });
                }
                end
            }
        };
        line += chars[at..next].iter().filter(|c| **c == '\n').count();
        at = next;
    }
    found
}

fn token(chars: &[char], at: usize) -> (usize, String) {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let end = if word(chars[at]) {
        at + chars[at..].iter().take_while(|c| word(**c)).count()
    } else if chars[at..].starts_with(&[':', ':']) {
        at + 2
    } else {
        at + 1
    };
    (end, chars[at..end].iter().collect())
}

/// The end of the comment or literal that begins at `at`, if one does.
fn skipped(chars: &[char], at: usize) -> Option<usize> {
    let rest = &chars[at..];
    if rest.starts_with(&['/', '/']) {
        return Some(at + rest.iter().take_while(|c| **c != '\n').count());
    }
    if rest.starts_with(&['/', '*']) {
        return Some(at + block_comment(rest));
    }
    if let Some(length) = raw_string(rest, at.checked_sub(1).map(|before| chars[before])) {
        return Some(at + length);
    }
    match rest[0] {
        '"' => Some(at + quoted(rest, '"')),
        '\'' if rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'') => Some(at + quoted(rest, '\'')),
        _ => None,
    }
}

/// The length of a block comment; they nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of `r"..."`, `br#"..."#` and their kin, prefix included.
fn raw_string(rest: &[char], before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let prefix =
        [&['b', 'r'][..], &['c', 'r'][..], &['r'][..]].into_iter().find(|p| rest.starts_with(p))?.len();
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let open = prefix + hashes;
    (rest.get(open) == Some(&'"')).then_some(())?;
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[open + 1..];
    let length = (0..body.len()).find(|at| body[*at..].starts_with(&close)).unwrap_or(body.len());
    Some((open + 1 + length + close.len()).min(rest.len()))
}

/// The length of a literal with escapes, both quotes included.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        tokens(source).into_iter().map(|t| t.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_left_out_and_code_stays() {
        for (source, expected) in [
            ("a::b // crate::c\nd", "a :: b d"),
            ("//! [`crate::c`]\n/// crate::d\ne", "e"),
            ("a /* crate::b /* nested */ still */ c", "a c"),
            (r#"f("crate::x \" crate::y", z)"#, "f ( , z )"),
            (r##"f(r#"crate::x "quoted" "#, z)"##, "f ( , z )"),
            (r#"f(b"crate::x", br"\", z)"#, "f ( b , , z )"),
            ("for<'a> &'a T", "for < ' a > & ' a T"),
            (r"['\'', 'x', '\\'] crate::y", "[ , , ] crate :: y"),
            ("let r = for_r\"x\";", "let r = for_r ;"),
            ("\"a\nb\" unterminated \"", "unterminated"),
        ] {
            assert_eq!(words(source), expected, "{source}");
        }
    }

    #[test]
    fn a_token_knows_its_line_also_after_literals_of_many_lines() {
        let found = tokens("/* a\nb */ x\n\"one\ntwo\" y");
        let lines: Vec<_> = found.iter().map(|t| (t.text.as_str(), t.line)).collect();
        assert_eq!(lines, [("x", 2), ("y", 4)]);
    }
}
