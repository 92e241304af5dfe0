//! Where the backends that tenants name may be, over real sockets and the machine's own name resolution.

use dialplane::http::address::{Allowed, Reach};
use dialplane::lookup::Clients;

use super::*;

fn keeping_to(allowed: &[&str], router: Option<Backend>) -> Lookup {
    let allowed = allowed.iter().map(|text| Allowed::parse(text).unwrap()).collect();
    let tls = Tls::trusting([]);
    let tenants = Client::reaching(Reach::Public(allowed), &tls, AMPLE).unwrap();
    let budget = Budget { attempt: AMPLE, ..Budget::default() };
    Lookup::new(
        Clients { router: client(&tls), tenants },
        Policy { router, budget, ..policy() },
        Metrics::new(),
    )
}

#[tokio::test]
async fn a_tenants_backend_is_public_or_allowed_by_address_or_by_name() {
    let mut server = Server::start(json_answer(r#"{"voice":"backends"}"#)).await;
    let port = server.port;
    let refused = Some(Why::Address);
    // "localhost" is resolved, to loopback addresses; the others are written in the URL.
    for (host, allowed, why) in [
        ("127.0.0.1", &[][..], refused),
        ("127.1", &[], refused),
        ("[::ffff:127.0.0.1]", &[], refused),
        ("localhost", &[], refused),
        ("LOCALHOST", &[], refused),
        ("localhost", &["10.0.0.0/8", "backend.internal", "fd00::/8"], refused),
        ("127.0.0.1", &["localhost"], refused),
        ("127.0.0.1", &["127.0.0.0/8"], None),
        ("localhost", &["127.0.0.0/8"], None),
        ("localhost", &["localhost"], None),
    ] {
        let routed = routed(Some(backend(&format!("http://{host}:{port}/call-config"))));
        let answer = keeping_to(allowed, None).resolve(&call(), Some(&routed), now()).await;
        assert_eq!(answer.report.why, why, "{host} with {allowed:?}");
        let source = if why.is_some() { ConfigSource::Dialplan } else { ConfigSource::Backend };
        assert_eq!(answer.report.source, source, "{host} with {allowed:?}");
        assert_eq!(server.requests.try_recv().is_ok(), why.is_none(), "{host} with {allowed:?}");
    }
}

#[tokio::test]
async fn the_routers_own_backend_is_where_the_operator_says() {
    let server = Server::start(json_answer("{}")).await;
    let routers = backend(&format!("http://localhost:{}/", server.port));
    let answer = keeping_to(&[], Some(routers)).resolve(&call(), Some(&routed(None)), now()).await;
    assert_eq!((answer.report.source, answer.report.why), (ConfigSource::Backend, None));
}
