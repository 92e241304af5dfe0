//! Every path that a file names: in `use` trees, and inline in code and types.

use super::source::{Token, tokens};

/// A path with its `use` tree unfolded; `crate::a::{b, c::d}` gives two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub line: usize,
}

/// What the code of one file names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Paths from the crate's root, `crate` or `super::..` already taken off.
    pub own: Vec<Path>,
    /// All others: foreign crates, local items, `self::`.
    pub others: Vec<Path>,
    /// The names this file gives itself: its `mod x` and what its `use crate::..` bring in.
    pub local: Vec<String>,
}

/// The names in `source`, the file of module `module` (`["ingress", "leg"]` for src/ingress/leg.rs).
pub fn names(source: &str, module: &[String]) -> Names {
    let tokens = tokens(source);
    let mut reader =
        Reader { tokens: &tokens, at: 0, inside: Vec::new(), depth: 0, module, names: Names::default() };
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.names
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The inline modules around us, each with the depth of braces at which it ends.
    inside: Vec<(String, usize)>,
    depth: usize,
    module: &'a [String],
    names: Names,
}

impl Reader<'_> {
    fn step(&mut self) {
        match self.text(0) {
            "{" => self.depth += 1,
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.inside.retain(|(_, ends)| *ends < self.depth + 1);
            }
            "mod" if is_name(self.text(1)) => return self.module_item(),
            "use" if self.is_use_item() => return self.use_item(),
            text if is_name(text) || text == "::" => return self.inline_path(),
            _ => {}
        }
        self.at += 1;
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    /// `use` also appears in `impl Trait + use<'a>`.
    fn is_use_item(&self) -> bool {
        self.text(1) != "<"
    }

    fn module_item(&mut self) {
        let name = self.text(1).to_owned();
        if self.text(2) == "{" {
            self.inside.push((name.clone(), self.depth + 1));
        }
        self.names.local.push(name);
        self.at += 2;
    }

    fn use_item(&mut self) {
        self.at += 1;
        let mut found = Vec::new();
        self.tree(&[], &mut found);
        for (path, name) in found {
            let own = self.record(path);
            if let (true, Some(name)) = (own, name) {
                self.names.local.push(name);
            }
        }
    }

    /// Reads one `use` tree; each leaf with the name it brings in.
    fn tree(&mut self, prefix: &[String], found: &mut Vec<(Path, Option<String>)>) {
        let mut segments = prefix.to_vec();
        let line = self.line();
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        if self.text(0) == "," {
                            self.at += 1;
                        } else {
                            self.tree(&segments, found);
                        }
                    }
                    self.at += 1;
                    return;
                }
                "as" => {
                    let name = self.text(1).to_owned();
                    self.at += 2;
                    return found.push((Path { segments, line }, Some(name)));
                }
                text if is_name(text) || text == "*" => {
                    segments.push(text.to_owned());
                    self.at += 1;
                }
                "$" => self.at += 1,
                _ => {
                    let name = segments.last().cloned();
                    return found.push((Path { segments, line }, name));
                }
            }
        }
    }

    fn inline_path(&mut self) {
        let line = self.line();
        let after_dot = self.at > 0 && self.tokens[self.at - 1].text == ".";
        let after_generic = self.text(0) == "::" && self.at > 0 && self.tokens[self.at - 1].text == ">";
        let mut segments = Vec::new();
        loop {
            match (self.text(0), self.text(1)) {
                ("::", next) if is_name(next) => self.at += 1,
                (name, "::") if is_name(name) => {
                    segments.push(name.to_owned());
                    self.at += 1;
                }
                (name, _) if is_name(name) => {
                    segments.push(name.to_owned());
                    self.at += 1;
                    break;
                }
                _ => {
                    // `::` before `<`, `{` or `*`: the path goes no further.
                    self.at += 1;
                    break;
                }
            }
        }
        if segments.len() > 1 && !after_dot && !after_generic {
            self.record(Path { segments, line });
        }
    }

    /// Sorts a path; true if it starts at the crate's root.
    fn record(&mut self, path: Path) -> bool {
        let Path { segments, line } = path;
        let ups = segments.iter().take_while(|s| *s == "super").count();
        let depth = self.module.len() + self.inside.len();
        let root = match segments.first().map(String::as_str) {
            Some("crate") => Some(1),
            Some("super") if ups == depth => Some(ups),
            _ => None,
        };
        match root {
            Some(skip) => self.names.own.push(Path { segments: segments[skip..].to_vec(), line }),
            None => self.names.others.push(Path { segments, line }),
        }
        root.is_some()
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(source: &str, module: &str) -> String {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        let found = names(source, &module).own;
        found.iter().map(|p| format!("{}:{}", p.line, p.segments.join("::"))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn paths_of_this_crate_are_found_wherever_they_stand() {
        for (source, expected) in [
            ("use crate::call::Call;", "1:call::Call"),
            ("use crate::{call::{self, E164}, tenant};", "1:call::self 1:call::E164 1:tenant"),
            ("pub(crate) use crate::call::Call as C;", "1:call::Call"),
            ("use crate::call::*;", "1:call::*"),
            ("use crate::*;", "1:*"),
            ("\nfn f(x: crate::call::Call) -> Vec<crate::store::J> {}", "2:call::Call 2:store::J"),
            ("let x = <crate::call::Call>::new();", "1:call::Call"),
            ("let x = crate::call::Call::<u8>::new();", "1:call::Call"),
            ("macro_rules! m { () => { $crate::call::f() } }", "1:call::f"),
            ("#[cfg(test)] mod tests { use crate::store::X; }", "1:store::X"),
            ("pub(crate) fn f() {} // crate::store\nconst S: &str = \"crate::store\";", ""),
        ] {
            assert_eq!(own(source, "ingress"), expected, "{source}");
        }
    }

    #[test]
    fn super_reaches_the_root_only_when_it_climbs_out_of_every_module() {
        for (source, module, expected) in [
            ("use super::store::X;", "ingress", "1:store::X"),
            ("use super::facts::X;", "ingress::leg", ""),
            ("use super::super::store::X;", "ingress::leg", "1:store::X"),
            ("mod tests { use super::store::X; } fn f() { super::call::g() }", "ingress", "1:call::g"),
            ("mod a { mod b { use super::super::super::store::X; } }", "ingress", "1:store::X"),
        ] {
            assert_eq!(own(source, module), expected, "{source}");
        }
    }

    #[test]
    fn foreign_paths_are_whole_and_own_names_are_known() {
        let found = names(
            "use tokio::{net::TcpStream}; use crate::media::opus; fn f() { opus::x(); ::str0m::Rtc::new(); a.b::<u8>() }",
            &["ingress".to_owned()],
        );
        let others: Vec<_> = found.others.iter().map(|p| p.segments.join("::")).collect();
        assert_eq!(others, ["tokio::net::TcpStream", "opus::x", "str0m::Rtc::new"]);
        assert_eq!(found.local, ["opus"]);
    }
}
