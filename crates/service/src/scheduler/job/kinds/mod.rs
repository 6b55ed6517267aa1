//! What the kinds of jobs do with a device, each in a file of its own.

mod backup;
mod command;
mod credential_check;
mod reachability;

use super::Course;
use netraven_device::{Access, Collected};
use netraven_model::{CredentialId, ErrorCode, Failure, JobKind, Phase};
use netraven_platform::Platform;
use std::sync::Arc;

/// What a job brought.
pub(super) enum Done {
    /// A configuration.
    BackedUp(Collected),
    /// What was asked for, which is nothing to be kept as a version.
    Ok,
}

impl Course<'_> {
    /// All of the job.
    pub(super) async fn run(&mut self) -> Result<Done, Failure> {
        if self.claimed.kind == JobKind::Reachability {
            self.open_hops().await?;
            return self.reach().await;
        }
        let mut platform = self.known_platform()?;
        self.open_hops().await?;
        self.try_all(&mut platform).await
    }

    /// The job with one of the device's credentials. `known` is the device's platform, as soon as it is known.
    pub(super) async fn attempt(
        &mut self,
        access: Access,
        credential: CredentialId,
        known: &mut Option<Arc<Platform>>,
    ) -> Result<Done, Failure> {
        if self.claimed.kind == JobKind::CredentialCheck {
            return self.check_login(access, credential, known.clone()).await;
        }
        let platform = match known {
            Some(platform) => platform.clone(),
            None => known.insert(self.recognise(access.clone(), credential).await?).clone(),
        };
        match self.claimed.kind {
            JobKind::Command => self.ask(access, credential, &platform).await,
            _ => self.back_up(access, credential, platform).await,
        }
    }

    /// Finds out of which family the device is.
    async fn recognise(
        &mut self,
        access: Access,
        credential: CredentialId,
    ) -> Result<Arc<Platform>, Failure> {
        let questions = self.no_questions()?;
        let request = self.collect_request(access, &questions);
        let outcome = self.context.collector.recognise(&request, &self.platforms).await;
        let platform = self.take(outcome, credential)?;
        self.finished.recognised = Some(self.recognised(&platform));
        Ok(platform)
    }

    /// What is spoken with a device whose family is not known.
    fn no_questions(&mut self) -> Result<Arc<Platform>, Failure> {
        self.platforms
            .questions("", 0..0)
            .map_err(|error| self.fail(Failure::new(ErrorCode::Internal, Phase::Connect, error.to_string())))
    }
}
