//! Several listeners behind one another's back: whatever comes in by any of them, and has spoken TLS where it must,
//! is served by one server. A handshake that takes its time holds up nobody else.
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A handshake that is not done by then is given up.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Handshakes under way, over one listener: those that come while there are so many are turned away.
const HANDSHAKES_MAX: usize = 256;

/// The pause after a connection could not be taken: the process has no file descriptor left, or the like.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Connections that have come in and are not served yet.
const WAITING_MAX: usize = 64;

/// One bound address.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// All of them, as a server takes connections from them.
pub(crate) struct Doors {
    arrived: mpsc::Receiver<(Stream, Arrival)>,
}

/// How a connection came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Over TLS.
    pub(crate) tls: bool,
}

impl Doors {
    /// Opens them; they close when this is dropped.
    pub(crate) fn open(doors: Vec<Door>) -> Doors {
        let (arrivals, arrived) = mpsc::channel(WAITING_MAX);
        for door in doors {
            tokio::spawn(keep(door, arrivals.clone()));
        }
        Doors { arrived }
    }
}

async fn keep(door: Door, arrivals: mpsc::Sender<(Stream, Arrival)>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = door.listener.accept() => accepted,
            () = arrivals.closed() => return,
        };
        let Ok((socket, _)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        // Answers are small, and somebody waits for them.
        let _ = socket.set_nodelay(true);
        match &door.tls {
            None => {
                if arrivals.send((Stream::Plain(socket), Arrival { tls: false })).await.is_err() {
                    return;
                }
            }
            Some(tls) => {
                let Ok(permit) = Arc::clone(&handshakes).try_acquire_owned() else { continue };
                let (tls, arrivals) = (tls.clone(), arrivals.clone());
                tokio::spawn(async move {
                    let done = tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(socket)).await;
                    drop(permit);
                    match done {
                        Ok(Ok(stream)) => {
                            // A server that has ended serves nobody.
                            let _ =
                                arrivals.send((Stream::Tls(Box::new(stream)), Arrival { tls: true })).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake has failed"),
                        Err(_) => tracing::debug!("a TLS handshake took too long"),
                    }
                });
            }
        }
    }
}

impl Listener for Doors {
    type Io = Stream;
    type Addr = Arrival;

    async fn accept(&mut self) -> (Stream, Arrival) {
        match self.arrived.recv().await {
            Some(arrived) => arrived,
            // Every door has closed, which they do only when this is dropped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Arrival> {
        Ok(Arrival { tls: false })
    }
}

impl Connected<IncomingStream<'_, Doors>> for Arrival {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Arrival {
        *stream.remote_addr()
    }
}

/// A connection, with or without TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
