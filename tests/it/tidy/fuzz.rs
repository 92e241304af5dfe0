//! The fuzzers' targets, which no build of the package builds: what each says beyond `fuzz/properties.rs`, which the tests
//! build too, is held to here.

use std::collections::BTreeMap;
use std::fs;

use toml::de::DeTable;

use super::root;

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The version and the features of every dependency.
fn dependencies(path: &str) -> BTreeMap<String, (Option<String>, Vec<String>)> {
    let text = text(path);
    let manifest = DeTable::parse(&text).unwrap();
    let table = manifest.get_ref()["dependencies"].get_ref().as_table().unwrap();
    let read = table.iter().map(|(name, value)| {
        let version = value.get_ref().get("version").and_then(|version| version.get_ref().as_str());
        let features = value.get_ref().get("features").and_then(|features| features.get_ref().as_array());
        let features = features.into_iter().flatten().filter_map(|feature| feature.get_ref().as_str());
        (name.get_ref().to_string(), (version.map(str::to_owned), features.map(str::to_owned).collect()))
    });
    read.collect()
}

#[test]
fn every_fuzz_target_tries_one_property_and_is_listed() {
    let (properties, manifest) = (text("fuzz/properties.rs"), text("fuzz/Cargo.toml"));
    let properties: Vec<&str> =
        properties.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split('(').next()).collect();
    assert!(properties.len() > 3, "{properties:?}");
    let targets = manifest.split("[[bin]]\nname = \"").skip(1);
    let listed: Vec<&str> = targets.filter_map(|target| target.split('"').next()).collect();
    for name in &listed {
        assert!(properties.contains(name), "{name} tries nothing");
        let path = format!("fuzz/fuzz_targets/{name}.rs");
        let expected = format!(
            "#![no_main]\n\n#[path = \"../properties.rs\"]\n#[allow(dead_code, reason = \"a target each\")]\n\
             mod properties;\n\nlibfuzzer_sys::fuzz_target!(|data: &[u8]| properties::{name}(data));\n"
        );
        assert_eq!(text(&path), expected, "{path}");
    }
    assert_eq!(listed.len(), properties.len(), "{listed:?} of {properties:?}");
    assert_eq!(fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap().count(), listed.len());
}

#[test]
fn the_fuzz_targets_are_built_with_the_packages_own_dependencies() {
    let (own, fuzz) = (dependencies("Cargo.toml"), dependencies("fuzz/Cargo.toml"));
    for (name, (version, features)) in fuzz {
        let Some((of_package, its_features)) = own.get(&name) else {
            assert!(["dialplane", "libfuzzer-sys"].contains(&name.as_str()), "{name}");
            continue;
        };
        assert_eq!(version, *of_package, "{name}");
        assert!(features.iter().all(|feature| its_features.contains(feature)), "{name}: {features:?}");
    }
}
