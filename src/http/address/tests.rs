use super::*;

#[test]
fn only_addresses_that_mean_one_host_to_everyone_are_public() {
    // The ends of each range, and what carries an address inside another.
    let public = "8.8.8.8 1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 169.253.255.255 172.15.255.255 \
        172.32.0.0 192.0.1.0 192.169.0.0 198.17.255.255 198.20.0.0 203.0.114.0 223.255.255.255 \
        ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2000::1 2001:200::1 2001:4860:4860::8888 2001:db9::1 2002:808:808::1 \
        2606:4700::1111 3ffe::1";
    let special = "0.255.255.255 10.0.0.1 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 \
        172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.255.255 198.18.0.0 198.19.255.255 \
        198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::8.8.8.8 \
        ::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::10.0.0.1 64:ff9b:1::8.8.8.8 100::1 1fff::1 2001::1 \
        2001:1ff::1 2001:db8::1 2002:7f00:1::1 2002:a9fe:a9fe::1 3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 \
        fd12:3456::1 fe80::1 fec0::1 ff02::1";
    for (texts, expected) in [(public, true), (special, false)] {
        for text in texts.split(' ') {
            assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        }
    }
}

#[test]
fn what_is_allowed_is_a_network_an_address_or_a_name() {
    for (text, inside, outside) in [
        ("10.20.0.0/16", Some("10.20.255.255"), "10.21.0.0"),
        ("10.20.0.5", Some("10.20.0.5"), "10.20.0.6"),
        ("127.0.0.0/8", Some("::ffff:127.0.0.1"), "::1"),
        ("0.0.0.0/0", Some("10.0.0.1"), "::1"),
        ("fd00::/8", Some("fd12::1"), "fc00::1"),
        ("::1", Some("::1"), "127.0.0.1"),
        ("10.20.0.1/16", None, "10.20.0.1"),
        ("10.20.0.0/33", None, "10.20.0.0"),
        ("10.20.0.0/+8", None, "10.20.0.0"),
        ("10.20.0.0/08", None, "10.20.0.0"),
        ("10.20.0.0/", None, "10.20.0.0"),
        ("10.20.0", None, "10.20.0.0"),
        ("backend.internal", None, "10.20.0.0"),
    ] {
        let allowed: Vec<Allowed> = Network::parse(text).map(Allowed::Network).into_iter().collect();
        assert_eq!(allowed.len(), usize::from(inside.is_some()), "{text}");
        let takes = |address: &str| is_allowed(address.parse().unwrap(), &allowed);
        assert!(inside.is_none_or(takes), "{text}");
        assert!(!takes(outside), "{text} takes {outside}");
    }
    for (text, host) in [
        ("backend.internal", Some("backend.internal")),
        ("Backend.Internal.", Some("backend.internal")),
        ("*.internal", None),
        ("10.20.0.0/33", None),
        ("10.20", None),
        ("https://backend.internal/", None),
        ("backend.internal:80", None),
        ("", None),
    ] {
        let expected = host.map(|host| Allowed::Host(host.to_owned()));
        assert_eq!(Allowed::parse(text), expected, "{text}");
    }
    let host = [Allowed::Host("backend.internal".to_owned())];
    for (name, taken) in [
        ("backend.internal", true),
        ("BACKEND.internal.", true),
        ("x.backend.internal", false),
        ("backend", false),
    ] {
        assert_eq!(is_allowed_host(name, &host), taken, "{name}");
    }
}

#[test]
fn an_address_in_the_url_is_checked_however_it_is_spelt() {
    for (url, taken) in [
        ("https://8.8.8.8/", true),
        ("http://127.0.0.1/", false),
        ("http://127.1/", false),
        ("http://0x7f000001/", false),
        ("http://2130706433/", false),
        ("http://0177.0.0.1/", false),
        ("http://[::1]/", false),
        ("http://[::ffff:10.0.0.1]/", false),
        ("http://169.254.169.254/latest/", false),
        // A name; checked when it is resolved.
        ("http://localhost/", true),
    ] {
        assert_eq!(check_literal(&url.parse().unwrap(), &[]).is_ok(), taken, "{url}");
    }
}
