//! Who does what when: claims due jobs, resolves credentials, runs sessions, keeps leases alive.

mod bell;
mod dispatch;
mod job;
mod keeper;
mod login;
mod running;

pub(crate) use bell::listen;
pub(crate) use dispatch::Dispatcher;
pub(crate) use keeper::Keeper;
pub use login::{Keys, OpenError, open_access, open_hop, reached_at};
pub(crate) use running::Running;

use crate::collector::Collector;
use crate::committer::Results;
use crate::definitions::Definitions;
use crate::logins::Logins;
use crate::references::References;
use crate::stores::Stores;
use crate::worker::WorkerSettings;
use netraven_vault::Vault;
use std::sync::Arc;
use tokio::sync::Notify;

/// What all tasks of a worker share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) stores: Stores,
    pub(crate) vault: Arc<Vault>,
    pub(crate) references: References,
    pub(crate) definitions: Definitions,
    pub(crate) settings: WorkerSettings,
    /// Who speaks to devices.
    pub(crate) collector: Collector,
    pub(crate) results: Results,
    pub(crate) running: Arc<Running>,
    pub(crate) logins: Arc<Logins>,
    /// Wakes the dispatcher: there may be new jobs.
    pub(crate) rung: Notify,
}

impl Context {
    fn keys(&self) -> Keys<'_> {
        Keys { vault: &self.vault, references: &self.references, logins: &self.logins }
    }
}
