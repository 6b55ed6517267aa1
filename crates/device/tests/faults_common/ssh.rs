//! Devices behind SSH that let everybody in.

use super::device::{Device, End, serve};
use super::telnet::{Served, until_gone};
use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, run_stream};
use russh::{Channel, ChannelId, Error, Pty};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub async fn start(device: Device) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let keys = vec![PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()];
    let config = Arc::new(Config { keys, nodelay: true, ..Config::default() });
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut clients = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let (config, device) = (config.clone(), device.clone());
            clients.spawn(async move {
                let server = Server { device, channel: None };
                if let Ok(session) = run_stream(config, stream, server).await {
                    let _ = session.await;
                }
            });
        }
    });
    Served::new(port, serving)
}

struct Server {
    device: Device,
    channel: Option<Channel<Msg>>,
}

impl Handler for Server {
    type Error = Error;

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        session.channel_success(id)?;
        let (Some(channel), device) = (self.channel.take(), self.device.clone()) else { return Ok(()) };
        let handle = session.handle();
        tokio::spawn(async move {
            let (end, mut stream) = serve(&device, channel.into_stream(), false).await;
            finish(end, id, &handle).await;
            until_gone(&mut stream).await;
        });
        Ok(())
    }
}

async fn finish(end: End, id: ChannelId, handle: &Handle) {
    match end {
        // As if all were well.
        End::Close => {
            let _ = handle.exit_status_request(id, 0).await;
            let _ = handle.eof(id).await;
            let _ = handle.close(id).await;
        }
        End::Reset => {
            let _ = handle.disconnect(russh::Disconnect::ByApplication, "".into(), "".into()).await;
        }
        End::HalfClose => {
            let _ = handle.eof(id).await;
        }
        End::Stall => {}
    }
}
