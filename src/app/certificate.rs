use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::dialplan::reload::Trigger;
use crate::document::{Process, Surroundings};
use crate::ingress::sip::settings::SipSettings;
use crate::tls::{Identity, Unfit};

/// How often the files are looked at. Who renews a certificate does so weeks before the old one ends.
const LOOK: Duration = Duration::from_secs(60);

/// Keeps the SIP port's certificate as its files are.
pub(super) struct Certificate {
    identity: Identity,
    trigger: Trigger,
}

/// Why the files are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum NotRenewed {
    #[error("{}: found a file that cannot be read ({kind}); accepted: {accepted}", path.display())]
    Unreadable { path: PathBuf, kind: io::ErrorKind, accepted: &'static str },
    #[error("{}: found {unfit}; accepted: {accepted}", path.display())]
    Unfit { path: PathBuf, unfit: Unfit, accepted: &'static str },
}

impl Certificate {
    /// `None` where the port takes no TLS.
    pub(super) fn of(sip: &SipSettings) -> Option<Self> {
        let identity = sip.tls.as_ref()?.identity.clone();
        Some(Self { identity, trigger: Trigger::default() })
    }

    /// What has the files read at once.
    pub(super) fn trigger(&self) -> Trigger {
        self.trigger.clone()
    }

    /// Reads the files again and again, and when asked, until `stop`. While one of them is unfit, the certificate of
    /// before stays; the same error is told once.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.trigger.fired() => told = None,
                _ = looks.tick() => {}
            }
            let identity = self.identity.clone();
            let read = spawn_blocking(move || renew(&identity)).await;
            match read.expect("nothing in it panics, and nobody aborts it") {
                Ok(is_another) => {
                    told = None;
                    if is_another {
                        tracing::info!("a new certificate is shown to SIP callers over TLS");
                    }
                }
                Err(error) if told.as_ref() == Some(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "the SIP port's certificate of before stays");
                    told = Some(error);
                }
            }
        }
    }
}

/// Gives whether the certificate is another.
fn renew(identity: &Identity) -> Result<bool, NotRenewed> {
    let (certificate, key) = (identity.certificate_file(), identity.key_file());
    let read = |path: &Path, accepted| {
        let file = Process.attachment(path, Identity::LARGEST_FILE);
        file.map_err(|error| NotRenewed::Unreadable { path: path.to_owned(), kind: error.kind(), accepted })
    };
    let (chain, private) = (read(certificate, Identity::CERTIFICATE)?, read(key, Identity::KEY)?);
    identity.renew(&chain, &private).map_err(|unfit| {
        let (path, accepted) = unfit.file((certificate, Identity::CERTIFICATE), (key, Identity::KEY));
        NotRenewed::Unfit { path: path.to_owned(), unfit, accepted }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::tls::PemFile;

    /// A certificate and its key.
    fn pair() -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["router.example".to_owned()]).unwrap();
        [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
    }

    #[test]
    fn files_that_do_not_fit_are_told_of_and_leave_what_was() {
        let folder = std::env::temp_dir().join(format!("dialplane-certificate-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        let paths = ["router.pem", "router.key"].map(|name| folder.join(name));
        let [first, second] = [pair(), pair()];
        let file = |n: usize| PemFile { path: &paths[n], bytes: first[n].as_bytes() };
        let identity = Identity::read(&file(0), &file(1)).unwrap();
        for (certificate, key, expected) in [
            (Some(&first[0]), Some(&first[1]), Ok(false)),
            (Some(&second[0]), Some(&first[1]), Err("router.key: found a key that is not the certificate's")),
            (
                Some(&second[1]),
                Some(&second[1]),
                Err("router.pem: found a file without a certificate in PEM"),
            ),
            (
                Some(&second[0]),
                Some(&second[0]),
                Err("router.key: found a file without a private key in PEM"),
            ),
            (None, Some(&second[1]), Err("router.pem: found a file that cannot be read (entity not found)")),
            (Some(&first[0]), Some(&first[1]), Ok(false)),
            (Some(&second[0]), Some(&second[1]), Ok(true)),
            (Some(&second[0]), Some(&second[1]), Ok(false)),
        ] {
            for (path, text) in paths.iter().zip([certificate, key]) {
                match text {
                    Some(text) => fs::write(path, text).unwrap(),
                    None => fs::remove_file(path).unwrap(),
                }
            }
            let found = renew(&identity).map_err(|error| error.to_string());
            match (&found, expected) {
                (Err(found), Err(said)) => {
                    assert!(found.contains(said) && found.contains("; accepted: a PEM file"), "{found}");
                }
                (found, expected) => assert_eq!(found.as_ref().ok(), expected.as_ref().ok(), "{found:?}"),
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
