use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Who we are to those who connect to us: a certificate, what vouches for it, and its key. Clones share them.
#[derive(Clone)]
pub struct Identity {
    /// Where they were read.
    certificate: PathBuf,
    key: PathBuf,
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
}

/// What handshakes show from now on.
struct Shown(RwLock<Arc<CertifiedKey>>);

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

impl Unfit {
    /// Of the certificate's file and the key's, the one that is wrong.
    pub fn file<T>(self, certificate: T, key: T) -> T {
        match self {
            Self::NoCertificate | Self::BadCertificate => certificate,
            Self::NoKey | Self::AnothersKey => key,
        }
    }
}

impl Identity {
    /// What the two files may be.
    pub const CERTIFICATE: &str = "a PEM file with the certificate, and those that vouch for it behind it";
    pub const KEY: &str = "a PEM file with the certificate's private key, not encrypted";
    /// Larger files are not what somebody meant to point at.
    pub const LARGEST_FILE: u64 = 256 * 1024;

    /// For TLS 1.2 and 1.3.
    pub fn read(certificate: &PemFile<'_>, key: &PemFile<'_>) -> Result<Self, Unfit> {
        let shown = certified(certificate.bytes, key.bytes)?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(shown))));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has the default TLS versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        let (certificate, key) = (certificate.path.to_owned(), key.path.to_owned());
        Ok(Self { certificate, key, shown, config: Arc::new(config) })
    }

    pub fn certificate_file(&self) -> &Path {
        &self.certificate
    }

    pub fn key_file(&self) -> &Path {
        &self.key
    }

    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Takes what the files are now. Connections that are up stay as they are. Gives whether the certificate is another;
    /// where one of the files is unfit, nothing changes.
    pub fn renew(&self, certificate: &[u8], key: &[u8]) -> Result<bool, Unfit> {
        let read = certified(certificate, key)?;
        let mut shown = self.shown.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_another = shown.cert != read.cert;
        *shown = Arc::new(read);
        Ok(is_another)
    }
}

fn certified(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, Unfit> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| Unfit::NoCertificate)?;
    if chain.is_empty() {
        return Err(Unfit::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unfit::NoKey)?;
    CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => Unfit::AnothersKey,
        rustls::Error::InvalidCertificate(_) => Unfit::BadCertificate,
        _ => Unfit::NoKey,
    })
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
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
