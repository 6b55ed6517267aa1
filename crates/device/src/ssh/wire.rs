//! The socket, shared between the library's task and its owner, who can close it at any time.

use super::preamble::Preamble;
use crate::route::Stream;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Short reads fetch this much. The library reads the head of each packet on its own: without a
/// store behind it, every small packet costs two system calls.
const AHEAD: usize = 2048;

/// Splits a connected socket into what the library reads and writes, and the owner's end.
pub(super) fn split(stream: Stream) -> (Wire, Line) {
    let socket = Arc::new(Mutex::new(Socket {
        stream: Some(stream),
        ahead: Vec::new(),
        taken: 0,
        preamble: Preamble::default(),
        refused: None,
        answered: false,
        reader: None,
        writer: None,
    }));
    (Wire(Arc::clone(&socket)), Line(socket))
}

/// The library's end.
pub(super) struct Wire(Arc<Mutex<Socket>>);

/// The owner's end: dropping it closes the socket.
pub(super) struct Line(Arc<Mutex<Socket>>);

struct Socket {
    /// `None` once closed.
    stream: Option<Stream>,
    /// Bytes that were read but not yet asked for, from `taken` on.
    ahead: Vec<u8>,
    taken: usize,
    preamble: Preamble,
    /// Why the preamble was refused.
    refused: Option<String>,
    /// Whether the last thing that happened is that bytes came.
    answered: bool,
    /// Whom to wake when the socket is closed under a pending read or write.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

fn lock(socket: &Mutex<Socket>) -> MutexGuard<'_, Socket> {
    // Nothing here panics half-way through a change, so a poisoned socket is still consistent.
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// The server's identification, once it came.
    pub(super) fn identification(&self) -> Option<String> {
        lock(&self.0).preamble.identification().map(str::to_owned)
    }

    /// What came instead of an identification, ready for a message.
    pub(super) fn foreign(&self) -> Option<String> {
        lock(&self.0).preamble.foreign()
    }

    /// Why the server's first words were refused.
    pub(super) fn refused(&self) -> Option<String> {
        lock(&self.0).refused.clone()
    }

    /// Whether something came since the library last sent anything.
    pub(super) fn answered(&self) -> bool {
        lock(&self.0).answered
    }

    /// Closes the socket; the library's task sees an error and ends.
    pub(super) fn close(&self) {
        let mut socket = lock(&self.0);
        let closed = (socket.stream.take(), socket.reader.take(), socket.writer.take());
        drop(socket);
        let (_, reader, writer) = closed;
        reader.into_iter().chain(writer).for_each(Waker::wake);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
    }
}

impl Socket {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.taken < self.ahead.len() {
                let waiting = &self.ahead[self.taken..];
                let size = waiting.len().min(buffer.remaining());
                buffer.put_slice(&waiting[..size]);
                self.taken += size;
                return Poll::Ready(Ok(()));
            }
            let identified = self.preamble.identification().is_some();
            if identified && buffer.remaining() >= AHEAD {
                return Pin::new(open(&mut self.stream)?).poll_read(context, buffer);
            }
            let came = ready!(self.poll_ahead(context))?;
            if came == 0 {
                return Poll::Ready(Ok(()));
            }
            if !identified {
                self.identify()?;
            }
        }
    }

    /// Refills the store, which is empty; answers how much came.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = open(&mut self.stream)?;
        let mut piece = [0; AHEAD];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(stream).poll_read(context, &mut piece))?;
        self.ahead.clear();
        self.ahead.extend_from_slice(piece.filled());
        self.taken = 0;
        Poll::Ready(Ok(self.ahead.len()))
    }

    fn identify(&mut self) -> io::Result<()> {
        match self.preamble.feed(&self.ahead) {
            Ok(protocol) => self.ahead = protocol.unwrap_or_default(),
            Err(why) => {
                self.refused = Some(why);
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }
}

fn open(stream: &mut Option<Stream>) -> io::Result<&mut Stream> {
    stream.as_mut().ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
}

/// Remembers whom to wake, without cloning the waker that is there already.
fn remember(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.0);
        let before = buffer.filled().len();
        let poll = socket.poll_read(context, buffer);
        socket.answered |= buffer.filled().len() > before;
        if poll.is_pending() {
            remember(&mut socket.reader, context);
        }
        poll
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut socket = lock(&self.0);
        socket.answered = false;
        let poll = Pin::new(open(&mut socket.stream)?).poll_write(context, bytes);
        if poll.is_pending() {
            remember(&mut socket.writer, context);
        }
        poll
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Neither a TCP socket nor a channel holds anything back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The library shuts down before it reports why it ended, and reports a failed shutdown
        // instead. The owner closes the socket anyway.
        Poll::Ready(Ok(()))
    }
}
