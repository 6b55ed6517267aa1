//! The database as each of a worker's services sees it.

use netraven_store::Store;

/// One store for each service, connected as that service's own role: `schema/access.txt` says what each may do.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Claims and leases, credentials and how they do, schedules, the heartbeat.
    pub scheduler: Store,
    /// Versions, what became of jobs, what was learned of devices.
    pub gateway: Store,
    /// The job log, the dialogues, and their partitions.
    pub joblog: Store,
}

impl Stores {
    /// All services through one login that may do everything.
    pub fn all(store: Store) -> Self {
        Self { scheduler: store.clone(), gateway: store.clone(), joblog: store }
    }

    /// Closes the connections of all of them, after the statements that are running.
    pub async fn close(self) {
        tokio::join!(self.scheduler.close(), self.gateway.close(), self.joblog.close());
    }
}
