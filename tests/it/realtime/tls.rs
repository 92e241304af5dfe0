//! TLS towards the model.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

#[tokio::test]
async fn wss_works_with_an_authority_that_is_trusted_and_with_no_other() {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let root: CertificateDer<'static> = authority.self_signed(&key).unwrap().der().clone();
    let issuer = rcgen::Issuer::new(authority, key);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap().der().clone();

    for (trusted, expected) in [(vec![root], None), (vec![], Some(lost("TLS failed")))] {
        let untrusting = dialer();
        let dialer = if trusted.is_empty() {
            untrusting
        } else {
            Dialer::new(&dialplane::tls::Tls::trusting(trusted))
        };
        let key = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth();
        let tls = tls.with_single_cert(vec![own.clone()], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let server = Server::start(move |stream, _| async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let mut socket = greet(stream).await;
                while let Some(Ok(_)) = socket.next().await {}
            }
        })
        .await;
        let mut session = open(&dialer, &format!("https://localhost:{}/v1", server.address.port()));
        if let Some(expected) = expected {
            assert_eq!(closed(&mut session).await, expected);
        } else {
            until_configured(&mut session).await;
            session.commands.send(ModelCommand::Close).await.unwrap();
            assert_eq!(closed(&mut session).await, Closed::Asked);
        }
    }
}
