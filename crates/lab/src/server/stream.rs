use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};

/// A connection that can be cut from outside, although the SSH library owns it: when the sender of `cut` is
/// used or dropped, reading and writing fail.
pub(super) struct CuttableStream {
    tcp: TcpStream,
    cut: oneshot::Receiver<()>,
    /// How many bytes were given to the system, for who wants to cut after a certain one.
    written: watch::Sender<u64>,
    _open: OpenGuard,
}

/// Counts a connection as open for as long as it lives.
pub(super) struct OpenGuard(Arc<AtomicUsize>);

impl OpenGuard {
    pub(super) fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CuttableStream {
    pub(super) fn new(
        tcp: TcpStream,
        cut: oneshot::Receiver<()>,
        written: watch::Sender<u64>,
        open: OpenGuard,
    ) -> Self {
        Self { tcp, cut, written, _open: open }
    }

    /// The SSH library reads and writes in one task, so that one waker is enough for both directions.
    fn check_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match Pin::new(&mut self.cut).poll(context) {
            Poll::Ready(_) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_cut(context)?;
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_cut(context)?;
        let polled = Pin::new(&mut self.tcp).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.written.send_modify(|written| *written += count as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
