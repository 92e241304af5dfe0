use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Who we are to those who connect to us: a certificate, what vouches for it, and its key. Clones share them.
#[derive(Clone)]
pub struct Identity {
    /// Where they were read.
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ServerConfig>,
}

/// A PEM file, read.
pub struct PemFile<'f> {
    pub path: &'f Path,
    pub bytes: &'f [u8],
}

/// Which of the two files is wrong, and what was found in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("a file without a certificate in PEM")]
    NoCertificate,
    #[error("a file without a private key in PEM")]
    NoKey,
    #[error("a key that is not the certificate's")]
    AnothersKey,
    #[error("a certificate that cannot be used")]
    BadCertificate,
}

impl Identity {
    /// For TLS 1.2 and 1.3.
    pub fn read(certificate: &PemFile<'_>, key: &PemFile<'_>) -> Result<Self, Unfit> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.bytes)
            .collect::<Result<_, _>>()
            .map_err(|_| Unfit::NoCertificate)?;
        if chain.is_empty() {
            return Err(Unfit::NoCertificate);
        }
        let private = PrivateKeyDer::from_pem_slice(key.bytes).map_err(|_| Unfit::NoKey)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has the default TLS versions")
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => Unfit::AnothersKey,
                rustls::Error::InvalidCertificate(_) => Unfit::BadCertificate,
                _ => Unfit::NoKey,
            })?;
        let (certificate, key) = (certificate.path.to_owned(), key.path.to_owned());
        Ok(Self { certificate, key, config: Arc::new(config) })
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).field("key", &self.key).finish()
    }
}

/// The same files.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate, &self.key) == (&other.certificate, &other.key)
    }
}

impl Eq for Identity {}
