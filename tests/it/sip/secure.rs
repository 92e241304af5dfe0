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
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::World;
use super::line::Line;
use super::phone::{Phone, SDP};
use super::streams::up;

/// A router with a certificate for 127.0.0.1, and the authority that vouches for it.
async fn world() -> (World, CertificateDer<'static>) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(authority, key);
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap().pem();
    let chain = PemFile { path: Path::new("own.pem"), bytes: own.as_bytes() };
    let private = own_key.serialize_pem();
    let key = PemFile { path: Path::new("own.key"), bytes: private.as_bytes() };
    let identity = Identity::read(&chain, &key).unwrap();
    let tls = TlsSettings { listen: "127.0.0.1:0".parse().unwrap(), identity };
    (World::listening("127.0.0.1:0", 10, Trunks::default(), Some(tls)).await, root)
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
    let (mut world, root) = world().await;
    let mut phone = phone(&world, Tls::trusting([root]).config().into()).await;
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

#[tokio::test]
async fn our_key_stands_in_no_answer_but_over_tls_and_the_call_is_kept() {
    let sealed = SDP.replace("RTP/AVP", "RTP/SAVP")
        + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let (mut world, root) = world().await;
    let mut phone = phone(&world, Tls::trusting([root]).config().into()).await;
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
    let (mut world, root) = world().await;
    let mut phone = phone(&world, Tls::trusting([root]).config().into()).await;
    let invite = phone.request("INVITE", "", SDP).replace("INVITE sip:", "INVITE sips:");
    phone.send(&invite).await;
    phone.status("INVITE", 100).await;
    let ringing = phone.status("INVITE", 180).await;
    assert_eq!(ringing.one("contact"), format!("<sips:{}>", world.tls.unwrap()));
    world.call().await;
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_nothing_in_the_clear() {
    let (world, root) = world().await;
    for version in [&TLS12, &TLS13] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.clone()).unwrap();
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
