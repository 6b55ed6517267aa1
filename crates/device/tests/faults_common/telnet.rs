//! Devices on raw TCP: they say nothing of the Telnet protocol unless it stands in their texts.

use super::device::{Device, End, serve};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A device that serves any number of clients; dropping it ends all.
pub struct Served {
    pub port: u16,
    _serving: JoinSet<()>,
}

impl Served {
    pub fn new(port: u16, serving: JoinSet<()>) -> Self {
        Self { port, _serving: serving }
    }
}

pub async fn start(device: Device) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut clients = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let device = device.clone();
            stream.set_nodelay(true).unwrap();
            clients.spawn(async move {
                let (end, stream) = serve(&device, stream, true).await;
                finish(end, stream).await;
            });
        }
    });
    Served::new(port, serving)
}

async fn finish(end: End, mut stream: TcpStream) {
    match end {
        End::Close => {
            // What the client still sends would turn the close into RST.
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(Duration::from_secs(1), until_gone(&mut stream)).await;
        }
        End::Reset => stream.set_zero_linger().unwrap(),
        End::HalfClose => {
            let _ = stream.shutdown().await;
            until_gone(&mut stream).await;
        }
        End::Stall => until_gone(&mut stream).await,
    }
}

/// Reads until the client closes.
pub async fn until_gone(stream: &mut (impl AsyncRead + Unpin)) {
    let mut discarded = [0; 512];
    while let Ok(1..) = stream.read(&mut discarded).await {}
}
