//! The doors of a server: who comes in by one of them, and has spoken TLS where it must, is served. Nobody who comes
//! can hold the others up for long, or fill the process with connections.
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

/// The pause after a connection could not be taken: the process has no file descriptor left, or the like.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// What is read of a request's head, and lies in memory of a connection.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What a door lets in, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections by one door at a time; who comes then waits in the system's queue. Doors do not take from one
    /// another, so that an operator's own is free.
    pub connections: u32,
    /// A handshake, and then the head of each request, has to be there within this time: so a connection on which
    /// nobody asks anything ends, too.
    pub head: Duration,
    /// After this a connection takes no further request.
    pub life: Duration,
    /// What it still does then is cut off after this, whoever sends his request or reads his answer byte by byte.
    pub last_answer: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // A few tools, scrapers and browsers.
            connections: 256,
            // As long as Kafka Connect's server (Jetty) keeps an idle connection.
            head: Duration::from_secs(30),
            life: Duration::from_secs(300),
            // Longer than any answer takes: a change of offsets that is passed on to another worker.
            last_answer: Duration::from_secs(120),
        }
    }
}

/// One bound address.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Over TLS.
    pub(crate) tls: bool,
}

/// Serves whoever comes in by the door until `stopped` says so. Then requests that are under way are answered, and
/// it waits for them.
pub(crate) async fn serve(door: Door, routes: Router, limits: Limits, stopped: watch::Receiver<bool>) {
    let Door { listener, tls } = door;
    let routes = routes.layer(Extension(ConnectInfo(Arrival { tls: tls.is_some() })));
    let visit = Visit { tls, routes, limits, stopped: stopped.clone() };
    let places = Arc::new(Semaphore::new(limits.connections as usize));
    let mut stopped = pin!(told(stopped));
    loop {
        let come = async {
            // Nobody closes it.
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let (accepted, place) = tokio::select! {
            Some(come) = come => come,
            () = &mut stopped => break,
        };
        let Ok((socket, _)) = accepted else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        // Answers are small, and somebody waits for them.
        let _ = socket.set_nodelay(true);
        let visit = visit.clone();
        tokio::spawn(async move {
            visit.begin(socket).await;
            drop(place);
        });
    }
    drop(listener);
    let _all_ended = places.acquire_many(limits.connections).await;
}

/// Ready when a stop was said, or can be said no more.
async fn told(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What a connection is served with.
#[derive(Clone)]
struct Visit {
    tls: Option<TlsAcceptor>,
    routes: Router,
    limits: Limits,
    stopped: watch::Receiver<bool>,
}

impl Visit {
    async fn begin(self, socket: TcpStream) {
        let Some(tls) = self.tls.clone() else { return self.talk(socket).await };
        match timeout(self.limits.head, tls.accept(socket)).await {
            Ok(Ok(stream)) => self.talk(stream).await,
            Ok(Err(error)) => debug!(%error, "a TLS handshake has failed"),
            Err(_) => debug!("a TLS handshake took too long"),
        }
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let Visit { routes, limits, stopped, .. } = self;
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES_MAX);
        let mut talk = pin!(server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes)));
        tokio::select! {
            ended = talk.as_mut() => {
                if let Err(error) = ended {
                    debug!(%error, "a connection has failed");
                }
                return;
            }
            () = sleep(limits.life) => {}
            () = told(stopped) => {}
        }
        talk.as_mut().graceful_shutdown();
        if timeout(limits.last_answer, talk).await.is_err() {
            debug!("a connection that does not end is cut off");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::Bytes;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Nothing here takes a second.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Too long for a test to wait for.
    const NEVER: Duration = Duration::from_secs(600);

    const SOON: Duration = Duration::from_millis(300);

    const LIMITS: Limits = Limits { connections: 2, head: NEVER, life: NEVER, last_answer: NEVER };

    async fn open(limits: Limits) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", get(|| async { "hello" }).post(|body: Bytes| async { body }));
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(serve(Door { listener, tls: None }, routes, limits, stopped));
        (address, stop, served)
    }

    async fn asking(address: SocketAddr, text: &str) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        socket
    }

    /// What comes until the other side closes, or resets, the connection.
    async fn answer(mut socket: TcpStream) -> String {
        let mut all = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut all)).await.expect("the connection to end");
        String::from_utf8(all).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn who_comes_when_all_places_are_taken_waits_for_one() {
        let (address, _stop, _) = open(LIMITS).await;
        let first = asking(address, "").await;
        let _second = asking(address, "GET / HT").await;
        let mut third = asking(address, GET).await;
        let mut byte = [0];
        assert!(timeout(SOON, third.read(&mut byte)).await.is_err(), "it is served beyond the limit");
        drop(first);
        let answer = answer(third).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    }

    #[tokio::test]
    async fn who_says_nothing_or_dawdles_gives_his_place_back() {
        let (address, _stop, _) = open(Limits { head: SOON, ..LIMITS }).await;
        let silent = asking(address, "").await;
        let mut slow = asking(address, "GET / HTTP/1.1\r\nx: ").await;
        let slow = tokio::spawn(async move {
            // A byte now and then keeps it no longer.
            while slow.write_all(b"x").await.is_ok() {
                sleep(SOON / 10).await;
            }
        });
        assert!(answer(asking(address, GET).await).await.ends_with("hello"));
        timeout(PATIENCE, slow).await.expect("the slow one to be cut off").unwrap();
        answer(silent).await;
        // One that was answered, and asks no more.
        let kept = answer(asking(address, "GET / HTTP/1.1\r\nhost: h\r\n\r\n").await).await;
        assert!(kept.ends_with("hello"), "{kept}");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_off() {
        let (address, _stop, _) = open(Limits { life: SOON, last_answer: SOON, ..LIMITS }).await;
        let head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n";
        assert_eq!(answer(asking(address, head).await).await, "");
    }

    const CONTINUE: [u8; 25] = *b"HTTP/1.1 100 Continue\r\n\r\n";

    #[tokio::test]
    async fn a_stop_lets_requests_end_and_waits_for_them() {
        let (address, stop, served) = open(LIMITS).await;
        let head = "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
        let mut halfway = asking(address, head).await;
        // It is waited for its body from here on.
        let mut go_on = [0; CONTINUE.len()];
        timeout(PATIENCE, halfway.read_exact(&mut go_on)).await.expect("an answer").unwrap();
        assert_eq!(go_on, CONTINUE);
        stop.send(true).unwrap();
        timeout(PATIENCE, async {
            while TcpStream::connect(address).await.is_ok() {
                sleep(SOON / 10).await;
            }
        })
        .await
        .expect("the address to be closed");
        assert!(!served.is_finished());
        halfway.write_all(b"abcd").await.unwrap();
        let answer = answer(halfway).await;
        assert!(answer.ends_with("abcd"), "{answer}");
        timeout(PATIENCE, served).await.expect("the end").unwrap();
    }
}
