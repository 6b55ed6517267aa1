//! Files of devices that open no further channel while a shell is open: they are fetched in a connection of their own.

use super::{Course, Talk};
use crate::session::{self, Begun};
use chrono::Utc;
use netraven_model::Failure;
use netraven_platform::{Limits, Output, Part};
use std::time::{Duration, Instant};

/// At least so long may the session take that removes a file.
const CLEANUP: Duration = Duration::from_secs(30);

impl Course<'_> {
    /// What came, and the files of these parts; the session with the shell is over. Whatever comes of it, they are removed
    /// from the device where the definition says how.
    pub(super) async fn fetch_later(
        &mut self,
        talk: Talk,
        mut outputs: Vec<Output>,
        later: Vec<usize>,
    ) -> Result<Vec<Output>, Failure> {
        if later.is_empty() {
            return Ok(outputs);
        }
        let fetched = self.fetch_apart(talk.clone(), &later).await;
        let cleanup: Vec<Part> = later.iter().filter_map(|part| talk.parts.get(*part)?.cleanup()).collect();
        let cleaned = match cleanup.is_empty() {
            true => Ok(()),
            false => {
                // Whatever the rest took: nobody else removes it.
                let limits = Limits { session: talk.limits.session.max(CLEANUP), ..talk.limits };
                self.ask_apart(Talk { parts: cleanup.into(), stay: false, limits, ..talk }).await
            }
        };
        outputs.extend(fetched?);
        if let Err(failure) = cleaned {
            // That it stays is no reason to lose it.
            self.dialogue.push_str(&format!("# the file is still on the device: {failure}\n"));
        }
        outputs.sort_by_key(|output| output.part);
        Ok(outputs)
    }

    async fn fetch_apart(&mut self, talk: Talk, parts: &[usize]) -> Result<Vec<Output>, Failure> {
        let connecting = Instant::now();
        let platform = talk.platform.clone();
        let link = self.connect(&platform, true).await?;
        self.greet(&link, &platform);
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        let report = session::fetch(link, self.plan(talk), parts).await;
        self.note(&report, opened, connected_in).await;
        report.result
    }

    async fn ask_apart(&mut self, talk: Talk) -> Result<(), Failure> {
        let connecting = Instant::now();
        let platform = talk.platform.clone();
        let link = self.connect(&platform, platform.prefers_exec()).await?;
        self.greet(&link, &platform);
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        match session::begin(link, self.plan(talk)).await {
            Begun::Shell(session) => self.hold(*session, connecting, None).await.map(|_| ()),
            Begun::Over(report) => {
                self.note(&report, opened, connected_in).await;
                report.result.map(|_| ())
            }
        }
    }
}
