//! Simulated devices behind real SSH and Telnet, on the loopback interface.

mod address;
mod connection;
mod error;
mod files;
mod handler;
mod listen;
mod settings;
mod shell;
mod stream;
mod telnet;
mod wire;
mod world;

pub use error::LabError;
pub use settings::{Failing, Failures, KeyExchange, LabSettings};
pub use world::Counters;

use crate::chance::Chance;
use crate::clock::{Clock, SystemClock};
use crate::personality::{DeviceState, Personality};
use crate::session::SessionFile;
use address::address_of;
use listen::{Listeners, listen, reserve_closed_port};
use netraven_model::{Protocol, Secret};
use socket2::Socket;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use world::World;

/// What is still running so long after a shutdown is aborted.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// How long accepting rests when the system has no more sockets to give.
const OUT_OF_SOCKETS_PAUSE: Duration = Duration::from_millis(100);

/// A device of the lab, with all that is needed to log in.
#[derive(Clone, Debug)]
pub struct LabDevice {
    /// Number in the lab, from 0.
    pub index: u32,
    /// The name it gives itself.
    pub hostname: String,
    /// Where it is reached.
    pub address: Ipv4Addr,
    /// TCP port for SSH.
    pub port: u16,
    /// TCP port for Telnet, where the lab has it.
    pub telnet_port: Option<u16>,
    /// Name of its platform.
    pub platform: String,
    /// Three letters of the site it stands at.
    pub site: &'static str,
    /// Name to log in with.
    pub username: String,
    /// Password to log in with.
    pub password: Secret,
    /// Password of the `enable` dialog.
    pub enable: Secret,
    /// How it misbehaves, if it does.
    pub failing: Option<Failing>,
}

/// A running lab. Dropped, it ends at once; `shutdown` ends it in order.
pub struct Lab {
    world: Arc<World>,
    port: u16,
    telnet_port: Option<u16>,
    closed_port: u16,
    /// Keeps the closed port from being taken by somebody who listens.
    _closed: Socket,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Lab {
    /// Starts a lab on the machine's clock. Needs a running Tokio runtime.
    pub fn start(settings: LabSettings) -> Result<Self, LabError> {
        Self::start_with_clock(settings, Arc::new(SystemClock))
    }

    /// Starts a lab whose devices take their time from `clock`.
    pub fn start_with_clock(settings: LabSettings, clock: Arc<dyn Clock>) -> Result<Self, LabError> {
        let world = Arc::new(World::new(settings, clock)?);
        let Listeners { listeners, port } = listen(world.count(), world.settings.port)?;
        let (closed, closed_port) = reserve_closed_port()?;
        let (shutdown, down) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let permits = Arc::new(Semaphore::new(world.settings.max_connections));
        let telnet = world.settings.telnet_port.map(|port| listen(world.count(), port)).transpose()?;
        let telnet_port = telnet.as_ref().map(|telnet| telnet.port);
        let telnet = telnet.into_iter().flat_map(|telnet| telnet.listeners);
        let ssh = listeners.into_iter().map(|listener| (Protocol::Ssh, listener));
        for (protocol, listener) in ssh.chain(telnet.map(|listener| (Protocol::Telnet, listener))) {
            tasks.spawn(accept(world.clone(), protocol, listener, permits.clone(), down.clone()));
        }
        if world.settings.changes_per_minute > 0.0 {
            tasks.spawn(operate(world.clone(), down));
        }
        Ok(Self { world, port, telnet_port, closed_port, _closed: closed, shutdown, tasks })
    }

    /// All devices, in the order of their numbers.
    pub fn devices(&self) -> Vec<LabDevice> {
        (0..self.world.count()).map(|index| self.describe(index)).collect()
    }

    /// The device of this number.
    pub fn device(&self, index: u32) -> Option<LabDevice> {
        (index < self.world.count()).then(|| self.describe(index))
    }

    /// What device `index` plays, who it is and what was done to it: with these the text that it sends, and what a
    /// backup of it must find, can be told. `None` if there is no such device.
    pub fn inside(&self, index: u32) -> Option<(Arc<SessionFile>, Personality, DeviceState)> {
        let known = index < self.world.count();
        known.then(|| {
            let mut personality = self.world.personality(index);
            personality.filler = self.world.filler(index);
            (self.world.session(index).clone(), personality, self.world.state(index))
        })
    }

    /// Public host key of device `index`, in OpenSSH format.
    pub fn host_key(&self, index: u32) -> Option<String> {
        let known = index < self.world.count();
        known.then(|| self.world.host_key(index))?.public_key().to_openssh().ok()
    }

    /// An operator changes the configuration of device `index`. False if there is no such device.
    pub fn change(&self, index: u32) -> bool {
        self.world.change(index)
    }

    /// Operators change `count` devices, spread evenly over the lab; which ones is the answer.
    pub fn change_some(&self, count: u32) -> Vec<u32> {
        let all = u64::from(self.world.count());
        let count = u64::from(count).min(all);
        let chosen: Vec<u32> = (0..count).map(|n| (n * all / count) as u32).collect();
        chosen.iter().for_each(|index| {
            self.world.change(*index);
        });
        chosen
    }

    /// What was counted at device `index`.
    pub fn counters(&self, index: u32) -> Option<Counters> {
        self.world.counters(index)
    }

    /// The last 200 things that a well-behaved collector would not have sent, with the number of the device.
    pub fn unexpected(&self) -> Vec<(u32, String)> {
        self.world.unexpected()
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.world.open_connections.load(Ordering::Relaxed)
    }

    /// Closes all connections and listeners; returns when none is left.
    pub async fn shutdown(mut self) {
        // Without receivers nothing is running any more.
        let _ = self.shutdown.send(true);
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(SHUTDOWN_LIMIT, all_ended).await.is_err() {
            tracing::warn!("the lab's connections did not end in time and were aborted");
            self.tasks.shutdown().await;
        }
    }

    fn describe(&self, index: u32) -> LabDevice {
        let personality = self.world.personality(index);
        let failing = self.world.failing(index);
        let port = |open: u16| if failing == Some(Failing::Refuses) { self.closed_port } else { open };
        LabDevice {
            index,
            site: personality.site(),
            hostname: personality.hostname,
            address: address_of(index),
            port: port(self.port),
            telnet_port: self.telnet_port.map(port),
            platform: self.world.session(index).platform().to_string(),
            username: personality.username,
            password: self.world.settings.password.clone(),
            enable: personality.enable,
            failing,
        }
    }
}

/// Accepts connections until the lab is shut down, then waits for those that are open.
async fn accept(
    world: Arc<World>,
    protocol: Protocol,
    listener: TcpListener,
    permits: Arc<Semaphore>,
    mut down: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let permit = permits.clone().acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = connection::until_down(&mut down) => break,
            (permit, accepted) = next => match accepted {
                Ok((tcp, _)) => {
                    let connection = connection::serve(world.clone(), protocol, tcp, down.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the lab cannot accept a connection; it tries again");
                    tokio::time::sleep(OUT_OF_SOCKETS_PAUSE).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Changes devices at random, as often as the settings say.
async fn operate(world: Arc<World>, mut down: watch::Receiver<bool>) {
    let mut chance = Chance::new(world.settings.seed, 0, "operators");
    let mut ticks = interval(Duration::from_secs_f64(60.0 / world.settings.changes_per_minute));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first tick comes at once; the first change does not.
    ticks.reset();
    loop {
        tokio::select! {
            () = connection::until_down(&mut down) => return,
            _ = ticks.tick() => {
                world.change(chance.below(u64::from(world.count())) as u32);
            }
        }
    }
}
