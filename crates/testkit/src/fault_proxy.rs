//! A TCP proxy in front of one server that breaks connections on purpose: cut, delayed, held, reset in the
//! middle of a request's body, or robbed of an answer that the server has already given.
//!
//! It knows nothing of the protocols but where a request is of interest (`marker`) and where an HTTP head ends.
//! Two threads per connection; meant for tests, not for throughput.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::error::{Result, io};
use crate::sys::reset_on_close;

/// How often a quiet connection looks whether it is to be broken. Long enough to cost next to nothing with a
/// hundred connections.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Connecting to a server on this machine; one that is paused takes connections still.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Bytes that are passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The end of an HTTP request's head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// What the proxy does from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    None,
    /// Takes connections and closes them at once.
    Refuse,
    /// Each chunk, in both directions, comes so much later.
    Delay(Duration),
    /// Nothing passes; connections stay open.
    Hold,
    /// A request in which the marker occurs is cut off so many bytes behind its head, and its connection is reset.
    ResetInBody {
        /// What such a request has in its first bytes.
        marker: &'static [u8],
        /// Bytes of the body that pass.
        after: usize,
    },
    /// The answer to such a request is waited for, thrown away, and its connection is reset: the server has done
    /// what the client will never hear of.
    LoseAnswer {
        /// What such a request has in its first bytes.
        marker: &'static [u8],
    },
    /// The answer to such a request never arrives, and its connection stays open until the client gives up.
    HoldAnswer {
        /// What such a request has in its first bytes.
        marker: &'static [u8],
    },
}

/// A running proxy. Dropping it resets its connections and ends it.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    fault: Mutex<Fault>,
    /// Requests that were broken by one of the faults with a marker.
    broken: AtomicU64,
    connections: Mutex<Vec<Weak<Connection>>>,
    ended: AtomicBool,
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    broken: AtomicBool,
    /// What is to become of the next answer.
    answer: Mutex<Fate>,
    /// Bytes of the client's that may still pass, while a request is to be cut off; `usize::MAX`: all.
    allowed: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Lose,
    Hold,
}

impl FaultProxy {
    /// Listens on `port` of the loopback address for connections to `target_port`, where nobody needs to listen yet.
    pub fn start(port: u16, target_port: u16) -> Result<FaultProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(io(format!("listen on port {port} for a fault proxy")))?;
        let shared = Arc::new(Shared {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target_port)),
            fault: Mutex::new(Fault::None),
            broken: AtomicU64::new(0),
            connections: Mutex::new(Vec::new()),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(client) = client {
                    let shared = Arc::clone(&accepting);
                    thread::spawn(move || shared.serve(client));
                }
            }
        });
        Ok(FaultProxy { port, shared })
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happens from now on, to open connections as well.
    pub fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// Resets every open connection.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..).filter_map(|open| open.upgrade()) {
            connection.break_off();
        }
    }

    /// How many requests a fault with a marker has broken so far.
    pub fn broken_requests(&self) -> u64 {
        self.shared.broken.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.cut();
        // Wakes the accepting thread, which then sees the end.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        lock(&self.fault).clone()
    }

    fn serve(self: Arc<Shared>, client: TcpStream) {
        if self.fault() == Fault::Refuse {
            reset_on_close(&client);
            return;
        }
        let Ok(server) = TcpStream::connect_timeout(&self.target, CONNECT_LIMIT) else {
            reset_on_close(&client);
            return;
        };
        for socket in [&client, &server] {
            // Best effort: without them the proxy is slower, or hears of the end of a test late.
            let _ = socket.set_nodelay(true);
            let _ = socket.set_read_timeout(Some(LOOK_EVERY));
        }
        let connection = Arc::new(Connection {
            client,
            server,
            broken: AtomicBool::new(false),
            answer: Mutex::new(Fate::Pass),
            allowed: AtomicUsize::new(usize::MAX),
        });
        let mut open = lock(&self.connections);
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(&connection));
        drop(open);
        let (shared, upstream) = (Arc::clone(&self), Arc::clone(&connection));
        thread::spawn(move || {
            shared.pump(&upstream, &upstream.client, &upstream.server, Shared::request);
            upstream.end();
        });
        self.pump(&connection, &connection.server, &connection.client, Shared::answer);
        connection.end();
    }

    /// Passes bytes from one socket to the other until one of them ends. `pass` says how many of a chunk may go
    /// on, or that the connection is to be broken.
    fn pump(
        &self,
        connection: &Connection,
        mut from: &TcpStream,
        mut to: &TcpStream,
        pass: fn(&Shared, &Connection, &Fault, &[u8]) -> Option<usize>,
    ) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while !connection.broken.load(Ordering::Relaxed) && !self.ended.load(Ordering::Relaxed) {
            let read = match from.read(&mut chunk) {
                Ok(0) => return,
                Ok(read) => read,
                Err(error) if is_quiet(&error) => continue,
                Err(_) => return,
            };
            let mut fault = self.fault();
            while fault == Fault::Hold {
                if connection.broken.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(LOOK_EVERY / 4);
                fault = self.fault();
            }
            if let Fault::Delay(delay) = fault {
                thread::sleep(delay);
            }
            let Some(passed) = pass(self, connection, &fault, &chunk[..read]) else {
                connection.break_off();
                return;
            };
            if to.write_all(&chunk[..passed]).is_err() {
                return;
            }
            if passed < read && connection.allowed.load(Ordering::Relaxed) == 0 {
                self.broken.fetch_add(1, Ordering::Relaxed);
                connection.break_off();
                return;
            }
        }
    }

    /// A chunk of the client's.
    fn request(&self, connection: &Connection, fault: &Fault, chunk: &[u8]) -> Option<usize> {
        match fault {
            Fault::ResetInBody { marker, after } if find(chunk, marker).is_some() => {
                let head = find(chunk, HEAD_END).map_or(chunk.len(), |at| at + HEAD_END.len());
                connection.allowed.store(head + after, Ordering::Relaxed);
            }
            Fault::LoseAnswer { marker } if find(chunk, marker).is_some() => {
                *lock(&connection.answer) = Fate::Lose;
            }
            Fault::HoldAnswer { marker } if find(chunk, marker).is_some() => {
                *lock(&connection.answer) = Fate::Hold;
            }
            Fault::None | Fault::Refuse | Fault::Delay(_) | Fault::Hold => {}
            Fault::ResetInBody { .. } | Fault::LoseAnswer { .. } | Fault::HoldAnswer { .. } => {}
        }
        let allowed = connection.allowed.load(Ordering::Relaxed);
        if allowed == usize::MAX {
            return Some(chunk.len());
        }
        let passed = chunk.len().min(allowed);
        connection.allowed.store(allowed - passed, Ordering::Relaxed);
        Some(passed)
    }

    /// A chunk of the server's.
    fn answer(&self, connection: &Connection, _: &Fault, chunk: &[u8]) -> Option<usize> {
        // The request was shorter than what may pass of it: it is answered, and nothing was broken.
        connection.allowed.store(usize::MAX, Ordering::Relaxed);
        match *lock(&connection.answer) {
            Fate::Pass => Some(chunk.len()),
            Fate::Lose => {
                self.broken.fetch_add(1, Ordering::Relaxed);
                None
            }
            Fate::Hold => {
                self.broken.fetch_add(1, Ordering::Relaxed);
                Some(0)
            }
        }
    }
}

impl Connection {
    /// Ends it with a reset. The sockets are closed when both threads have seen it.
    fn break_off(&self) {
        reset_on_close(&self.client);
        reset_on_close(&self.server);
        self.broken.store(true, Ordering::Relaxed);
    }

    /// One side has ended, or is to be taken for ended: the other one hears of it.
    fn end(&self) {
        if !self.broken.swap(true, Ordering::Relaxed) {
            // An error says that it is closed already.
            let _ = self.client.shutdown(std::net::Shutdown::Both);
            let _ = self.server.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn is_quiet(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A thread that panicked while it held the lock has changed nothing by halves: all values are replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::ports::free_ports;

    const REQUEST: &[u8] = b"POST /?query=INSERT HTTP/1.1\r\n\r\nbody of some length";
    const MARKER: &[u8] = b"INSERT";
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server that answers `ok` to each request, and what it was sent.
    struct Server {
        port: u16,
        heard: Arc<Mutex<Vec<u8>>>,
    }

    fn server() -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (mut socket, hearing) = (socket.unwrap(), Arc::clone(&hearing));
                thread::spawn(move || {
                    let mut chunk = [0; 1_000];
                    while let Ok(read @ 1..) = socket.read(&mut chunk) {
                        lock(&hearing).extend(&chunk[..read]);
                        if socket.write_all(b"ok").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Server { port, heard }
    }

    fn proxy(server: &Server) -> FaultProxy {
        let [port] = free_ports().unwrap();
        FaultProxy::start(port, server.port).unwrap()
    }

    fn send(proxy: &FaultProxy) -> TcpStream {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may have been reset meanwhile, which the answer tells.
        let _ = socket.write_all(REQUEST);
        socket
    }

    /// The first bytes of the answer; nothing where the connection ended without one.
    fn answer(mut socket: TcpStream) -> Vec<u8> {
        let mut chunk = [0; 100];
        let read = socket.read(&mut chunk).unwrap_or_else(|error| {
            assert!(!is_quiet(&error), "neither an answer nor an end");
            0
        });
        chunk[..read].to_vec()
    }

    #[test]
    fn everything_passes_by_default_and_open_connections_can_be_cut() {
        let server = server();
        let proxy = proxy(&server);
        assert_eq!(answer(send(&proxy)), b"ok");
        assert_eq!(*lock(&server.heard), REQUEST);
        let open = send(&proxy);
        let copy = open.try_clone().unwrap();
        assert_eq!(answer(open), b"ok");
        proxy.cut();
        assert_eq!(answer(copy), b"");
        assert_eq!(answer(send(&proxy)), b"ok");
    }

    #[test]
    fn a_lost_answer_was_given() {
        let server = server();
        let proxy = proxy(&server);
        proxy.set(Fault::LoseAnswer { marker: MARKER });
        assert_eq!(answer(send(&proxy)), b"");
        assert_eq!((lock(&server.heard).as_slice(), proxy.broken_requests()), (REQUEST, 1));
        proxy.set(Fault::LoseAnswer { marker: b"SELECT" });
        assert_eq!(answer(send(&proxy)), b"ok");
    }

    #[test]
    fn a_request_is_cut_off_in_its_body() {
        let server = server();
        let proxy = proxy(&server);
        proxy.set(Fault::ResetInBody { marker: MARKER, after: 4 });
        let cut_off = send(&proxy);
        crate::wait::wait_until("the reset", PATIENCE, || match proxy.broken_requests() {
            1 => Ok(()),
            other => Err(other.to_string()),
        })
        .unwrap();
        crate::wait::wait_until("what had passed", PATIENCE, || {
            let heard = lock(&server.heard);
            if heard.ends_with(b"\r\n\r\nbody") { Ok(()) } else { Err(format!("{heard:?}")) }
        })
        .unwrap();
        drop(cut_off);
    }

    #[test]
    fn a_held_answer_does_not_come_and_a_held_connection_goes_on_later() {
        let server = server();
        let proxy = proxy(&server);
        proxy.set(Fault::HoldAnswer { marker: MARKER });
        let waiting = send(&proxy);
        waiting.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        assert!(is_quiet(&(&waiting).read(&mut [0; 10]).unwrap_err()));
        assert_eq!(*lock(&server.heard), REQUEST);

        proxy.set(Fault::Hold);
        let held = send(&proxy);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(lock(&server.heard).len(), REQUEST.len());
        proxy.set(Fault::None);
        assert_eq!(answer(held), b"ok");
    }

    #[test]
    fn delays_add_up_and_refusals_refuse() {
        let server = server();
        let proxy = proxy(&server);
        proxy.set(Fault::Delay(Duration::from_millis(100)));
        let begun = Instant::now();
        assert_eq!(answer(send(&proxy)), b"ok");
        assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
        proxy.set(Fault::Refuse);
        assert_eq!(answer(send(&proxy)), b"");
    }
}
