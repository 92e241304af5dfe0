//! Whom we trust, which every outbound connection shares; and who we are to those who connect to us.

mod identity;

pub use identity::{Identity, PemFile, Unfit};

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The client side of TLS. Clones share it: reading the roots from disk takes milliseconds, so it is built once.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts what the system trusts, or `SSL_CERT_FILE` and `SSL_CERT_DIR` where these are set. Without any root
    /// certificate (a bare image) plain connections work all the same, and only TLS ones fail.
    pub fn with_system_roots() -> Self {
        let found = rustls_native_certs::load_native_certs();
        let (trusted, unreadable) = (found.certs.len(), found.errors.len());
        if trusted == 0 {
            tracing::warn!(unreadable, "no root certificates found: every TLS connection will fail");
        } else if unreadable > 0 {
            tracing::warn!(trusted, unreadable, "some root certificates could not be read");
        }
        Self::trusting(found.certs)
    }

    /// Trusts these authorities alone. What is no certificate is left out.
    pub fn trusting(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("aws-lc-rs has the default TLS versions")
                .with_root_certificates(store)
                .with_no_client_auth();
        Self(Arc::new(config))
    }

    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}
