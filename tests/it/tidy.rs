//! Holds the code to the table in the doc of `src/lib.rs`, and the files to the rules of their form.

mod fuzz;
mod paths;
mod source;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use table::{Imports, Row};

/// Dependencies that keep their default features.
const WITH_DEFAULT_FEATURES: [(&str, &str); 1] = [("thiserror", "its only default feature is std")];

const LONGEST_FILE: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rows() -> Vec<Row> {
    table::read(&fs::read_to_string(root().join("src/lib.rs")).unwrap())
}

/// Every `.rs` file under `folder`, by its path from the package's root, and its text.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                // What the fuzzers' build leaves is nobody's writing.
                folders.extend((!path.ends_with("target")).then_some(path));
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// `["ingress", "leg"]` for src/ingress/leg.rs; nothing for src/lib.rs and src/main.rs.
fn module_of(file: &Path) -> Vec<String> {
    let path = file.strip_prefix("src").unwrap().with_extension("");
    let module: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(module.join("::").as_str(), "lib" | "main") { Vec::new() } else { module }
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let rows = rows();
    let listed: BTreeSet<String> = rows.iter().map(|row| row.module.clone()).collect();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: BTreeSet<String> = paths::names(&lib, &[]).local.into_iter().collect();
    assert_eq!(rows.len(), listed.len(), "a module has two rows");
    assert_eq!(listed, declared, "the table in src/lib.rs (left) and its modules (right) differ");
    assert_none(&table::faults(&rows));
}

/// What `text`, the code of `module`, names and its row does not allow.
fn import_faults(rows: &[Row], module: &[String], file: &str, text: &str) -> Vec<String> {
    let Some(top) = module.first() else { return Vec::new() };
    let names = paths::names(text, module);
    let own = names.own.iter().filter(|path| !table::allows(rows, top, &path.segments)).map(|path| {
        let named = path.segments.join("::");
        format!("{file}:{}: `{top}` may not import `crate::{named}`: see its row in src/lib.rs", path.line)
    });
    let foreign = names.others.iter().filter(|path| {
        let first = &path.segments[0];
        !names.local.contains(first) && table::is_away_from_home(rows, top, first)
    });
    let foreign = foreign.map(|path| {
        let named = &path.segments[0];
        format!("{file}:{}: `{named}` has a home, and `{top}` is not it: see src/lib.rs", path.line)
    });
    own.chain(foreign).collect()
}

#[test]
fn modules_import_what_their_rows_allow() {
    let rows = rows();
    let faults: Vec<String> = files("src")
        .iter()
        .flat_map(|(file, text)| import_faults(&rows, &module_of(file), &file.display().to_string(), text))
        .collect();
    assert_none(&faults);
}

#[test]
fn a_forbidden_import_is_named_with_its_file_and_line() {
    let rows = [
        Row {
            module: "call".into(),
            imports: Imports::Named(Vec::new()),
            crates: vec!["phonenumber".into()],
        },
        Row { module: "store".into(), imports: Imports::Named(vec!["call".into()]), crates: Vec::new() },
    ];
    let module = ["store".to_owned(), "journal".to_owned()];
    let bad = "use crate::call::Call;\nuse crate::session::Run;\nfn f() { phonenumber::parse() }\n";
    assert_eq!(
        import_faults(&rows, &module, "src/store/journal.rs", bad),
        [
            "src/store/journal.rs:2: `store` may not import `crate::session::Run`: see its row in src/lib.rs",
            "src/store/journal.rs:3: `phonenumber` has a home, and `store` is not it: see src/lib.rs",
        ]
    );
}

#[test]
fn every_home_is_of_a_dependency() {
    let dependencies: BTreeSet<String> =
        dependencies().into_iter().map(|(name, _)| name.replace('-', "_")).collect();
    for row in rows() {
        for home in row.crates {
            assert!(dependencies.contains(&home), "`{}` is home of `{home}`, no dependency", row.module);
        }
    }
}

#[test]
fn every_file_belongs_to_a_module() {
    let sources = files("src");
    let declares = |parent: &[String], child: &String| {
        let text = sources.iter().find(|(file, _)| match parent {
            [] => *file == Path::new("src/lib.rs"),
            _ => module_of(file) == parent,
        });
        text.is_some_and(|(_, text)| paths::names(text, parent).local.contains(child))
    };
    let orphans: Vec<String> = sources
        .iter()
        .filter(|(file, _)| {
            module_of(file).split_last().is_some_and(|(child, parent)| !declares(parent, child))
        })
        .map(|(file, _)| format!("{}:1: no `mod` reaches this file", file.display()))
        .collect();
    assert_none(&orphans);
}

#[test]
fn files_are_short_and_named_after_their_module() {
    let all = ["src", "tests", "benches", "examples", "fuzz"].into_iter().flat_map(files);
    let faults: Vec<String> = all
        .filter_map(|(file, text)| {
            let lines = text.lines().count();
            let name = file.display();
            if file.ends_with("mod.rs") {
                Some(format!("{name}:1: a module is foo.rs, not foo/mod.rs"))
            } else {
                (lines > LONGEST_FILE).then(|| format!("{name}:{lines}: longer than {LONGEST_FILE} lines"))
            }
        })
        .collect();
    assert_none(&faults);
}

/// Lines that put work off.
fn unfinished(text: &str) -> Vec<usize> {
    let marks = ["TODO", "FIXME", "todo!", "unimplemented!", "not implemented"];
    let lines = text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
    lines.map(|(at, _)| at + 1).collect()
}

#[test]
fn nothing_in_the_product_is_put_off() {
    assert_eq!(unfinished("fn f() {\n    // TODO: later\n    todo!()\n}"), [2, 3]);
    let faults: Vec<String> = files("src")
        .iter()
        .flat_map(|(file, text)| {
            unfinished(text).into_iter().map(move |line| format!("{}:{line}: unfinished", file.display()))
        })
        .collect();
    assert_none(&faults);
}

/// Every dependency in Cargo.toml, and whether it leaves its default features off.
fn dependencies() -> Vec<(String, bool)> {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest = toml::de::DeTable::parse(&text).unwrap();
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = tables.into_iter().filter_map(|name| manifest.get_ref().get(name)?.get_ref().as_table());
    let found = tables.flatten().map(|(name, value)| {
        let defaults = value.get_ref().get("default-features").and_then(|v| v.get_ref().as_bool());
        (name.get_ref().to_string(), defaults == Some(false))
    });
    found.collect()
}

#[test]
fn dependencies_leave_default_features_off() {
    for (name, off) in dependencies() {
        let allowed = WITH_DEFAULT_FEATURES.iter().find(|(allowed, _)| *allowed == name);
        assert!(
            off || allowed.is_some(),
            "{name}: set default-features = false, or give a reason in tidy.rs"
        );
        assert!(!(off && allowed.is_some()), "{name}: needs no exception any more");
    }
}
