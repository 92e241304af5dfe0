use super::*;
use crate::http::address::Allowed;

#[test]
fn the_backends_of_tenants_may_be_kept_to_public_addresses() {
    let allowed = |texts: &[&str]| {
        Reach::Public(texts.iter().map(|text| Allowed::parse(text).expect("an address")).collect())
    };
    let accepted =
        "a network such as 10.20.0.0/16 or fd00::/8, an address, or a host's name such as backend.internal";
    for (section, expected) in [
        ("", Ok(Reach::Anywhere)),
        ("tenants = 'anywhere'", Ok(Reach::Anywhere)),
        ("tenants = 'public'", Ok(allowed(&[]))),
        (
            "tenants = 'public'\nallowed = ['10.20.0.0/16', 'backend.internal']",
            Ok(allowed(&["10.20.0.0/16", "backend.internal"])),
        ),
        (
            "tenants = 'anywhere'\nallowed = ['10.20.0.0/16']",
            Err("3:11: allowed: found a list beside tenants = \"anywhere\"; accepted: one beside tenants = \"public\"".into()),
        ),
        (
            "tenants = 'public'\nallowed = ['10.20.0.1/16']",
            Err(format!("3:12: allowed: found \"10.20.0.1/16\"; accepted: {accepted}")),
        ),
        ("allowed = []", Err("1:1: found no tenants in [addresses]; accepted: public or anywhere".into())),
    ] {
        let file = if section.is_empty() { String::new() } else { format!("[addresses]\n{section}\n") };
        let found = read(Some(&file), &with(&[])).map(|settings| settings.tenants_reach);
        let expected: Result<Reach, Vec<String>> = expected.map_err(|text: String| vec![format!("dialplane.toml:{text}")]);
        assert_eq!(found, expected, "{section}");
    }
}
