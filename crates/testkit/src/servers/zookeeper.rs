//! One ZooKeeper 3.9 node, and the one request that ClickHouse needs from us: creating its root.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{Housing, common_life};
use crate::error::{Result, TestkitError, io};
use crate::install::{JavaServerFiles, java_servers, text_of};
use crate::ports::free_ports;

/// How a ZooKeeper node is started.
#[derive(Clone, Debug)]
pub struct ZooKeeperOptions {
    /// Java heap in MiB.
    pub heap_mib: u32,
    /// Length of a tick in ms; sessions last 2 to 20 ticks.
    pub tick_ms: u32,
}

impl Default for ZooKeeperOptions {
    fn default() -> Self {
        ZooKeeperOptions { heap_mib: 256, tick_ms: 500 }
    }
}

/// A running node.
#[derive(Debug)]
pub struct ZooKeeper {
    housing: Housing,
    files: JavaServerFiles,
    options: ZooKeeperOptions,
    port: u16,
}

common_life!(ZooKeeper);

/// One request takes milliseconds; a paused or starting server must not hang the caller.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// Longest answer that is read; ours have some dozen bytes.
const ANSWER_BYTES_MAX: u32 = 1 << 20;

impl ZooKeeper {
    /// Starts an empty node; installs ZooKeeper first if this machine has none.
    /// Errors: those of the installation; `Ended`, `NotReady` with the end of its log.
    pub fn start(options: ZooKeeperOptions) -> Result<ZooKeeper> {
        let files = java_servers()?;
        let housing = Housing::new("ZooKeeper")?;
        let [port] = free_ports()?;
        let mut zookeeper = ZooKeeper { housing, files, options, port };
        zookeeper.write_configuration()?;
        zookeeper.launch()?;
        Ok(zookeeper)
    }

    /// `host:port` for clients.
    pub fn connect_string(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Host of the node.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Client port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates a persistent, empty node that everybody may change; one that exists is fine.
    /// `path` is absolute, and its parent exists.
    pub fn create_node(&self, path: &str) -> Result<()> {
        create_node(self.port, path)
    }

    fn write_configuration(&self) -> Result<()> {
        let directory = self.housing.path();
        let text = format!(
            "tickTime={}\n\
             dataDir={}\n\
             clientPort={}\n\
             clientPortAddress=127.0.0.1\n\
             admin.enableServer=false\n\
             maxClientCnxns=0\n",
            self.options.tick_ms,
            text_of(&directory.join("data"))?,
            self.port
        );
        fs::write(directory.join("zoo.cfg"), text).map_err(io("write zoo.cfg"))?;
        fs::write(directory.join("log4j2.properties"), super::LOG4J_PROPERTIES)
            .map_err(io("write log4j2.properties"))
    }

    fn launch(&mut self) -> Result<()> {
        let directory = self.housing.path().to_owned();
        let mut command = self.files.command();
        command
            .arg(format!("-Xmx{}m", self.options.heap_mib))
            .arg("-XX:+UseSerialGC")
            .arg(format!("-Dlog4j2.configurationFile={}/log4j2.properties", text_of(&directory)?))
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(directory.join("zoo.cfg"))
            .current_dir(&directory);
        let port = self.port;
        self.housing.launch(command, move || {
            create_node(port, "/pumphouse-testkit-health").map_err(|error| error.to_string())
        })
    }
}

/// Opens a session, creates one node, and leaves.
/// Shape: every message is a length (4 bytes, big endian) and that many bytes.
/// Source: `zookeeper.jute` of ZooKeeper, records ConnectRequest and CreateRequest.
fn create_node(port: u16, path: &str) -> Result<()> {
    const CREATE: i32 = 1;
    const ALL_RIGHTS: i32 = 31;
    const NODE_EXISTS: i32 = -110;
    let talking = || io(format!("ask ZooKeeper to create {path}"));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, REQUEST_LIMIT).map_err(talking())?;
    stream.set_read_timeout(Some(REQUEST_LIMIT)).map_err(talking())?;

    let mut connect = Vec::new();
    connect.extend(0_i32.to_be_bytes()); // protocol version
    connect.extend(0_i64.to_be_bytes()); // last transaction seen: none
    connect.extend(5_000_i32.to_be_bytes()); // session time-out, ms
    connect.extend(0_i64.to_be_bytes()); // a new session
    connect.extend(16_i32.to_be_bytes()); // its password: 16 zero bytes
    connect.extend([0; 16]);
    exchange(&mut stream, &connect).map_err(talking())?;

    let mut create = Vec::new();
    create.extend(1_i32.to_be_bytes()); // number of the request in this session
    create.extend(CREATE.to_be_bytes());
    put_text(&mut create, path);
    create.extend(0_i32.to_be_bytes()); // no data
    create.extend(1_i32.to_be_bytes()); // one access rule
    create.extend(ALL_RIGHTS.to_be_bytes());
    put_text(&mut create, "world");
    put_text(&mut create, "anyone");
    create.extend(0_i32.to_be_bytes()); // persistent
    let answer = exchange(&mut stream, &create).map_err(talking())?;

    // The answer begins with the request's number (4 bytes) and the transaction id (8).
    let code = answer.get(12..16).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    match code {
        Some(0 | NODE_EXISTS) => Ok(()),
        other => Err(TestkitError::Malformed {
            what: format!("ZooKeeper's answer to create {path}"),
            problem: format!("code {other:?}"),
        }),
    }
}

fn put_text(message: &mut Vec<u8>, text: &str) {
    message.extend((text.len() as i32).to_be_bytes());
    message.extend(text.as_bytes());
}

fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut message = Vec::with_capacity(4 + request.len());
    message.extend((request.len() as u32).to_be_bytes());
    message.extend(request);
    stream.write_all(&message)?;
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len);
    if len > ANSWER_BYTES_MAX {
        return Err(std::io::Error::other(format!("an answer of {len} bytes")));
    }
    let mut answer = vec![0; len as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
