/// Installs the process' one TLS and DTLS provider, aws-lc-rs, and pays for its first use now rather than in the
/// first call (30 to 60 ms).
///
/// Two providers are linked in (livekit-api brings ring) and rustls panics at the first connection unless one is
/// chosen, so this comes before any other work. Calling it again does nothing.
pub fn install() {
    // Fails when one is installed already, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    crate::ingress::livekit::peer::warm_up(tokio::time::Instant::now().into_std());
}
