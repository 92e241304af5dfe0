//! Calls over TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dialplane::app::{App, Stop};
use dialplane::config::Settings;
use dialplane::dialplan::trunk::Trunks;
use dialplane::document::Given;
use dialplane::ingress::leg::LegCommand;
use dialplane::ingress::sip::settings::TlsSettings;
use dialplane::tls::{Identity, PemFile, Tls, Unfit};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::line::Line;
use super::phone::{Phone, SDP};
use super::streams::up;
use super::{SOON, Session, World};
use crate::reload::Scratch;

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

    /// A certificate of its own, and its key, in PEM.
    fn pair(&self) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        [own.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem()]
    }

    fn identity(&self) -> Identity {
        let [own, key] = self.pair();
        let chain = PemFile { path: Path::new("own.pem"), bytes: own.as_bytes() };
        Identity::read(&chain, &PemFile { path: Path::new("own.key"), bytes: key.as_bytes() }).unwrap()
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

/// Whether a handshake shows a certificate that is trusted.
async fn is_trusted(router: SocketAddr, connector: &TlsConnector) -> bool {
    let stream = TcpStream::connect(router).await.unwrap();
    connector.connect(ServerName::from(router.ip()), stream).await.is_ok()
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
async fn a_renewed_certificate_is_shown_to_who_connects_next_and_calls_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let identity = old.identity();
    let tls = TlsSettings { listen: "127.0.0.1:0".parse().unwrap(), identity: identity.clone() };
    let mut world = World::listening("127.0.0.1:0", 10, Trunks::default(), Some(tls)).await;
    let mut caller = phone(&world, old.connector()).await;
    let mut session = up(&mut world, &mut caller, "").await;
    let router = world.tls.unwrap();
    let ([certificate, key], [_, others]) = (new.pair(), new.pair());
    assert_eq!(identity.renew(certificate.as_bytes(), others.as_bytes()), Err(Unfit::AnothersKey));
    assert!(is_trusted(router, &old.connector()).await, "a bad pair changes nothing");
    assert_eq!(identity.renew(certificate.as_bytes(), key.as_bytes()), Ok(true));
    assert!(is_trusted(router, &new.connector()).await && !is_trusted(router, &old.connector()).await);
    caller.ask("BYE", "", "").await;
    caller.status("BYE", 200).await;
    session.expect("Ended(Caller)").await;
}

#[tokio::test]
async fn the_certificates_files_are_read_again_when_the_router_is_asked_to() {
    let (old, new, folder) = (Authority::new(), Authority::new(), Scratch::new());
    let write = |[certificate, key]: [String; 2]| {
        folder.replace("router.key", &key);
        folder.replace("router.pem", &certificate);
    };
    let first = old.pair();
    let mut given =
        Given::variables([("OPENAI_API_KEY", "sk-of-the-test"), ("DIALPLANE_HTTP", "127.0.0.1:0")]);
    let paths = ["router.pem", "router.key"].map(|name| folder.path(name));
    let [certificate, key] = paths.each_ref().map(|path| path.display());
    let settings = format!(
        "[sip]\nlisten = '127.0.0.1:0'\n\
         tls = {{ listen = '127.0.0.1:0', certificate = '{certificate}', key = '{key}' }}\n"
    );
    given.files.extend(paths.clone().into_iter().zip(first.clone()));
    given.files.insert("dialplane.toml".into(), settings);
    write(first);
    let app =
        App::start(Settings::load(Some(Path::new("dialplane.toml")), &given, 1).unwrap()).await.unwrap();
    let (router, reload, stop) = (app.sip_over_tls().unwrap(), app.reload(), Stop::default());
    let mut running = JoinSet::new();
    running.spawn(app.run(stop.clone()));
    assert!(is_trusted(router, &old.connector()).await);
    write(new.pair());
    reload.fire();
    let connector = new.connector();
    let renewed = async {
        while !is_trusted(router, &connector).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, renewed).await.expect("the new one is shown");
    stop.drain.cancel();
    running.join_next().await.unwrap().unwrap();
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
    let update = phone.request("UPDATE", "", &sealed);
    phone.send(&update).await;
    assert_eq!(key(&phone.status("UPDATE", 200).await.body), Some(ours), "all is as it was");
    // A copy of it gets no answer where others could read that.
    let secret = phone.change_to(Line::udp(world.address).await, world.address);
    phone.send(&update).await;
    phone.hears_nothing().await;
    phone.change_to(secret, world.tls.unwrap());
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
