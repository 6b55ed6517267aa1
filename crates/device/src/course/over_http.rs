//! Sessions over HTTP: connections are made as requests need them.

use super::{Course, Talk};
use crate::guard::enter;
use crate::http::{self, Client};
use chrono::Utc;
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_platform::{HttpExchange, Output, Platform};
use std::sync::Arc;
use std::time::Instant;

impl Course<'_> {
    /// One session: the platform, and what the requests brought.
    pub(super) async fn converse_over_http(
        &mut self,
        talk: Talk,
    ) -> Result<(Arc<Platform>, Vec<Output>), Failure> {
        let platform = talk.platform.clone();
        let Some(how) = &platform.http else {
            let message =
                format!("the platform '{}' does not say how it is spoken to over HTTP", platform.name);
            return Err(Failure::new(ErrorCode::Unsupported, Phase::Connect, message));
        };
        let connecting = Instant::now();
        let mut client = self.reach(how.tls).await?;
        self.permit = enter(self.access.guard.as_deref()).await?;
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        let mut exchange = HttpExchange::new(self.plan(talk), Instant::now());
        http::run(&mut client, &mut exchange).await;
        let report = exchange.report();
        self.note(&report, opened, connected_in).await;
        Ok((platform, report.result?))
    }

    /// A connection, tried several times where the way to the device is the trouble.
    async fn reach(&mut self, over_tls: bool) -> Result<Client, Failure> {
        let mut access = self.access.clone();
        self.learned.bind(&mut access);
        let mut client = Client::new(&access, over_tls, &self.gateway.settings);
        for attempt in 1.. {
            let connected = client.connect(self.until).await;
            let news = self.learned.take(None, None, client.take_hops());
            news.into_iter().for_each(|event| self.event(event));
            match connected {
                Ok(()) => break,
                Err(failure) if !self.wait_to_retry(attempt, &failure).await => return Err(failure),
                Err(_) => {}
            }
        }
        let target = &self.access.target;
        let proof = client.proof();
        self.dialogue.push_str(&format!("# {} port {}: {proof}\n", target.address, target.port));
        self.gateway.tally.of(&target.platform, |counts| counts.sessions += 1);
        Ok(client)
    }
}
