use proptest::prelude::*;

use super::*;

/// The examples of RFC 7616, section 3.9.1: the user `Mufasa`, whose password is `Circle of Life`.
fn example(algorithm: &str, response: &str) -> String {
    format!(
        "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
         algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
         cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

const OF_MD5: &str = "8ca523f5e9506fed4657c9700eebdbec";
const OF_SHA256: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

#[test]
fn the_examples_of_the_standards_are_right_and_no_others() {
    // RFC 2617, section 3.5, has no algorithm, which is MD5.
    let old = "Digest username=\"Mufasa\",realm=\"testrealm@host.com\",\
               nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",uri=\"/dir/index.html\",qop=auth,nc=00000001,\
               cnonce=\"0a4f113b\",response=\"6629fae49393a05397450978507c4ef1\"";
    for (header, method, password, expected) in [
        (example("MD5", OF_MD5), "GET", "Circle of Life", true),
        (example("SHA-256", OF_SHA256), "GET", "Circle of Life", true),
        (example("sha-256", &OF_SHA256.to_uppercase()), "GET", "Circle of Life", true),
        (old.to_owned(), "GET", "Circle Of Life", true),
        (example("MD5", OF_MD5), "POST", "Circle of Life", false),
        (example("MD5", OF_MD5), "GET", "circle of life", false),
        (example("MD5", OF_SHA256), "GET", "Circle of Life", false),
        (example("SHA-256", OF_MD5), "GET", "Circle of Life", false),
        (example("MD5", ""), "GET", "Circle of Life", false),
        (example("MD5", OF_MD5).replace("nc=00000001", "nc=00000002"), "GET", "Circle of Life", false),
        (example("MD5", OF_MD5).replace("index", "other"), "GET", "Circle of Life", false),
    ] {
        let authorization = Authorization::parse(&header).expect("a digest");
        assert_eq!(authorization.proves(method, password), expected, "{method} {header}");
    }
}

#[test]
fn a_header_is_read_however_it_is_written() {
    let read = |header: &str| {
        Authorization::parse(header).map(|read| (read.username.to_owned(), read.count, read.algorithm))
    };
    let whole = "username=\"a\\\"b,c\" ,realm=\"r\", nonce=\"n\",uri=\"sip:x\",response=\"0\",cnonce=\"c\"";
    let named = Some(("a\\\"b,c".to_owned(), 0x1a, Algorithm::Md5));
    for (header, expected) in [
        (format!("Digest {whole},nc=0000001a,qop=auth"), named.clone()),
        (format!("DIGEST\t{whole}, NC=\"0000001A\" , Qop=\"AUTH\",algorithm=\"md5\","), named),
        (format!("Basic {whole},nc=0000001a,qop=auth"), None),
        (format!("Digest {whole},nc=1a,qop=auth"), None),
        (format!("Digest {whole},nc=+000001a,qop=auth"), None),
        (format!("Digest {whole},nc=00000000,qop=auth"), None),
        (format!("Digest {whole},nc=0000001a,qop=auth-int"), None),
        (format!("Digest {whole}"), None),
        (format!("Digest {whole},nc=0000001a,qop=auth,algorithm=MD5-sess"), None),
        (format!("Digest {whole},nc=0000001a,qop=auth,username=\"other\""), None),
        (format!("Digest {whole},nc=0000001a,qop=auth,opaque=\"open"), None),
        ("Digest".to_owned(), None),
        ("Digest =,=".to_owned(), None),
        (String::new(), None),
    ] {
        assert_eq!(read(&header), expected, "{header}");
    }
}

#[test]
fn an_answer_is_for_one_address() {
    let for_uri = |uri: &str| {
        format!(
            "Digest username=\"a\",realm=\"r\",nonce=\"n\",uri=\"{uri}\",response=\"0\",cnonce=\"c\",nc=00000001,qop=auth"
        )
    };
    for (written, request, expected) in [
        ("sip:+15557770001@203.0.113.5", "sip:+15557770001@203.0.113.5", true),
        ("sip:+15557770001@Router.example;transport=udp", "SIP:+15557770001@router.example", true),
        ("sip:router.example", "sip:router.example", true),
        ("sip:+15557770001@203.0.113.5", "sip:+15557770002@203.0.113.5", false),
        ("sip:203.0.113.5", "sip:+15557770001@203.0.113.5", false),
        ("sip:a@203.0.113.5:5060", "sip:a@203.0.113.5:5070", false),
        ("sip:Ada@203.0.113.5", "sip:ada@203.0.113.5", false),
    ] {
        let header = for_uri(written);
        assert_eq!(Authorization::parse(&header).expect("a digest").is_for(request), expected, "{written}");
    }
}

#[test]
fn a_challenge_offers_what_is_preferred_first_and_says_when_a_nonce_is_stale() {
    use Algorithm::{Md5, Sha256};
    for (order, expected) in [
        (&[Sha256, Md5][..], &["SHA-256", "MD5"][..]),
        (&[Md5, Sha256], &["MD5", "SHA-256"]),
        (&[Md5], &["MD5"]),
    ] {
        let algorithms = Algorithms::new(order.to_vec()).expect("some");
        for (stale, said) in [(false, ""), (true, ",stale=true")] {
            let line = |name: &&str| {
                format!("Digest realm=\"dialplane\",nonce=\"n\",qop=\"auth\",algorithm={name}{said}")
            };
            let expected: Vec<String> = expected.iter().map(line).collect();
            assert_eq!(challenges(&algorithms, "n", stale), expected);
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_or_refused(text in "\\PC{0,200}", tail in "[\\PC\"\\\\,=]{0,60}") {
        let _ = Authorization::parse(&text);
        let _ = Authorization::parse(&format!("Digest {text}"));
        let _ = Authorization::parse(&format!("{}{tail}", example("MD5", OF_MD5)));
    }

    #[test]
    fn what_is_written_is_read_and_proves_one_password(
        username in "[^\"\\\\\\p{C}]{1,20}",
        nonce in "[A-Za-z0-9+/=_-]{1,40}",
        count in 1u32..,
        password in "\\PC{1,20}",
        other in "\\PC{1,20}",
        sha in any::<bool>(),
    ) {
        let algorithm = if sha { Algorithm::Sha256 } else { Algorithm::Md5 };
        let (nc, uri) = (format!("{count:08x}"), "sip:+15557770001@203.0.113.5;x=\\\"y");
        let unproved = Authorization {
            username: &username, realm: REALM, nonce: &nonce, uri, response: "", algorithm, cnonce: "c", nc: &nc, count,
        };
        prop_assert!(!unproved.proves("INVITE", &password));
        let user = hash(algorithm, &format!("{username}:{REALM}:{password}"));
        let request = hash(algorithm, &format!("INVITE:{uri}"));
        let response = hash(algorithm, &format!("{user}:{nonce}:{nc}:c:auth:{request}"));
        let header = format!(
            "Digest username=\"{username}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={}, cnonce=\"c\", qop=auth, nc={nc}", algorithm.name(),
        );
        let read = Authorization::parse(&header).expect("a digest");
        prop_assert!((read.username, read.nonce, read.uri, read.count) == (&username, &nonce, uri, count));
        prop_assert!(read.proves("INVITE", &password));
        prop_assert_eq!(read.proves("INVITE", &other), other == password);
        prop_assert!(!read.proves("BYE", &password));
    }
}
