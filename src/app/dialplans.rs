use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::dialplan::reload::{Reloader, Trigger};
use crate::dialplan::trunk::Trunks;
use crate::dialplan::{Dialplan, Loaded, Set};
use crate::document::{Diagnostic, Process};
use crate::telemetry::{Metrics, Readiness, Reload};

/// The dialplans that calls are routed by, and what keeps them up to date.
pub(super) struct Dialplans {
    current: watch::Sender<Arc<Dialplan>>,
    folder: Option<Folder>,
    trigger: Trigger,
}

struct Folder {
    path: PathBuf,
    set: Set,
    /// Files that the dialplans name.
    attachments: Vec<PathBuf>,
    reloader: Reloader,
}

impl Dialplans {
    /// Reads the folder and watches it from then on; without one there is nothing to reload. Also gives whether there
    /// is any file. A bad file costs its own tenant; a folder that is not there would cost everyone, so then the
    /// router doesn't start.
    pub(super) fn open(
        folder: Option<&Path>,
        trunks: &Trunks,
        readiness: &Readiness,
        metrics: &Metrics,
    ) -> Result<(Self, bool), StartError> {
        let Some(path) = folder else {
            let (current, trigger) = (watch::Sender::default(), Trigger::default());
            return Ok((Self { current, folder: None, trigger }, false));
        };
        if let Err(error) = std::fs::read_dir(path) {
            return Err(StartError::Dialplans { folder: path.to_owned(), error });
        }
        let reloader = Reloader::new(path);
        let mut set = Set::new(trunks.clone());
        let loaded = set.reload(path, &Process, Timestamp::now());
        tell(&loaded, readiness, metrics);
        let (tenants, patterns) = (loaded.dialplan.tenants(), loaded.dialplan.patterns());
        tracing::info!(tenants, patterns, "dialplans loaded");
        let (trigger, any) = (reloader.trigger(), loaded.files > 0);
        let current = watch::Sender::new(Arc::new(loaded.dialplan));
        let folder = Folder { path: path.to_owned(), set, attachments: loaded.attachments, reloader };
        Ok((Self { current, folder: Some(folder), trigger }, any))
    }

    /// The dialplans as they are and will be.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Dialplan>> {
        self.current.subscribe()
    }

    /// What has them read again.
    pub(super) fn trigger(&self) -> Trigger {
        self.trigger.clone()
    }

    /// Reads them again whenever they change, until `stop`.
    pub(super) async fn keep(self, readiness: Readiness, metrics: Metrics, stop: CancellationToken) {
        let Some(Folder { path, mut set, attachments, reloader }) = self.folder else {
            return stop.cancelled().await;
        };
        let current = self.current;
        let reload = move || {
            let loaded = set.reload(&path, &Process, Timestamp::now());
            let problems = tell(&loaded, &readiness, &metrics);
            let (tenants, patterns) = (loaded.dialplan.tenants(), loaded.dialplan.patterns());
            tracing::info!(tenants, patterns, problems, kept = loaded.kept, "dialplans reloaded");
            metrics.dialplans_reloaded(if problems > 0 { Reload::Problems } else { Reload::Applied });
            current.send_replace(Arc::new(loaded.dialplan));
            loaded.attachments
        };
        reloader.run(attachments, stop, reload).await;
    }
}

/// Shows the operator what is wrong, and counts the errors.
fn tell(loaded: &Loaded, readiness: &Readiness, metrics: &Metrics) -> usize {
    loaded.diagnostics.iter().for_each(log_place);
    let problems = loaded.diagnostics.iter().filter(|found| found.is_error()).count();
    metrics.dialplan_problems(problems);
    readiness.dialplan_problems(problems);
    problems
}

/// Only where, as the message may quote a number; `dialplane check` says what.
fn log_place(problem: &Diagnostic) {
    tracing::warn!(place = %problem.place, "a dialplan has a problem; `dialplane check` says which");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn file(tenant: &str, number: &str) -> String {
        format!("tenant = '{tenant}'\n[[route]]\nid = 'all'\ncalled = ['{number}']\n")
    }

    #[tokio::test]
    async fn changed_dialplans_are_published_and_broken_ones_are_only_counted() {
        let folder = std::env::temp_dir().join(format!("dialplane-kept-{}", uuid::Uuid::now_v7()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("acme.toml"), file("acme", "+15557770001")).unwrap();
        let (readiness, metrics, stop) = (Readiness::new([]), Metrics::new(), CancellationToken::new());
        let (dialplans, any) =
            Dialplans::open(Some(&folder), &Trunks::default(), &readiness, &metrics).unwrap();
        let (mut current, trigger) = (dialplans.watch(), dialplans.trigger());
        let mut ready = readiness.watch();
        assert!(any);
        assert_eq!(current.borrow().tenants(), 1);
        let mut tasks = JoinSet::new();
        tasks.spawn(dialplans.keep(readiness.clone(), metrics.clone(), stop.clone()));

        fs::write(folder.join("globex.toml"), file("globex", "+15557770002")).unwrap();
        let changed = current.wait_for(|dialplan| dialplan.tenants() == 2);
        timeout(SOON, changed).await.unwrap().unwrap();

        fs::write(folder.join("globex.toml"), "tenant = 7").unwrap();
        let counted = ready.wait_for(|ready| ready.dialplan_problems > 0);
        let problems = timeout(SOON, counted).await.unwrap().unwrap().dialplan_problems;
        assert_eq!(current.borrow_and_update().tenants(), 2, "the good ones stay");
        let text = metrics.render();
        assert!(text.contains(&format!("dialplane_dialplan_problems {problems}\n")), "{text}");

        fs::remove_file(folder.join("globex.toml")).unwrap();
        let changed = current.wait_for(|dialplan| dialplan.tenants() == 1);
        timeout(SOON, changed).await.unwrap().unwrap();
        assert_eq!(readiness.now().dialplan_problems, 0);

        trigger.fire();
        timeout(SOON, current.changed()).await.unwrap().unwrap();
        let text = metrics.render();
        for outcome in ["applied", "problems"] {
            assert!(text.contains(&format!("dialplan_reloads_total{{outcome=\"{outcome}\"}}")), "{text}");
        }
        stop.cancel();
        timeout(SOON, tasks.join_next()).await.unwrap().unwrap().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
