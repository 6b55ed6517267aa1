//! One worker: dispatcher, committer and keeper in one process.

use crate::collector::{Collector, DispatchSettings};
use crate::committer::Committer;
use crate::definitions::Definitions;
use crate::logins::Logins;
use crate::references::{Aliases, References};
use crate::scheduler::{Context, Dispatcher, Keeper, Running, listen};
use crate::stores::Stores;
use netraven_device::{DeviceSettings, Gateway};
use netraven_model::{Backoff, Breaker};
use netraven_store::logins::Limits;
use netraven_vault::Vault;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How a worker works.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerSettings {
    /// Its name, unique among all workers of the database.
    pub name: String,
    /// Sessions at the same time.
    pub parallel_sessions: usize,
    /// How long a claimed job stays claimed without a sign of life.
    pub lease: Duration,
    /// How often the queue is looked at when nobody rings.
    pub poll: Duration,
    /// When a failed job is tried again.
    pub retry: Backoff,
    /// When schedules leave a device alone that keeps failing.
    pub breaker: Breaker,
    /// Bounds of a session.
    pub device: DeviceSettings,
    /// Where jobs are carried out.
    pub dispatch: DispatchSettings,
    /// Where passwords are looked up that are not stored.
    pub aliases: Aliases,
    /// How many refused logins are too many.
    pub logins: Limits,
    /// How many months of the job log are kept at least; `None` for all.
    pub job_log_months: Option<u32>,
    /// The same for the dialogues with devices.
    pub connection_log_months: Option<u32>,
    /// Whether equal secrets of different devices are recognised.
    pub site_fingerprints: bool,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: format!("worker-{}", uuid::Uuid::new_v4()),
            parallel_sessions: 1000,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(2),
            retry: Backoff {
                attempts: 3,
                base: Duration::from_secs(10),
                factor: 2,
                limit: Duration::from_secs(300),
            },
            breaker: Breaker::default(),
            device: DeviceSettings::default(),
            dispatch: DispatchSettings::default(),
            aliases: Aliases::new(),
            logins: Limits::default(),
            job_log_months: None,
            connection_log_months: None,
            site_fingerprints: false,
        }
    }
}

/// A running worker. [`Worker::stop`] ends it in order; dropped without it, it works on until the
/// runtime ends, and its jobs return to the queue when their lease ends.
#[derive(Debug)]
pub struct Worker {
    stop: watch::Sender<bool>,
    context: Arc<Context>,
    dispatcher: JoinHandle<()>,
    bell: JoinHandle<()>,
    keeper: JoinHandle<()>,
    committer: JoinHandle<()>,
}

impl Worker {
    /// Starts the worker's tasks, each with the store of its service.
    pub fn start(
        stores: Stores,
        vault: Arc<Vault>,
        definitions: Definitions,
        settings: WorkerSettings,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let running = Arc::new(Running::default());
        let parallel = settings.parallel_sessions;
        let (committer, results) = Committer::new(stores.clone(), &settings, running.clone());
        let device = DeviceSettings { parallel_sessions: parallel, ..settings.device.clone() };
        let collector = Collector::new(Arc::new(Gateway::new(device)), settings.dispatch.clone());
        let logins = Logins::new(stores.scheduler.clone(), settings.logins);
        let references = References::new(settings.aliases.clone());
        let context = Arc::new(Context {
            stores,
            vault,
            references,
            definitions,
            settings,
            collector,
            results,
            running,
            logins,
            rung: Notify::new(),
        });
        Self {
            dispatcher: tokio::spawn(Dispatcher::new(context.clone()).run(stopped.clone())),
            bell: tokio::spawn(listen(context.clone())),
            keeper: tokio::spawn(Keeper::new(context.clone()).run(stopped)),
            committer: tokio::spawn(committer.run()),
            context,
            stop,
        }
    }

    /// The number of sessions under way.
    pub fn active(&self) -> usize {
        self.context.running.len()
    }

    /// What holds its sessions; others in the process may share it.
    pub fn gateway(&self) -> Arc<Gateway> {
        self.context.collector.local().clone()
    }

    /// Ends the worker: nothing new is claimed, sessions under way get `grace` to finish and are then
    /// closed and given back to the queue; everything collected is committed first.
    pub async fn stop(self, grace: Duration) {
        // Nobody listening any more is fine: then the tasks have ended already.
        let _ = self.stop.send(true);
        report(self.dispatcher.await, "dispatcher");
        if timeout(grace, self.context.running.idle()).await.is_err() {
            self.context.running.abort_all();
            self.context.running.idle().await;
        }
        self.context.collector.drain().await;
        report(self.keeper.await, "keeper");
        // It has no end of its own, and holds the context until it is gone.
        self.bell.abort();
        let _ = self.bell.await;
        // The last sender goes with the context, and the committer ends behind the last result.
        drop(self.context);
        report(self.committer.await, "committer");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>, task: &'static str) {
    if let Err(error) = ended {
        tracing::error!(task, %error, "a task of the worker did not end in order");
    }
}
