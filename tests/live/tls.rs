//! A private certificate authority, and proxies that put its TLS in front of a plain server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// An authority that nobody but the holder of its file trusts, and a certificate of it for this machine.
pub struct Authority {
    server: Arc<ServerConfig>,
    /// Its own certificate as PEM: what `SSL_CERT_FILE` is to name.
    pub file: PathBuf,
    /// The server's, and its key, as PEM.
    pub server_files: [PathBuf; 2],
}

impl Authority {
    pub fn new(dir: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost", "127.0.0.1"].map(str::to_owned)).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let write = |name: &str, pem: String| {
            std::fs::write(dir.join(name), pem).unwrap();
            dir.join(name)
        };
        let file = write("authority.pem", issuer.pem());
        let server_files =
            [write("certificate.pem", certificate.pem()), write("key.pem", key.serialize_pem())];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        Self { server: Arc::new(server), file, server_files }
    }

    /// Serves TLS on a port of its own and passes what it hears on to `target`, until dropped.
    pub async fn proxy(&self, target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::clone(&self.server));
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                connections.spawn(async move {
                    let mut inside = acceptor.accept(stream).await?;
                    count.fetch_add(1, Ordering::Relaxed);
                    let mut outside = TcpStream::connect(target).await?;
                    copy_bidirectional(&mut inside, &mut outside).await
                });
                while connections.try_join_next().is_some() {}
            }
        };
        let task = JoinSet::from_iter([accept]);
        Proxy { port, opened, _task: task }
    }
}

/// A running proxy; dropping it ends its connections.
pub struct Proxy {
    /// On `localhost`.
    pub port: u16,
    opened: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Proxy {
    /// How many connections have trusted its certificate.
    pub fn connections(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    use super::*;

    async fn greeted_by(proxy: &Proxy, roots: RootCertStore) -> std::io::Result<String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", proxy.port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
        stream.write_all(b"hello").await?;
        let mut answer = vec![0; 5];
        stream.read_exact(&mut answer).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    #[tokio::test]
    async fn only_who_trusts_the_authority_gets_through_the_proxy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let mut echo = JoinSet::new();
        echo.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = stream.split();
            let _ended = tokio::io::copy(&mut from, &mut to).await;
        });
        let dir = std::env::temp_dir().join(format!("dialplane-tls-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let authority = Authority::new(&dir);
        let proxy = authority.proxy(target).await;

        assert!(greeted_by(&proxy, RootCertStore::empty()).await.is_err(), "nobody trusts it by default");
        assert_eq!(proxy.connections(), 0);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&authority.file).unwrap()).unwrap();
        assert_eq!(greeted_by(&proxy, roots).await.unwrap(), "hello");
        assert_eq!(proxy.connections(), 1);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
