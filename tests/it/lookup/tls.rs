//! The client over TLS with a private certificate authority.

use std::process::Command;
use std::sync::Arc;

use dialplane::http::{CONNECT, Client};
use dialplane::lookup::{Budget, Lookup, Policy, Why};
use dialplane::telemetry::Metrics;
use dialplane::tls::Tls;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::server::{Server, json};
use super::{AMPLE, backend, call, client, now, policy};

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// A server for `localhost`, certified by the authority.
async fn server(authority: &Authority) -> (Server, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let server = Server::start_with(json("{}"), Some(TlsAcceptor::from(Arc::new(config)))).await;
    let url = format!("https://localhost:{}/call-config", server.port);
    (server, url)
}

async fn why(url: &str, roots: &Tls) -> Option<Why> {
    let budget = Budget { connect: AMPLE, attempt: AMPLE, whole: AMPLE };
    let policy = Policy { router: Some(backend(url)), budget, ..policy() };
    let lookup = Lookup::new(client(roots), policy, Metrics::new());
    lookup.resolve(&call(), None, now()).await.report.why
}

#[tokio::test]
async fn a_backend_is_reached_over_tls_only_where_its_authority_is_trusted() {
    let (own, stranger) = (authority(), authority());
    let (_server, url) = server(&own).await;
    let roots = |authority: &Authority| Tls::trusting([authority.certificate.der().clone()]);
    assert_eq!(why(&url, &roots(&own)).await, None);
    assert_eq!(why(&url, &roots(&stranger)).await, Some(Why::Connect));
    assert_eq!(why(&url, &Tls::with_system_roots()).await, Some(Why::Connect));
    let by_address = url.replace("localhost", "127.0.0.1");
    assert_eq!(why(&by_address, &roots(&own)).await, Some(Why::Connect), "the name is checked");
}

#[tokio::test]
async fn a_handshake_that_hangs_is_given_up_as_no_connection() {
    // Speaks no TLS: it waits for the end of a plain request's head.
    let server = Server::start(json("{}")).await;
    let url = format!("https://127.0.0.1:{}/", server.port);
    let budget = Budget { connect: CONNECT, attempt: AMPLE, whole: AMPLE };
    let client = Client::new(&Tls::trusting([])).unwrap();
    let policy = Policy { router: Some(backend(&url)), budget, ..policy() };
    let lookup = Lookup::new(client, policy, Metrics::new());
    let report = lookup.resolve(&call(), None, now()).await.report;
    assert_eq!(report.why, Some(Why::Connect));
    assert!(report.took >= CONNECT && report.took < AMPLE, "{:?}", report.took);
}

/// The address of the server that [`asks_with_native_roots`] asks.
const ASKED: &str = "DIALPLANE_TEST_ASKED";

#[tokio::test]
async fn ssl_cert_file_names_the_trusted_authorities() {
    let own = authority();
    let (mut server, url) = server(&own).await;
    let file = std::env::temp_dir().join(format!("dialplane-ca-{}.pem", std::process::id()));
    std::fs::write(&file, own.certificate.pem()).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "lookup::tls::asks_with_native_roots"]);
    child.env("SSL_CERT_FILE", &file).env(ASKED, url);
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(server.requests.try_recv().is_ok(), "the child asked");
}

#[tokio::test]
#[ignore = "a part of ssl_cert_file_names_the_trusted_authorities, which runs it in a process of its own"]
async fn asks_with_native_roots() {
    let Ok(url) = std::env::var(ASKED) else { return };
    assert_eq!(why(&url, &Tls::with_system_roots()).await, None);
}
