//! Calls over TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dialplane::dialplan::trunk::Trunks;
use dialplane::ingress::leg::LegCommand;
use dialplane::ingress::sip::settings::TlsSettings;
use dialplane::tls::{Identity, PemFile, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::line::Line;
use super::phone::{Phone, SDP};
use super::streams::up;
use super::{SOON, Session, World};

/// An authority that vouches for whoever is at 127.0.0.1.
struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { root, issuer: Issuer::new(params, key) }
    }

    /// A certificate of its own.
    fn identity(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let own = own.signed_by(&key, &self.issuer).unwrap().pem();
        let chain = PemFile { path: Path::new("own.pem"), bytes: own.as_bytes() };
        let private = key.serialize_pem();
        Identity::read(&chain, &PemFile { path: Path::new("own.key"), bytes: private.as_bytes() }).unwrap()
    }

    fn trusted(&self) -> Tls {
        Tls::trusting([self.root.clone()])
    }

    /// Who trusts it connects so.
    fn connector(&self) -> TlsConnector {
        self.trusted().config().into()
    }
}

/// A router with a certificate of an authority, which it trusts.
async fn world() -> (World, Authority) {
    let authority = Authority::new();
    let tls = TlsSettings { listen: "127.0.0.1:0".parse().unwrap(), identity: authority.identity() };
    let trusted = authority.trusted();
    (World::trusting(trusted, "127.0.0.1:0", 10, Trunks::default(), Some(tls)).await, authority)
}

async fn phone(world: &World, connector: TlsConnector) -> Phone {
    let router = world.tls.unwrap();
    let stream = TcpStream::connect(router).await.unwrap();
    let local = stream.local_addr().unwrap();
    let name = ServerName::from(router.ip());
    let stream = connector.connect(name, stream).await.unwrap();
    Phone::on(Line::stream(local, "TLS", stream), router)
}

#[tokio::test]
async fn a_call_goes_over_tls_and_our_bye_comes_on_the_same_connection() {
    let (mut world, authority) = world().await;
    let mut phone = phone(&world, authority.connector()).await;
    // A phone that has no certificate of its own can be reached no other way.
    let session = up(&mut world, &mut phone, "Contact: <sip:ada@127.0.0.1:9;transport=tls>\r\n").await;
    session.command(LegCommand::HangUp(None)).await;
    let bye = phone.let_go().await;
    assert!(bye.one("via").starts_with(&format!("SIP/2.0/TLS {};", world.tls.unwrap())), "{bye:?}");
    session.leave().await;
    world.drain();
    world.ended().await;
    phone.is_cut_off().await;
}

/// A call over TLS whose caller listens there, and has lost the connection.
async fn lost(world: &mut World, connector: TlsConnector, listener: &TcpListener) -> (Phone, Session) {
    let mut phone = phone(world, connector).await;
    let contact = format!("Contact: <sip:ada@{};transport=tls>\r\n", listener.local_addr().unwrap());
    let session = up(world, &mut phone, &contact).await;
    phone.line = Line::udp(world.address).await;
    (phone, session)
}

#[tokio::test]
async fn a_caller_whose_connection_is_lost_gets_our_bye_over_tls_again() {
    let (mut world, authority) = world().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut phone, session) = lost(&mut world, authority.connector(), &listener).await;
    session.command(LegCommand::HangUp(None)).await;
    let (stream, _) = timeout(SOON, listener.accept()).await.expect("a connection in time").unwrap();
    let acceptor = TlsAcceptor::from(authority.identity().config());
    let stream = acceptor.accept(stream).await.unwrap();
    phone.line = Line::stream(listener.local_addr().unwrap(), "TLS", stream);
    let bye = phone.let_go().await;
    assert!(bye.one("via").starts_with(&format!("SIP/2.0/TLS {};", world.tls.unwrap())), "{bye:?}");
    session.leave().await;
    world.drain();
    world.ended().await;
}

#[tokio::test]
async fn who_cannot_show_that_it_is_who_the_contact_names_gets_nothing() {
    let (mut world, authority) = world().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_phone, session) = lost(&mut world, authority.connector(), &listener).await;
    let acceptor = TlsAcceptor::from(Authority::new().identity().config());
    session.command(LegCommand::HangUp(None)).await;
    session.leave().await;
    world.drain();
    let mut tries = 0;
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tries += 1;
            let mut heard = Vec::new();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _refused = stream.read_to_end(&mut heard).await;
            }
            assert_eq!(heard, b"");
        }
    };
    tokio::select! {
        () = serve => {}
        ended = timeout(SOON, world.ended()) => ended.expect("the call is over all the same"),
    }
    assert!((1..=2).contains(&tries), "{tries}");
}

#[tokio::test]
async fn our_key_stands_in_no_answer_but_over_tls_and_the_call_is_kept() {
    let sealed = SDP.replace("RTP/AVP", "RTP/SAVP")
        + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let (mut world, authority) = world().await;
    let mut phone = phone(&world, authority.connector()).await;
    phone.ask("INVITE", "", &sealed).await;
    phone.status("INVITE", 100).await;
    phone.status("INVITE", 180).await;
    let mut session = world.call().await;
    session.answer().await;
    let key = |sdp: &str| sdp.lines().find_map(|line| line.strip_prefix("a=crypto:1 ")).map(str::to_owned);
    let ours = key(&phone.status("INVITE", 200).await.body).expect("our key");
    phone.ack("").await;
    session.expect("Active").await;

    let mut secret = None;
    for line in [Line::udp(world.address).await, Line::tcp(world.address).await] {
        let before = phone.change_to(line, world.address);
        secret.get_or_insert(before);
        for (method, sdp) in [("INVITE", &*sealed), ("INVITE", ""), ("INVITE", SDP), ("UPDATE", &sealed)] {
            phone.ask(method, "", sdp).await;
            let refused = phone.status(method, 488).await;
            assert_eq!(refused.one("warning"), r#"399 dialplane "SRTP keys are taken over TLS only""#);
            assert!(!format!("{refused:?}").contains("inline:"), "{refused:?}");
            if method == "INVITE" {
                phone.follow_up("ACK").await;
            }
        }
    }
    phone.change_to(secret.unwrap(), world.tls.unwrap());
    phone.ask("UPDATE", "", &sealed).await;
    assert_eq!(key(&phone.status("UPDATE", 200).await.body), Some(ours), "all is as it was");
    phone.ask("BYE", "", "").await;
    phone.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn who_calls_a_sips_uri_gets_a_sips_contact() {
    let (mut world, authority) = world().await;
    let mut phone = phone(&world, authority.connector()).await;
    let invite = phone.request("INVITE", "", SDP).replace("INVITE sip:", "INVITE sips:");
    phone.send(&invite).await;
    phone.status("INVITE", 100).await;
    let ringing = phone.status("INVITE", 180).await;
    assert_eq!(ringing.one("contact"), format!("<sips:{}>", world.tls.unwrap()));
    world.call().await;
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_in_the_clear() {
    let (world, authority) = world().await;
    for version in [&TLS12, &TLS13] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut phone = phone(&world, Arc::new(config).into()).await;
        phone.ask("OPTIONS", "", "").await;
        phone.status("OPTIONS", 200).await;
    }
    let router = world.tls.unwrap();
    let mut plain = Phone::on(Line::tcp(router).await, router);
    plain.ask("OPTIONS", "", "").await;
    assert_eq!(plain.line.bytes(1).await, [21], "a TLS alert");
}

#[tokio::test]
async fn a_handshake_that_is_not_done_in_time_is_given_up() {
    let (world, _) = world().await;
    let mut stream = TcpStream::connect(world.tls.unwrap()).await.unwrap();
    let closed = timeout(Duration::from_secs(10), stream.read(&mut [0])).await.expect("it is given up");
    assert_eq!(closed.unwrap_or_default(), 0);
}
