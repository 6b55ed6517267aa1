//! The gateway: everything that speaks to devices goes through it.

mod collect;
mod execute;
mod recognise;

pub use execute::Answer;

use crate::course::Talk;
use crate::outcome::{CollectOutcome, Outcome};
use crate::request::{CollectRequest, DeviceSettings, ExecuteRequest};
use netraven_platform::{Platform, Platforms};
use std::sync::Arc;

/// Holds sessions with devices. One for a process, shared by all who need sessions.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) settings: DeviceSettings,
}

impl Gateway {
    /// A gateway without open sessions.
    pub fn new(settings: DeviceSettings) -> Self {
        Self { settings }
    }

    /// Its bounds and habits.
    pub fn settings(&self) -> &DeviceSettings {
        &self.settings
    }

    /// Backs up one device. Dropping the future closes the session.
    pub async fn collect(&self, request: &CollectRequest) -> CollectOutcome {
        collect::collect(self, request).await
    }

    /// Has commands answered by one device. Dropping the future closes the session.
    pub async fn execute(&self, request: &ExecuteRequest) -> Outcome<Vec<Answer>> {
        execute::execute(self, request).await
    }

    /// Asks a device some harmless commands to find out of which family it is. The request's platform is not used beyond
    /// the login. Dropping the future closes the session.
    pub async fn recognise(&self, request: &CollectRequest, platforms: &Platforms) -> Outcome<Arc<Platform>> {
        recognise::recognise(self, request, platforms).await
    }

    /// A session that asks for a platform's own parts and ends.
    pub(crate) fn talk(&self, platform: Arc<Platform>) -> Talk {
        Talk { parts: platform.parts.clone(), platform, stay: false, limits: self.settings.limits() }
    }
}
