//! A Telnet connection to a device.

use super::parser::TelnetParser;
use crate::link::Chunk;
use crate::route::Stream;
use crate::ssh::Terminal;
use netraven_model::{ErrorCode, Failure, Phase};
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

/// What is read at once; nothing more waits here, the rest stops the device.
const PIECE: usize = 16 * 1024;
/// A device that takes no answers to its negotiation is not read either.
const MAX_ANSWERS: usize = 64 * 1024;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// An open connection. Dropping it closes its socket at once.
#[derive(Debug)]
pub(crate) struct TelnetLine {
    stream: Stream,
    parser: TelnetParser,
    /// The protocol's own answers that are not sent yet.
    answers: Vec<u8>,
    piece: Box<[u8]>,
}

impl TelnetLine {
    /// Telnet from this terminal to the device at the stream's end. What it proposes is answered while it is read.
    pub(crate) fn new(stream: Stream, terminal: Terminal) -> Self {
        if let Stream::Tcp(stream) = &stream {
            // A device that empties its output marks the place with an urgent byte (RFC 854, "SYNCH"), which would otherwise
            // be missing behind its IAC. It fails only on a socket that is dead already, which the next read reports better.
            let _ = SockRef::from(stream).set_out_of_band_inline(true);
        }
        let parser = TelnetParser::client(terminal);
        Self { stream, parser, answers: Vec::new(), piece: vec![0; PIECE].into() }
    }

    /// Sends typed keys. `phase` is for the failure's sake; a device that takes nothing until `deadline` is a `timeout`.
    pub(crate) async fn send(&mut self, keys: &[u8], phase: Phase, deadline: Instant) -> Result<(), Failure> {
        let typed = self.parser.type_keys(keys);
        let answers = std::mem::take(&mut self.answers);
        let write = async {
            self.stream.write_all(&answers).await?;
            self.stream.write_all(&typed).await?;
            self.stream.flush().await
        };
        match timeout_at(deadline, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                let message = format!("the connection was lost: {error}");
                Err(Failure::new(ErrorCode::Disconnected, phase, message))
            }
            Err(_) => {
                let message =
                    format!("the device takes no input: {} bytes could not be sent in time", keys.len());
                Err(Failure::new(ErrorCode::Timeout, phase, message))
            }
        }
    }

    /// The next text from the device; waits without limit. Dropping the future loses nothing.
    pub(crate) async fn recv(&mut self) -> Chunk {
        poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Chunk> {
        loop {
            while !self.answers.is_empty() {
                match Pin::new(&mut self.stream).poll_write(context, &self.answers) {
                    Poll::Ready(Ok(count @ 1..)) => drop(self.answers.drain(..count)),
                    // What the device said last may still be there to be read.
                    Poll::Ready(_) => self.answers.clear(),
                    Poll::Pending if self.answers.len() < MAX_ANSWERS => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let Ok(count @ 1..) = ready!(self.poll_read(context)) else {
                return Poll::Ready(Chunk::Closed { exit_status: None });
            };
            let text = self.parser.receive(&self.piece[..count]);
            self.answers.append(&mut self.parser.take_answers());
            if !text.is_empty() {
                return Poll::Ready(Chunk::Data(text));
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            // Not with `AsyncRead`: that takes a short read for the last one, but in front of an urgent byte the system always
            // reads short.
            Stream::Tcp(stream) => loop {
                ready!(stream.poll_read_ready(context))?;
                match stream.try_read(&mut self.piece) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            },
            hop @ Stream::Hop(_) => {
                let mut buffer = ReadBuf::new(&mut self.piece);
                ready!(Pin::new(hop).poll_read(context, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Closes the connection.
    pub(crate) async fn close(mut self) {
        // A device that is gone already misses nothing.
        let _ = timeout(FAREWELL, self.stream.shutdown()).await;
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
