//! See whether the device accepts a credential: log in as a backup would, and out again.

use super::Done;
use crate::scheduler::job::Course;
use netraven_device::{Access, ExecuteRequest};
use netraven_model::{CredentialId, Failure};
use netraven_platform::Platform;
use std::sync::Arc;

impl Course<'_> {
    pub(super) async fn check_login(
        &mut self,
        access: Access,
        credential: CredentialId,
        known: Option<Arc<Platform>>,
    ) -> Result<Done, Failure> {
        let platform = match known {
            Some(platform) => platform,
            None => self.no_questions()?,
        };
        let request = ExecuteRequest {
            job: Some(self.claimed.job),
            access: self.access(access),
            platform,
            commands: Vec::new(),
            within: self.context.settings.device.longest(),
        };
        let outcome = self.context.collector.execute(&request).await;
        self.take(outcome, credential)?;
        Ok(Done::Ok)
    }
}
