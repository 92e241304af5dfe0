use std::ops::RangeInclusive;

use super::*;

/// What is needed where calls come in by SIP alone.
fn alone(more: &[(&str, &str)]) -> Given {
    let mut given = with(&[("LIVEKIT_URL", ""), ("LIVEKIT_API_KEY", ""), ("LIVEKIT_API_SECRET", "")]);
    given.variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    given
}

fn settings(listen: &str, public: Option<&str>, rtp_ports: RangeInclusive<u16>) -> SipSettings {
    let public = public.map(|address| address.parse().expect("an address"));
    SipSettings { listen: listen.parse().expect("an address"), public, rtp_ports, tls: None }
}

#[test]
fn the_sip_port_is_off_unless_it_is_turned_on_and_then_livekit_is_not_required() {
    let section = "[sip]\nlisten = '[::]:5070'\npublic_address = '203.0.113.5'\nrtp_ports = '10000-10009'\n";
    let of_section = settings("[::]:5070", Some("203.0.113.5"), 10_000..=10_009);
    for (file, variables, expected) in [
        (None, &[("DIALPLANE_SIP", "0.0.0.0:5060")][..], settings("0.0.0.0:5060", None, 20_000..=29_999)),
        (None, &[("DIALPLANE_SIP", "udp://0.0.0.0:5060")], settings("0.0.0.0:5060", None, 20_000..=29_999)),
        (Some(section), &[], of_section.clone()),
        (
            Some(section),
            &[("DIALPLANE_SIP", "127.0.0.1:5060")],
            SipSettings { listen: "127.0.0.1:5060".parse().expect("an address"), ..of_section },
        ),
    ] {
        let read = read(file, &alone(variables)).expect("settings");
        assert_eq!((read.sip, read.projects), (Some(expected), Vec::new()), "{file:?} {variables:?}");
    }
    let both = read(None, &with(&[("DIALPLANE_SIP", "0.0.0.0:5060")])).expect("settings");
    assert_eq!((both.sip.is_some(), both.projects.len()), (true, 1));
    assert_eq!(read(None, &with(&[])).expect("settings").sip, None);
}

#[test]
fn half_a_livekit_project_is_an_error_beside_the_sip_port_too() {
    let given = alone(&[("DIALPLANE_SIP", "0.0.0.0:5060"), ("LIVEKIT_API_KEY", "APIkey")]);
    let found = read(None, &given).expect_err("no URL");
    assert!(found.iter().any(|line| line.starts_with("LIVEKIT_URL: found nothing")), "{found:?}");
}

#[test]
fn what_is_wrong_with_the_sip_port_is_said_with_what_is_accepted() {
    for (section, line) in [
        (
            "listen = '5060'",
            "2:10: listen: found \"5060\"; accepted: an address and port such as 0.0.0.0:5060",
        ),
        (
            "listen = '[::]:5060'\npublic_address = '0.0.0.0'",
            "3:18: public_address: found \"0.0.0.0\"; accepted: the IP address that callers reach this router at, \
             such as 203.0.113.5",
        ),
        (
            "listen = '[::]:5060'\nrtp_ports = '20000-20003'",
            "3:13: rtp_ports: found \"20000-20003\"; accepted: the first and the last port, at least ten of them \
             above 1023, such as 20000-29999",
        ),
        (
            "",
            "1:1: found no listen in [sip]; accepted: an address and port such as 0.0.0.0:5060, or the variable \
             DIALPLANE_SIP",
        ),
    ] {
        let found = read(Some(&format!("[sip]\n{section}\n")), &alone(&[])).expect_err("an error");
        assert_eq!(found, [format!("dialplane.toml:{line}")], "{section}");
    }
}

/// A certificate and a key, in PEM.
fn identity() -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["router.example".to_owned()]).expect("a name");
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

#[test]
fn tls_is_on_where_it_has_an_address_a_certificate_and_its_key() {
    let ((certificate, key), (_, others_key)) = (identity(), identity());
    let mut given = alone(&[]);
    let files = [("own.pem", &certificate), ("own.key", &key), ("other.key", &others_key)];
    given.files.extend(files.map(|(name, text)| (name.into(), text.clone())));
    let read = |tls: &str| read(Some(&format!("[sip]\nlisten = '[::]:5060'\ntls = {tls}\n")), &given);

    let good = "{ listen = '[::]:5061', certificate = 'own.pem', key = 'own.key' }";
    let tls = read(good).expect("settings").sip.and_then(|sip| sip.tls).expect("TLS");
    assert_eq!(tls.listen, "[::]:5061".parse().expect("an address"));

    let (certificates, keys) = (
        "a PEM file with the certificate, and those that vouch for it behind it",
        "a PEM file with the certificate's private key, not encrypted",
    );
    for (tls, expected) in [
        (
            "{ listen = '[::]:5061', certificate = 'own.key', key = 'own.key' }",
            format!("certificate: found a file without a certificate in PEM; accepted: {certificates}"),
        ),
        (
            "{ listen = '[::]:5061', certificate = 'own.pem', key = 'own.pem' }",
            format!("key: found a file without a private key in PEM; accepted: {keys}"),
        ),
        (
            "{ listen = '[::]:5061', certificate = 'own.pem', key = 'other.key' }",
            format!("key: found a key that is not the certificate's; accepted: {keys}"),
        ),
        (
            "{ listen = '[::]:5061', certificate = 'own.pem' }",
            format!("found no key in [tls]; accepted: {keys}"),
        ),
        (
            "{ listen = '5061', certificate = 'own.pem', key = 'own.key' }",
            "listen: found \"5061\"; accepted: an address and port such as 0.0.0.0:5061".to_owned(),
        ),
        (
            "{ listen = '[::]:5061', certificate = 'none.pem', key = 'own.key' }",
            format!(
                "certificate: found a file that cannot be read (entity not found); accepted: {certificates}, of at \
                 most 262144 bytes"
            ),
        ),
    ] {
        let found = read(tls).expect_err("an error");
        let [line] = &found[..] else { panic!("{found:?}") };
        assert!(line.starts_with("dialplane.toml:3:") && line.ends_with(&expected), "{tls}: {line}");
    }
}
