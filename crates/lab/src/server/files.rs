//! Files of a device over SCP (`scp -f`) and SFTP, version 3, to be read only.

use super::world::World;
use bytes::Bytes;
use russh::server::Msg;
use russh::{Channel, ChannelMsg};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// No request is larger.
const MAX_PACKET: usize = 64 * 1024;
/// What is sent at once.
const MAX_PIECE: usize = 32 * 1024;
/// `SSH_FX_EOF`, `_NO_SUCH_FILE`, `_OP_UNSUPPORTED`
const EOF: u32 = 1;
const NO_SUCH_FILE: u32 = 2;
const UNSUPPORTED: u32 = 8;

/// The path in `scp -f PATH`, which a shell may have to unquote.
pub(super) fn path_of_scp(command: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(command).ok()?.strip_prefix("scp -f ")?;
    let quoted = path.strip_prefix('\'').and_then(|path| path.strip_suffix('\''));
    Some(quoted.map_or_else(|| path.to_owned(), |path| path.replace(r"'\''", "'")))
}

/// The client is gone, or says nothing for too long.
struct Gone;

/// A channel, byte by byte.
struct Line {
    channel: Channel<Msg>,
    came: VecDeque<u8>,
    idle: Duration,
}

impl Line {
    async fn take(&mut self, count: usize) -> Result<Vec<u8>, Gone> {
        while self.came.len() < count {
            match timeout(self.idle, self.channel.wait()).await {
                Ok(Some(ChannelMsg::Data { data })) => self.came.extend(&data[..]),
                Ok(Some(ChannelMsg::Eof | ChannelMsg::Close) | None) | Err(_) => return Err(Gone),
                Ok(Some(_)) => {}
            }
        }
        Ok(self.came.drain(..count).collect())
    }

    async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        self.channel.data_bytes(bytes).await.map_err(|_| Gone)
    }

    /// Ends the channel as a program does. A client that is gone misses nothing.
    async fn end(self, exit_status: u32) {
        let _ = self.channel.exit_status(exit_status).await;
        let _ = self.channel.eof().await;
        let _ = self.channel.close().await;
    }
}

pub(super) async fn serve_scp(channel: Channel<Msg>, path: String, content: Option<Bytes>, idle: Duration) {
    let mut line = Line { channel, came: VecDeque::new(), idle };
    let status = match content {
        None => {
            let words = format!("\x01scp: {path}: No such file or directory\n");
            line.send(words).await.map(|()| 1)
        }
        Some(content) => send_scp(&mut line, &path, content).await.map(|()| 0),
    };
    line.end(status.unwrap_or(1)).await;
}

async fn send_scp(line: &mut Line, path: &str, content: Bytes) -> Result<(), Gone> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let announced = format!("C0600 {} {name}\n", content.len());
    ok(line).await?;
    line.send(announced).await?;
    ok(line).await?;
    line.send(content).await?;
    line.send(&b"\0"[..]).await?;
    ok(line).await
}

async fn ok(line: &mut Line) -> Result<(), Gone> {
    match line.take(1).await?[..] {
        [0] => Ok(()),
        _ => Err(Gone),
    }
}

pub(super) async fn serve_sftp(channel: Channel<Msg>, world: Arc<World>, index: u32) {
    let mut line = Line { channel, came: VecDeque::new(), idle: world.settings.idle_timeout };
    let mut open = None;
    // It ends when the client goes.
    while answer(&mut line, &mut open, &world, index).await.is_ok() {}
    line.end(0).await;
}

/// Answers one request. There is one handle, of the file that was opened last.
async fn answer(line: &mut Line, open: &mut Option<Bytes>, world: &World, index: u32) -> Result<(), Gone> {
    let length = number(&line.take(4).await?).ok_or(Gone)? as usize;
    if length == 0 || length > MAX_PACKET {
        return Err(Gone);
    }
    let packet = line.take(length).await?;
    let (kind, body) = (packet[0], &packet[1..]);
    // INIT has a version in the place of the request's number.
    if kind == 1 {
        return line.send(framed(2, &[&3u32.to_be_bytes()])).await;
    }
    let (id, body) = body.split_at_checked(4).ok_or(Gone)?;
    let reply = match (kind, &open) {
        // OPEN
        (3, _) => {
            let path = text(body).and_then(|path| std::str::from_utf8(path).ok()).ok_or(Gone)?;
            *open = world.file(index, path);
            match open {
                Some(_) => framed(102, &[id, &1u32.to_be_bytes(), b"h"]),
                None => status(id, NO_SUCH_FILE, "No such file"),
            }
        }
        // CLOSE
        (4, _) => status(id, 0, "Success"),
        // READ: behind the handle, offset and length
        (5, Some(content)) => {
            let (offset, length) = body.get(5..13).zip(body.get(13..17)).ok_or(Gone)?;
            let offset = u64::from_be_bytes(offset.try_into().map_err(|_| Gone)?);
            let length = (number(length).ok_or(Gone)? as usize).min(MAX_PIECE);
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
            match &content[start..(start + length).min(content.len())] {
                b"" => status(id, EOF, "End of file"),
                data => framed(103, &[id, &(data.len() as u32).to_be_bytes(), data]),
            }
        }
        // FSTAT: size and mode
        (8, Some(content)) => {
            let (flags, mode) = (5u32.to_be_bytes(), 0o100_600u32.to_be_bytes());
            framed(105, &[id, &flags, &(content.len() as u64).to_be_bytes(), &mode])
        }
        _ => status(id, UNSUPPORTED, "Operation unsupported"),
    };
    line.send(reply).await
}

fn status(id: &[u8], code: u32, words: &str) -> Vec<u8> {
    let length = (words.len() as u32).to_be_bytes();
    framed(101, &[id, &code.to_be_bytes(), &length, words.as_bytes(), &0u32.to_be_bytes()])
}

fn framed(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = (body.len() as u32 + 1).to_be_bytes();
    [&length[..], &[kind], &body].concat()
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

fn text(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(4..)?.get(..number(bytes)? as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_unquoted_as_a_shell_would() {
        assert_eq!(path_of_scp(b"scp -f /a/b").as_deref(), Some("/a/b"));
        assert_eq!(path_of_scp(br"scp -f '/it'\''s here'").as_deref(), Some("/it's here"));
        assert_eq!(path_of_scp(b"scp -t /a"), None);
    }
}
