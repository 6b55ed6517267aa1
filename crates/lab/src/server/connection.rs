use super::address::index_of;
use super::handler::Login;
use super::settings::{Failing, KeyExchange};
use super::shell::{self, Ending};
use super::stream::{CuttableStream, OpenGuard};
use super::telnet;
use super::wire::Wire;
use super::world::World;
use netraven_model::Protocol;
use russh::keys::PrivateKey;
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, kex};
use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

/// A client that was told to go has this long to close the connection.
const FAREWELL: Duration = Duration::from_secs(5);
/// Passwords that may be tried on one connection, as OpenSSH has it.
const MAX_AUTH_ATTEMPTS: usize = 6;
/// What a client may send before the device has read it, in bytes: nobody types more ahead.
const WINDOW: u32 = 64 * 1024;

const GROUP14: &[kex::Name] = &[
    kex::DH_G14_SHA256,
    kex::DH_G14_SHA1,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// Serves one connection until it, the lab or its time ends.
pub(super) async fn serve(
    world: Arc<World>,
    protocol: Protocol,
    tcp: TcpStream,
    mut shutdown: watch::Receiver<bool>,
) {
    let open = OpenGuard::new(&world.open_connections);
    let Some(index) = device_of(&tcp, world.count()) else { return };
    world.count_connection(index);
    let stop = async {
        tokio::select! {
            () = until_down(&mut shutdown) => {}
            () = sleep(world.settings.session_limit) => {}
        }
    };
    match world.failing(index) {
        // Its devices have another port; who comes here nevertheless is turned away.
        Some(Failing::Refuses) => {}
        Some(Failing::NeverAnswers) => tokio::select! {
            () = until_closed(&tcp) => {}
            () = stop => {}
        },
        Some(Failing::WrongPassword | Failing::ClosesMidOutput) | None => {
            // OpenSSH and the routers' servers switch it on too; without it each answer waits for an acknowledgement.
            let _ = tcp.set_nodelay(true);
            if protocol == Protocol::Telnet {
                tokio::select! {
                    () = telnet::serve(&world, index, tcp) => {}
                    () = stop => {}
                }
                drop(open);
            } else {
                speak(&world, index, tcp, open, stop).await;
            }
        }
    }
}

/// Returns when the lab is shut down.
pub(super) async fn until_down(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the lab is gone, which is as good.
    let _ = shutdown.wait_for(|down| *down).await;
}

/// The device that a connection is meant for; `None` for connections that did not stay on this machine, and for
/// addresses without a device.
fn device_of(tcp: &TcpStream, count: u32) -> Option<u32> {
    let (local, peer) = (tcp.local_addr().ok()?.ip(), tcp.peer_addr().ok()?.ip());
    if !local.is_loopback() || !peer.is_loopback() {
        return None;
    }
    index_of(local).filter(|index| *index < count)
}

async fn until_closed(tcp: &TcpStream) {
    let mut discarded = [0; 256];
    while tcp.readable().await.is_ok() {
        match tcp.try_read(&mut discarded) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

/// Speaks SSH until one of the two sides ends it or `stop` does. When this future is dropped the connection is cut,
/// because `cut` is dropped with it.
async fn speak(
    world: &Arc<World>,
    index: u32,
    tcp: TcpStream,
    open: OpenGuard,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let (cut, cut_receiver) = oneshot::channel();
    let (written_sender, written) = watch::channel(0);
    let (shell_sender, shell_receiver) = oneshot::channel();
    let stream = CuttableStream::new(tcp, cut_receiver, written_sender, open);
    let login = Login::new(world.clone(), index, shell_sender);
    let started = tokio::select! {
        started = russh::server::run_stream(Arc::new(config(world, index)), stream, login) => started,
        () = &mut stop => return,
    };
    let mut connection = match started {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(index, %error, "the client did not speak SSH");
            return;
        }
    };
    let handle = connection.handle();
    let shell = async {
        match timeout(world.settings.idle_timeout, shell_receiver).await {
            Ok(Ok(channel)) => {
                let mut wire = Wire::Ssh { channel, handle, written };
                shell::run(world, index, &mut wire).await
            }
            _ => Ending::Cut,
        }
    };
    let ending = tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(index, %error, "the connection ended with an error");
            }
            return;
        }
        ending = shell => ending,
        () = &mut stop => Ending::Cut,
    };
    if ending == Ending::Orderly {
        tokio::select! {
            _ = &mut connection => return,
            () = sleep(FAREWELL) => {}
            () = &mut stop => {}
        }
    }
    drop(cut);
    // The SSH library's own task ends once it notices.
    let _ = timeout(FAREWELL, connection).await;
}

fn config(world: &World, index: u32) -> Config {
    let settings = &world.settings;
    let mut methods = vec![MethodKind::Password, MethodKind::KeyboardInteractive];
    if world.authorized_key.is_some() {
        methods.insert(0, MethodKind::PublicKey);
    }
    let preferred = match settings.key_exchange {
        KeyExchange::Modern => Preferred::DEFAULT,
        KeyExchange::Group14 => Preferred { kex: Cow::Borrowed(GROUP14), ..Preferred::DEFAULT },
    };
    let key: PrivateKey = world.host_key(index);
    Config {
        server_id: SshId::Standard(Cow::Owned(world.session(index).ssh_version().to_string())),
        methods: MethodSet::from(&methods[..]),
        auth_rejection_time: settings.rejection_delay,
        // Clients ask first which methods there are; that is no failed login.
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        window_size: WINDOW,
        channel_buffer_size: 16,
        preferred,
        max_auth_attempts: MAX_AUTH_ATTEMPTS,
        inactivity_timeout: Some(settings.idle_timeout),
        ..Config::default()
    }
}
