//! The table of modules in the doc of `src/lib.rs`.

/// One row: a module, what it may import, and the foreign crates at home in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub module: String,
    pub imports: Imports,
    pub crates: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imports {
    /// `*`: every module above it in the table.
    All,
    /// Modules, or one submodule of one: `ingress::leg`.
    Named(Vec<String>),
}

/// Open to every module.
pub const OPEN: [&str; 2] = ["pii", "telemetry"];

/// Reads the rows, bottom to top as they stand.
pub fn read(lib: &str) -> Vec<Row> {
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.map(|line| {
        let (module, rest) = line.split_once("` |").expect("a row names its module");
        let cells: Vec<&str> = rest.split('|').map(str::trim).collect();
        let [_lives, imports, crates, ..] = cells[..] else {
            panic!("the row of {module} has too few cells")
        };
        let imports = match imports {
            "*" => Imports::All,
            "-" => Imports::Named(Vec::new()),
            names => Imports::Named(list(names)),
        };
        Row { module: module.to_owned(), imports, crates: list(crates) }
    })
    .collect()
}

fn list(cell: &str) -> Vec<String> {
    cell.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// What is wrong with the table itself: a row that imports something not above it.
pub fn faults(rows: &[Row]) -> Vec<String> {
    let mut faults = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let Imports::Named(names) = &row.imports else { continue };
        let above = |name: &str| rows[..at].iter().any(|lower| lower.module == name);
        for name in names.iter().filter(|name| !above(name.split("::").next().unwrap_or(name))) {
            faults.push(format!("the row of `{}` imports `{name}`, which stands not above it", row.module));
        }
    }
    faults
}

/// Whether the code of `module` may name `path`, the segments after `crate::`.
pub fn allows(rows: &[Row], module: &str, path: &[String]) -> bool {
    let Some(first) = path.first() else { return false };
    if first == module || OPEN.contains(&first.as_str()) {
        return true;
    }
    let Some(at) = rows.iter().position(|row| row.module == module) else { return false };
    match &rows[at].imports {
        Imports::All => rows[..at].iter().any(|lower| lower.module == *first),
        Imports::Named(names) => names.iter().any(|name| {
            let wanted: Vec<&str> = name.split("::").collect();
            path.len() >= wanted.len() && path.iter().zip(&wanted).all(|(have, want)| have == want)
        }),
    }
}

/// Whether `name` is a crate with a home, and `module` is none of its homes.
pub fn is_away_from_home(rows: &[Row], module: &str, name: &str) -> bool {
    let mut homes = rows.iter().filter(|row| row.crates.iter().any(|home| home == name)).peekable();
    homes.peek().is_some() && !homes.any(|row| row.module == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "\
//! | module | what lives there | may import | foreign home |
//! |---|---|---|---|
//! | `pii` | redacting types | - | |
//! | `leg` | frames | - | opus |
//! | `talk` | a call | leg, ingress::wire | opus, str0m |
//! | `app` | wiring | * | |
";

    fn path(text: &str) -> Vec<String> {
        text.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn rows_are_read_in_order() {
        let rows = read(LIB);
        assert_eq!(rows.iter().map(|r| r.module.as_str()).collect::<Vec<_>>(), ["pii", "leg", "talk", "app"]);
        assert_eq!(rows[2].imports, Imports::Named(vec!["leg".into(), "ingress::wire".into()]));
        assert_eq!(rows[2].crates, ["opus", "str0m"]);
        assert_eq!(rows[3].imports, Imports::All);
    }

    #[test]
    fn a_row_that_imports_upwards_is_a_fault() {
        assert_eq!(
            faults(&read(LIB)),
            ["the row of `talk` imports `ingress::wire`, which stands not above it"]
        );
    }

    #[test]
    fn a_module_may_name_what_its_row_names_and_no_more() {
        let rows = read(LIB);
        for (module, named, allowed) in [
            ("talk", "leg::Frame", true),
            ("talk", "talk::inner", true),
            ("talk", "pii::Redacted", true),
            ("talk", "ingress::wire::X", true),
            ("talk", "ingress::worker", false),
            ("talk", "ingress", false),
            ("talk", "app", false),
            ("leg", "talk", false),
            ("app", "talk::Call", true),
            ("app", "elsewhere", false),
        ] {
            assert_eq!(allows(&rows, module, &path(named)), allowed, "{module} names {named}");
        }
    }

    #[test]
    fn a_crate_is_away_from_home_only_where_no_row_lists_it() {
        let rows = read(LIB);
        assert!(is_away_from_home(&rows, "app", "opus"));
        assert!(!is_away_from_home(&rows, "talk", "opus"));
        assert!(!is_away_from_home(&rows, "app", "serde"));
    }
}
