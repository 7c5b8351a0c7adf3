//! The API behind TLS and passwords, and on several listeners, over real sockets.
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use openssl::x509::X509;
use pumphouse_rest::{ConnectorView, Herder, Place, Process, Server, WorkerView};
use pumphouse_testkit::ports::free_ports;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::worker::{Empty, Idle, config_of, loggers_of};

/// Nothing here takes a second.
const LIMIT: Duration = Duration::from_secs(60);

async fn serve(lines: &str) -> SocketAddr {
    let server = Server::bind(&config_of(lines).unwrap()).await.unwrap();
    let address = server.address();
    tokio::spawn(server.serve(Arc::new(Empty), loggers_of(&[]), std::future::pending()));
    address
}

async fn refused(lines: &str) -> String {
    Server::bind(&config_of(lines).unwrap()).await.err().unwrap().to_string()
}

/// An authority, and certificates that it has signed.
struct Pki {
    directory: TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
}

impl Pki {
    fn new() -> Pki {
        let directory = tempfile::tempdir().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority_pem = parameters.self_signed(&key).unwrap().pem();
        std::fs::write(directory.path().join("ca.pem"), &authority_pem).unwrap();
        Pki { directory, authority: Issuer::new(parameters, key), authority_pem }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// Certificate and key, as PEM.
    fn issue(&self) -> (String, String) {
        let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// A file with key and chain; the authority first, which is not the order that is sent.
    fn pem_store(&self) -> String {
        let (certificate, key) = self.issue();
        let path = self.path("server.pem");
        std::fs::write(&path, format!("{key}{}{certificate}", self.authority_pem)).unwrap();
        path
    }

    fn client(&self, with_certificate: bool) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority_pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = if with_certificate {
            let (certificate, key) = self.issue();
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        } else {
            builder.with_no_client_auth()
        };
        TlsConnector::from(Arc::new(config))
    }
}

async fn ask(mut socket: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> std::io::Result<String> {
    let talk = async {
        socket.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    tokio::time::timeout(LIMIT, talk).await.expect("an answer")
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost:1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

fn get(path: &str) -> String {
    request("GET", path, "", "")
}

async fn over_tls(address: SocketAddr, client: &TlsConnector, request: &str) -> std::io::Result<String> {
    let socket = TcpStream::connect(address).await?;
    ask(client.connect(ServerName::try_from("localhost").unwrap(), socket).await?, request).await
}

async fn plain(address: SocketAddr, request: &str) -> String {
    ask(TcpStream::connect(address).await.unwrap(), request).await.unwrap()
}

const HTTPS: &str = "listeners=https://127.0.0.1:0\n";

#[tokio::test]
async fn every_form_of_key_store_serves() {
    let pki = Pki::new();
    let (certificate, key) = pki.issue();
    let parsed = PKey::private_key_from_pem(key.as_bytes()).unwrap();
    let x509 = X509::from_pem(certificate.as_bytes()).unwrap();
    let store = Pkcs12::builder().name("k").pkey(&parsed).cert(&x509).build2("geheim").unwrap();
    std::fs::write(pki.path("k.p12"), store.to_der().unwrap()).unwrap();
    let locked = parsed.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"geheim").unwrap();
    std::fs::write(pki.path("locked.pem"), [locked, certificate.clone().into_bytes()].concat()).unwrap();
    let one_line = |pem: &str| pem.replace('\n', "\\n");
    for lines in [
        format!("ssl.keystore.location={}\n", pki.pem_store()),
        format!(
            "listeners.https.ssl.keystore.location={}\nlisteners.https.ssl.keystore.type=PEM\n",
            pki.pem_store()
        ),
        format!(
            "ssl.keystore.location={}\nssl.keystore.password=geheim\nssl.keystore.type=PKCS12\n",
            pki.path("k.p12")
        ),
        format!("ssl.keystore.location={}\nssl.key.password=geheim\n", pki.path("locked.pem")),
        format!(
            "ssl.keystore.certificate.chain={}\nssl.keystore.key={}\n",
            one_line(&certificate),
            one_line(&key)
        ),
    ] {
        let address = serve(&format!("{HTTPS}{lines}")).await;
        let answer = over_tls(address, &pki.client(false), &get("/health")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"healthy\""), "{lines}: {answer}");
        let body = r#"{"name": "c", "config": {}}"#;
        let json = "content-type: application/json\r\n";
        let answer =
            over_tls(address, &pki.client(false), &request("POST", "/connectors", json, body)).await.unwrap();
        assert!(answer.contains("location: https://localhost:1/connectors/c\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn stores_that_cannot_be_used_are_told_by_option_and_keep_their_secrets() {
    let pki = Pki::new();
    std::fs::write(pki.path("k.jks"), [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]).unwrap();
    std::fs::write(pki.path("noise"), "noise").unwrap();
    let (certificate, _) = pki.issue();
    let (_, other_key) = pki.issue();
    std::fs::write(pki.path("alien.pem"), format!("{other_key}{certificate}")).unwrap();
    for (file, told) in [
        ("k.jks", "keytool -importkeystore -srckeystore"),
        ("noise", "neither PEM nor PKCS12"),
        ("alien.pem", "no certificate in it is of its key"),
        ("ca.pem", "no private key"),
        ("absent", "absent"),
    ] {
        let lines =
            format!("{HTTPS}ssl.keystore.location={}\nssl.keystore.password=geheim\n", pki.path(file));
        let error = refused(&lines).await;
        assert!(error.starts_with("REST-002: ssl.keystore.location: ") && error.contains(told), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
    let trust = format!(
        "{HTTPS}ssl.keystore.location={}\nssl.client.auth=required\nssl.truststore.location={}\n",
        pki.pem_store(),
        pki.path("k.jks")
    );
    assert!(refused(&trust).await.contains("keytool -list -rfc"));
}

#[tokio::test]
async fn clients_show_certificates_where_that_is_asked_for() {
    let pki = Pki::new();
    let strangers = Pki::new();
    let lines = |auth: &str| {
        let (key, trust) = (pki.pem_store(), pki.path("ca.pem"));
        format!(
            "{HTTPS}ssl.keystore.location={key}\nssl.truststore.location={trust}\nssl.client.auth={auth}\n"
        )
    };
    let stranger = {
        // It trusts this worker, and has a certificate of somebody else's.
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pki.authority_pem.as_bytes()).unwrap()).unwrap();
        let (certificate, key) = strangers.issue();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            );
        TlsConnector::from(Arc::new(config.unwrap()))
    };
    for (auth, without_is_served) in [("required", false), ("requested", true)] {
        let address = serve(&lines(auth)).await;
        let with = over_tls(address, &pki.client(true), &get("/health")).await.unwrap();
        assert!(with.starts_with("HTTP/1.1 200 "), "{auth}: {with}");
        let without = over_tls(address, &pki.client(false), &get("/health")).await;
        assert_eq!(
            without.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")),
            without_is_served,
            "{auth}"
        );
        assert!(over_tls(address, &stranger, &get("/health")).await.is_err(), "{auth}");
    }
}

/// A worker whose connectors are all another one's.
struct Elsewhere(String);

impl WorkerView for Elsewhere {
    fn process(&self) -> &dyn Process {
        &Idle
    }

    fn connectors(&self) -> Vec<String> {
        Vec::new()
    }

    fn connector(&self, _: &str) -> Option<ConnectorView> {
        None
    }
}

impl Herder for Elsewhere {
    fn place_of(&self, _: &str, _: Option<usize>) -> Place {
        Place::At(self.0.clone())
    }
}

#[tokio::test]
async fn a_request_is_passed_on_over_tls_to_a_worker_that_can_be_trusted() {
    let (pki, strangers) = (Pki::new(), Pki::new());
    // Each asks the other for a certificate, and so do clients have one.
    let lines = |trusting: &Pki| {
        let (key, trust) = (pki.pem_store(), trusting.path("ca.pem"));
        format!(
            "{HTTPS}ssl.keystore.location={key}\nssl.truststore.location={trust}\nssl.client.auth=requested\n"
        )
    };
    let only_with = lines(&pki).replace("requested", "required");
    let port = serve(&only_with).await.port();
    let ask_of = async |lines: &str, place: String| {
        let server = Server::bind(&config_of(lines).unwrap()).await.unwrap();
        let address = server.address();
        tokio::spawn(server.serve(Arc::new(Elsewhere(place)), loggers_of(&[]), std::future::pending()));
        let (json, body) = ("content-type: application/json\r\n", r#"{"name": "c", "config": {}}"#);
        over_tls(address, &pki.client(false), &request("POST", "/connectors", json, body)).await.unwrap()
    };
    let there = format!("https://localhost:{port}");
    let answer = ask_of(&lines(&pki), there.clone()).await;
    assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("\"name\":\"c\""), "{answer}");
    // Its name is not in its certificate, or somebody whom we do not trust vouches for it.
    for (lines, place) in [(lines(&pki), format!("https://127.0.0.1:{port}")), (lines(&strangers), there)] {
        let answer = ask_of(&lines, place).await;
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("TLS between workers"), "{answer}");
    }
    let nobody = format!("https://localhost:{}", free_ports::<1>().unwrap()[0]);
    assert!(ask_of(&lines(&pki), nobody).await.starts_with("HTTP/1.1 409 "));
}

#[tokio::test]
async fn several_listeners_serve_and_a_silent_client_holds_up_nobody() {
    let pki = Pki::new();
    let [http, https] = free_ports().unwrap();
    let listeners = format!("listeners=http://127.0.0.1:{http},https://127.0.0.1:{https}\n");
    serve(&format!("{listeners}ssl.keystore.location={}\n", pki.pem_store())).await;
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    // It never says a word; the next one is served all the same.
    let _silent = TcpStream::connect(address(https)).await.unwrap();
    assert!(plain(address(http), &get("/health")).await.starts_with("HTTP/1.1 200 "));
    let answer = over_tls(address(https), &pki.client(false), &get("/health")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // What is no TLS gets no answer on a TLS listener.
    let talk = ask(TcpStream::connect(address(https)).await.unwrap(), &get("/health")).await;
    assert!(talk.is_err() || !talk.unwrap().contains("healthy"));
}

#[tokio::test]
async fn admin_requests_have_listeners_of_their_own() {
    let [admin] = free_ports().unwrap();
    let own = SocketAddr::from(([127, 0, 0, 1], admin));
    let main =
        serve(&format!("listeners=http://127.0.0.1:0\nadmin.listeners=http://127.0.0.1:{admin}\n")).await;
    assert!(plain(main, &get("/connectors")).await.starts_with("HTTP/1.1 200 "));
    assert!(plain(main, &get("/admin/loggers")).await.starts_with("HTTP/1.1 404 "));
    assert!(plain(own, &get("/admin/loggers")).await.starts_with("HTTP/1.1 200 "));
    assert!(plain(own, &get("/connectors")).await.starts_with("HTTP/1.1 404 "));
    let nowhere = serve("listeners=http://127.0.0.1:0\nadmin.listeners=\n").await;
    assert!(plain(nowhere, &get("/admin/loggers")).await.starts_with("HTTP/1.1 404 "));
    let everywhere = serve("listeners=http://127.0.0.1:0\n").await;
    assert!(plain(everywhere, &get("/admin/loggers")).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn nothing_is_answered_without_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let file: &Path = &directory.path().join("users");
    std::fs::write(file, "alice=wonderland\n").unwrap();
    let class = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
    let lines = format!(
        "listeners=http://127.0.0.1:0\nrest.extension.classes={class}\npumphouse.rest.basic.auth.file={}\n",
        file.display()
    );
    let address = serve(&lines).await;
    let paths = [
        "/",
        "/health",
        "/metrics",
        "/connectors",
        "/admin/loggers",
        "/page/live",
        "/page/style.css",
        "/none",
    ];
    for path in paths {
        for headers in ["", "authorization: Basic YWxpY2U6d3Jvbmc=\r\n"] {
            let answer = plain(address, &request("GET", path, headers, "")).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
            assert!(answer.to_lowercase().contains("www-authenticate: basic realm="), "{answer}");
            assert!(answer.ends_with("User cannot access the resource."), "{answer}");
        }
    }
    // alice:wonderland
    let right = "authorization: Basic YWxpY2U6d29uZGVybGFuZA==\r\n";
    for path in &paths[..7] {
        let answer = plain(address, &request("GET", path, right, "")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let nobody =
        format!("listeners=http://127.0.0.1:0\npumphouse.rest.basic.auth.file={}\n", empty.display());
    assert!(refused(&nobody).await.starts_with("REST-003: "));
}

#[tokio::test]
async fn other_sites_pages_change_nothing_and_browsers_are_told_to_be_careful() {
    let address = serve("listeners=http://127.0.0.1:0\n").await;
    let json = "content-type: application/json\r\n";
    let body = r#"{"name": "c", "config": {}}"#;
    for from in
        ["origin: http://evil.example\r\n", "sec-fetch-site: cross-site\r\norigin: http://localhost:1\r\n"]
    {
        let answer = plain(address, &request("POST", "/connectors", &format!("{json}{from}"), body)).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    assert!(plain(address, &request("POST", "/connectors", json, body)).await.starts_with("HTTP/1.1 201 "));
    let page = plain(address, &request("GET", "/", "accept: text/html\r\n", "")).await.to_lowercase();
    for header in
        ["content-security-policy: default-src 'none'; script-src 'self'", "x-frame-options: deny", "nosniff"]
    {
        assert!(page.contains(header), "{page}");
    }
    assert!(
        !page.contains("style=")
            && !page.contains("onclick")
            && page.contains("<script src=\"/page/page.js\"")
    );
    assert!(plain(address, &get("/")).await.contains("application/json"));
    let off = serve("listeners=http://127.0.0.1:0\npumphouse.page=off\n").await;
    assert!(plain(off, &request("GET", "/", "accept: text/html\r\n", "")).await.contains("application/json"));
    assert!(plain(off, &get("/page/live")).await.starts_with("HTTP/1.1 404 "));
}
