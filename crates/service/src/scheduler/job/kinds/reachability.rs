//! See whether the device answers at its port and introduces itself as its protocol demands. Nobody logs in to it.

use super::Done;
use crate::scheduler::job::Course;
use netraven_device::{Access, ReachRequest};
use netraven_model::{Failure, Login};

impl Course<'_> {
    pub(super) async fn reach(&mut self) -> Result<Done, Failure> {
        let access = self.access(Access::new(self.target.clone(), Login::default()));
        // A device whose definition is missing can be reached all the same.
        let platform = self.platforms.get(&self.target.platform);
        let request = ReachRequest { job: Some(self.claimed.job), access, platform };
        let outcome = self.context.collector.reach(&request).await;
        self.take_unnamed(outcome)?;
        Ok(Done::Ok)
    }
}
