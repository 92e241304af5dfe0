//! The messages. `PHONE` and `ROUTER` stand for the addresses of both, `NUMBER` for one of each message's own.

use super::Outcome::{self, Call, Dropped, Status};
use crate::sip::phone::SDP;

/// A message with whatever a request needs, but for the headers that `lines` writes otherwise, or leaves out (`-Name`).
pub fn message(start: &str, lines: &[&str], body: &str) -> String {
    let method = start.split_ascii_whitespace().next().unwrap_or_default();
    let usual = [
        "Via: SIP/2.0/UDP PHONE;branch=z9hG4bKtorture-NUMBER".to_owned(),
        "Max-Forwards: 70".to_owned(),
        "From: <sip:ada@PHONE>;tag=torture".to_owned(),
        "To: <sip:+15557770001@ROUTER>".to_owned(),
        "Call-ID: torture-NUMBER".to_owned(),
        format!("CSeq: 1 {method}"),
        "Contact: <sip:ada@PHONE>".to_owned(),
        format!("Content-Length: {}", body.len()),
    ];
    let typed = (!body.is_empty()).then(|| "Content-Type: application/sdp".to_owned());
    let name = |line: &str| line.trim_start_matches('-').split(':').next().unwrap().trim().to_lowercase();
    let kept =
        usual.into_iter().chain(typed).filter(|line| !lines.iter().any(|other| name(other) == name(line)));
    let written = lines.iter().filter(|line| !line.starts_with('-')).map(|line| (*line).to_owned());
    let headers: Vec<String> = written.chain(kept).collect();
    format!("{start}\r\n{}\r\n\r\n{body}", headers.join("\r\n"))
}

const INVITE: &str = "INVITE sip:+15557770001@ROUTER SIP/2.0";
pub const OPTIONS: &str = "OPTIONS sip:+15557770001@ROUTER SIP/2.0";

/// What is odd and yet as it may be.
pub fn valid() -> Vec<(&'static str, String, Outcome)> {
    let long = format!("X-Long: {}", "long ".repeat(800));
    let tortuous = "INVITE sip:vivekg@ROUTER;unknownparam SIP/2.0\r\n\
        TO :\r\n sip:vivekg@ROUTER ;   x    =    y\r\n\
        from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@PHONE>\r\n  ;\r\n  tag = 98asjd8\r\n\
        MaX-fOrWaRdS: 0068\r\nCall-ID: tortuous-NUMBER\r\ncSEQ: 0009\r\n  INVITE\r\n\
        v: SIP/2.0/UDP PHONE;branch=z9hG4bKtortuous-NUMBER\r\nNewFangledHeader:   newfangled value\r\n continued\r\n\
        Subject  :\r\nm:\"Quoted string \\\"\\\"\" <sip:ada@PHONE> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\
        c: application/sdp\r\nl: LENGTH\r\n\r\n";
    let tortuous = tortuous.replace("LENGTH", &SDP.len().to_string()) + SDP;
    vec![
        ("folded lines, short names, blanks and escapes", tortuous, Call),
        (
            "a wide range of characters in a method that nobody knows",
            message("!interesting-Method0123456789_*+`.%indeed'~ sip:+15557770001@ROUTER SIP/2.0", &[], ""),
            Status(501),
        ),
        (
            "a wide range of characters in addresses",
            message(
                "OPTIONS sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@ROUTER SIP/2.0",
                &[
                    "To: \"BEL:\\\x07 NUL:\\\x01 DEL:\\\x7f\" <sip:1_unusual.URI~(to-be!sure)@ROUTER>",
                    "From: token1~` token2'+_ token3*%!.- <sip:mundane@PHONE>;fromParam''~+*_!.-%=\"\u{440}\u{430}\";tag=_token~1'+`*%!-.",
                ],
                "",
            ),
            Status(200),
        ),
        (
            "escapes in addresses",
            message(
                "INVITE sip:sips%3Auser%40example.com@ROUTER SIP/2.0",
                &["To: sip:%75se%72@ROUTER", "From: <sip:I%20have%20spaces@PHONE>;tag=torture"],
                SDP,
            ),
            Call,
        ),
        (
            "escaped nulls in addresses",
            message(
                "INVITE sip:null-%00-null@ROUTER SIP/2.0",
                &["To: sip:null-%00-null@ROUTER", "From: sip:null-%00-null@PHONE;tag=torture"],
                SDP,
            ),
            Call,
        ),
        (
            "a percent sign that escapes nothing",
            message("RE%47IST%45R sip:registrar@ROUTER SIP/2.0", &[], ""),
            Status(501),
        ),
        (
            "no blank before an address",
            message(OPTIONS, &["From: caller<sip:ada@PHONE>;tag=torture"], ""),
            Status(200),
        ),
        (
            "dashes everywhere",
            message(
                "INVITE sip:--a-b--@ROUTER SIP/2.0",
                &["Call-ID: -----NUMBER-----", "From: --- <sip:-a-@PHONE>;tag=---"],
                SDP,
            ),
            Call,
        ),
        (
            "long values",
            message(INVITE, &[&long, &format!("To: \"{}\" <sip:us@ROUTER>", "x".repeat(2000))], SDP),
            Call,
        ),
        (
            "octets behind the body",
            message(OPTIONS, &[], "") + "INVITE sip:us@ROUTER SIP/2.0\r\n\r\n",
            Status(200),
        ),
        (
            "semicolons in the user part",
            message("OPTIONS sip:user;par=u%40example.net@ROUTER SIP/2.0", &[], ""),
            Status(200),
        ),
        (
            "transports that nobody knows",
            message(
                OPTIONS,
                &[
                    "Via: SIP/2.0/UDP PHONE;branch=z9hG4bKtorture-NUMBER",
                    "Via: SIP/2.0/SCTP s1.example.com;branch=z9hG4bK1",
                    "Via: SIP/2.0/UNKNOWN s2.example.com;branch=z9hG4bK2",
                ],
                "",
            ),
            Status(200),
        ),
        (
            "several routes",
            message(
                INVITE,
                &[
                    "Route: <sip:ROUTER;lr;unknown=value>, <sip:p2.example.com;lr>",
                    "Route: <sip:p3.example.com;unknown-no-value;lr>",
                ],
                SDP,
            ),
            Call,
        ),
        (
            "a body in parts",
            message(
                INVITE,
                &["Content-Type: multipart/mixed;boundary=7a9cbec02ceef655"],
                "--7a9cbec02ceef655\r\n\r\nHello\r\n--7a9cbec02ceef655--\r\n",
            ),
            Status(415),
        ),
        (
            "an unusual reason phrase",
            message(
                "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}",
                &["CSeq: 1 INVITE"],
                "",
            ),
            Dropped,
        ),
        ("no reason phrase", message("SIP/2.0 100 ", &["CSeq: 1 INVITE"], ""), Dropped),
        (
            "a scheme in To and From that nobody knows",
            message(OPTIONS, &["To: isbn:2983792873", "From: <http://www.example.com>;tag=torture"], ""),
            Status(200),
        ),
        (
            "an authorization of a scheme that nobody knows",
            message(INVITE, &["Authorization: NoOneKnowsThisScheme opaque-data=here"], SDP),
            Call,
        ),
        (
            "two languages for one body",
            message(INVITE, &["Content-Language: en", "Accept: application/sdp;level=1, text/html"], SDP),
            Call,
        ),
        ("a time zone that is none", message(INVITE, &["Date: Fri, 01 Jan 2010 16:00:00 EST"], SDP), Call),
        (
            "a version of SIP in small letters",
            message("OPTIONS sip:+15557770001@ROUTER sip/2.0", &[], ""),
            Status(200),
        ),
    ]
}

/// What is not as it may be, and can be meant in one way only. Headers in an address ask for nothing of ours.
pub fn understood() -> Vec<(&'static str, String, Outcome)> {
    vec![
        (
            "an address with headers but no brackets",
            message(INVITE, &["Contact: sip:ada@PHONE?Route=%3Csip:sip.example.com%3E"], SDP),
            Call,
        ),
        (
            "an address in angle brackets in the first line",
            message("INVITE <sip:+15557770001@ROUTER> SIP/2.0", &[], SDP),
            Call,
        ),
        (
            "blanks at the end of the first line",
            message("OPTIONS sip:+15557770001@ROUTER SIP/2.0  ", &[], ""),
            Status(200),
        ),
        (
            "headers in the address in the first line",
            message("INVITE sip:+15557770001@ROUTER?Route=%3Csip:example.com%3E SIP/2.0", &[], SDP),
            Call,
        ),
        (
            "a display name that needs quotes",
            message(INVITE, &["From: Bell, Alexander <sip:a.g.bell@PHONE>;tag=torture"], SDP),
            Call,
        ),
    ]
}

/// What is not as it may be, or not what we can do.
pub fn invalid() -> Vec<(&'static str, String, Outcome)> {
    vec![
        (
            "separators without anything between",
            message(INVITE, &["Via: SIP/2.0/UDP PHONE;;,;,,", "Contact: \"\" <> ;,"], SDP),
            Status(400),
        ),
        ("a body shorter than it says", message(INVITE, &["Content-Length: 9999"], SDP), Status(400)),
        ("a body of negative length", message(INVITE, &["Content-Length: -999"], SDP), Status(400)),
        (
            "two lengths of one body",
            message(INVITE, &["Content-Length: 8", "Content-Length: 13"], SDP),
            Status(400),
        ),
        (
            "a sequence number that is too large",
            message(INVITE, &["CSeq: 36893488147419103232 INVITE"], SDP),
            Status(400),
        ),
        (
            "a response with numbers that are too large",
            message(
                "SIP/2.0 503 Service Unavailable",
                &["CSeq: 9292394834772304023312 OPTIONS", "Retry-After: 949302838503028349304023988"],
                "",
            ),
            Dropped,
        ),
        (
            "a quotation without an end",
            message(INVITE, &["To: \"Mr. J. User <sip:j.user@ROUTER>"], SDP),
            Status(400),
        ),
        (
            "a blank within the address in the first line",
            message("INVITE sip:+15557770001@ROUTER; lr SIP/2.0", &[], SDP),
            Status(400),
        ),
        (
            "several blanks in the first line",
            message("INVITE  sip:+15557770001@ROUTER  SIP/2.0", &[], SDP),
            Status(400),
        ),
        (
            "a version of SIP that nobody knows",
            message("OPTIONS sip:+15557770001@ROUTER SIP/7.0", &[], ""),
            Status(505),
        ),
        ("another method in CSeq", message(OPTIONS, &["CSeq: 8 INVITE"], ""), Status(400)),
        (
            "a method that nobody knows",
            message("NEWMETHOD sip:+15557770001@ROUTER SIP/2.0", &[], ""),
            Status(501),
        ),
        (
            "a method that nobody knows, and another in CSeq",
            message("NEWMETHOD sip:+15557770001@ROUTER SIP/2.0", &["CSeq: 8 INVITE"], ""),
            Status(501),
        ),
        (
            "a status that is too large",
            message("SIP/2.0 4294967301 better not break the receiver", &["CSeq: 1 INVITE"], ""),
            Dropped,
        ),
        (
            "a transaction without a name",
            message(OPTIONS, &["Via: SIP/2.0/UDP PHONE;branch=z9hG4bK"], ""),
            Status(200),
        ),
        ("no headers that a request needs", message(INVITE, &["-Call-ID", "-From", "-To"], SDP), Status(400)),
        ("no Via", message(INVITE, &["-Via"], SDP), Dropped),
        (
            "a scheme that nobody knows",
            message("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", &[], ""),
            Status(416),
        ),
        (
            "a scheme that takes no calls",
            message("INVITE soap.beep://192.0.2.103:3002 SIP/2.0", &[], SDP),
            Status(416),
        ),
        (
            "extensions that we lack",
            message(
                INVITE,
                &[
                    "Require: nothingSupportsThis, nothingSupportsThisEither",
                    "Proxy-Require: noProxiesSupportThis",
                ],
                SDP,
            ),
            Status(420),
        ),
        (
            "a kind of body that nobody knows",
            message(INVITE, &["Content-Type: application/unknownformat"], "<audio/>"),
            Status(415),
        ),
        (
            "two values where there is one",
            message(
                INVITE,
                &[
                    "CSeq: 5 INVITE",
                    "CSeq: 59 INVITE",
                    "Call-ID: one-NUMBER",
                    "Call-ID: two-NUMBER",
                    "From: <sip:a@PHONE>;tag=1",
                    "From: <sip:b@PHONE>;tag=2",
                ],
                SDP,
            ),
            Status(400),
        ),
        (
            "a response that names a broadcast address",
            message(
                "SIP/2.0 200 OK",
                &["Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1", "CSeq: 1 INVITE"],
                "",
            ),
            Dropped,
        ),
        ("no hops left", message(INVITE, &["Max-Forwards: 0"], SDP), Status(483)),
        (
            "a registration, with an address of headers and parameters",
            message(
                "REGISTER sip:ROUTER SIP/2.0",
                &["Contact: <sip:user@PHONE?Route=%3Csip:sip.example.com%3E>;user=phone"],
                "",
            ),
            Status(405),
        ),
        (
            "an answer wanted of a kind that nobody knows",
            message(INVITE, &["Accept: text/nobodyKnowsThis"], SDP),
            Status(406),
        ),
        (
            "the syntax of RFC 2543",
            message(INVITE, &["Via: SIP/2.0/UDP PHONE", "From: <sip:ada@PHONE>", "-Max-Forwards"], SDP),
            Status(400),
        ),
    ]
}
