//! The configurations of the guide page about nginx, run by the real nginx.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{Router, extract::ConnectInfo, http::Request, routing::post};
use countersign_listener::{ClientCertificateCheck, IpNet, Listener, TrustedProxy};
use countersign_signature::{HmacKey, sign};
use countersign_testkit::{TestCa, unused_address};
use http::{HeaderMap, HeaderName};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
};

use super::support::{Server, server::Options, until};

const PAGE: &str = include_str!("../../../../docs/guide/nginx.md");
/// Where the page has its files.
const FILES: &str = "/etc/nginx/connect/";
const KEY: &str = "a key of more than sixteen bytes";
const BODY: &str = "{\"event\": \"envelope-sent\",  \"data\": {\"a\": \"\u{e9}\"}}\r\n";

/// nginx with one configuration of the page, stopped when this is dropped.
struct Nginx {
    address: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Nginx {
    /// With the configuration of that name, in front of `behind`; `None`, said loudly, when nginx is not installed.
    async fn start(name: &str, page_port: u16, behind: SocketAddr, files: &[(&str, &str)]) -> Option<Self> {
        let installed = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !installed {
            assert!(std::env::var_os("COUNTERSIGN_TEST_SKIP_NONE").is_none(), "nginx is not installed, and nothing may be skipped");
            eprintln!("SKIPPED: nginx is not installed; the configurations of docs/guide/nginx.md were not run");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for (file, content) in files {
            std::fs::write(at.join(file), content).unwrap();
        }
        let address = unused_address();
        let (_, rest) = PAGE.split_once(&format!("```nginx {name}\n")).unwrap_or_else(|| panic!("the page has no configuration '{name}'"));
        let (block, _) = rest.split_once("```").unwrap();
        let block = block
            .replace(FILES, &format!("{}/", at.display()))
            .replace("listen 443 ssl", &format!("listen {address} ssl"))
            .replace(&format!("127.0.0.1:{page_port}"), &behind.to_string());
        assert!(block.contains(&behind.to_string()), "the page names the port that is replaced");
        // What Debian's nginx.conf holds around it, in a folder of its own. One process, so that ending it ends all of it.
        let around = format!(
            "user root root;\nmaster_process off;\ndaemon off;\npid {0}/pid;\nerror_log {0}/error.log warn;\nevents {{}}\nhttp {{\naccess_log off;\n\
             client_body_temp_path {0}/body;\nproxy_temp_path {0}/proxy;\nfastcgi_temp_path {0}/fastcgi;\nuwsgi_temp_path {0}/uwsgi;\n\
             scgi_temp_path {0}/scgi;\n{block}\n}}\n",
            at.display()
        );
        std::fs::write(at.join("nginx.conf"), around).unwrap();
        let child = Command::new("nginx")
            .arg("-p")
            .arg(at)
            .args(["-c", "nginx.conf", "-e"])
            .arg(at.join("error.log"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { address, folder, child };
        until("nginx to listen", async || {
            if let Some(status) = nginx.child.try_wait().unwrap() {
                panic!("nginx ended with {status}: {}", std::fs::read_to_string(nginx.folder.path().join("error.log")).unwrap_or_default());
            }
            tokio::net::TcpStream::connect(nginx.address).await.ok()
        })
        .await;
        Some(nginx)
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    /// `curl` through it to `https://{host}{path}`: the status and the body of the answer.
    async fn curl(&self, host: &str, path: &str, arguments: &[&str]) -> (u16, String) {
        let port = self.address.port();
        let output = tokio::process::Command::new("curl")
            .args(["-sS", "--max-time", "30", "--cacert", &self.path("ca.pem"), "-w", "\n%{http_code}"])
            .args(["--connect-to", &format!("{host}:443:127.0.0.1:{port}")])
            .args(arguments)
            .arg(format!("https://{host}{path}"))
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("curl: {}", String::from_utf8_lossy(&output.stderr)));
        (status.parse().unwrap(), body.to_owned())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An application behind a listener of the kit, and the headers of what reached it.
async fn application(listener: Listener) -> (SocketAddr, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&seen);
    let handler = move |request: Request<axum::body::Body>| async move {
        keeper.lock().unwrap().push(request.headers().clone());
        "taken"
    };
    let app = Router::new().route("/connect", post(handler)).layer(listener.layer());
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(socket, app).await });
    (address, seen)
}

fn signature() -> String {
    let headers = sign(&[HmacKey::try_new(KEY).unwrap()], BODY.as_bytes());
    format!("X-DocuSign-Signature-1: {}", headers.signatures()[0].as_str())
}

/// Authority, server and a stranger, as files.
fn files(ca: &TestCa, host: &str) -> Vec<(&'static str, String)> {
    let (server, stranger) = (ca.server(&[host]), TestCa::new().client("connect.example.com"));
    vec![
        ("ca.pem", ca.certificate_pem()),
        ("senders-ca.pem", ca.certificate_pem()),
        ("server.pem", server.certificate_pem().to_owned()),
        ("server.key", server.key_pem()),
        ("stranger.pem", stranger.certificate_pem().to_owned()),
        ("stranger.key", stranger.key_pem()),
    ]
}

fn borrowed<'a>(files: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    files.iter().map(|(name, content)| (*name, content.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_basic_the_password_stays_with_nginx_and_the_signature_still_fits() {
    let listener = Listener::builder().hmac([HmacKey::try_new(KEY).unwrap()]).build().unwrap();
    let (address, seen) = application(listener).await;
    let mut files = files(&TestCa::new(), "hooks.example.com");
    let hashed = Command::new("openssl").args(["passwd", "-apr1", "a long password"]).output().unwrap();
    files.push(("htpasswd", format!("connect:{}", String::from_utf8(hashed.stdout).unwrap())));
    let Some(nginx) = Nginx::start("basic", 3000, address, &borrowed(&files)).await else { return };
    let signature = signature();
    let post = ["-H", &signature, "-H", "Content-Type: application/json", "--data-binary", BODY];
    let with = |more: &[&'static str]| [&post[..], more].concat();

    let good = with(&["-u", "connect:a long password", "-H", "ssl-client-escaped-cert: forged", "-H", "ssl-client-verify: SUCCESS"]);
    assert_eq!(nginx.curl("hooks.example.com", "/connect", &good).await, (200, "taken".to_owned()));
    {
        let seen = seen.lock().unwrap();
        for name in ["authorization", "ssl-client-escaped-cert", "ssl-client-verify"] {
            assert!(!seen[0].contains_key(name), "{name} reached the application");
        }
    }
    for (row, arguments, status) in [
        ("no password", with(&[]), 401),
        ("a wrong password", with(&["-u", "connect:another"]), 401),
        ("another path", with(&["-u", "connect:a long password"]), 404),
    ] {
        let path = if row == "another path" { "/elsewhere" } else { "/connect" };
        assert_eq!(nginx.curl("hooks.example.com", path, &arguments).await.0, status, "{row}");
    }
    let unsigned = ["-u", "connect:a long password", "--data-binary", BODY];
    assert_eq!(nginx.curl("hooks.example.com", "/connect", &unsigned).await.0, 401, "the application checks the signature");
    assert_eq!(seen.lock().unwrap().len(), 1, "one message reached the application");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_mutual_tls_the_certificate_is_named_by_nginx_alone() {
    let name = HeaderName::from_static("ssl-client-verify");
    let nginx_here = TrustedProxy::nginx(["127.0.0.1/32".parse::<IpNet>().unwrap()]).demand_verified(name);
    let ca = TestCa::new();
    let mut files = files(&ca, "hooks.example.com");
    let (sender, other) = (ca.client("connect.example.com"), ca.client("somebody.example.com"));
    for (identity, certificate, key) in [(&sender, "sender.pem", "sender.key"), (&other, "other.pem", "other.key")] {
        files.push((certificate, identity.certificate_pem().to_owned()));
        files.push((key, identity.key_pem()));
    }
    let listener = Listener::builder()
        .client_certificate(ClientCertificateCheck::verified().thumbprint(Sha256::digest(sender.certificate_der()).into()))
        .trusted_proxy(nginx_here)
        .peer_address(|extensions| extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip()))
        .hmac([HmacKey::try_new(KEY).unwrap()])
        .build()
        .unwrap();
    let (address, seen) = application(listener).await;
    let Some(nginx) = Nginx::start("mutual-tls", 3000, address, &borrowed(&files)).await else { return };
    let signature = signature();
    for (who, status) in [("sender", 200), ("other", 401), ("stranger", 400), ("", 400)] {
        let (certificate, key) = (nginx.path(&format!("{who}.pem")), nginx.path(&format!("{who}.key")));
        let mut arguments = vec!["-H", signature.as_str(), "--data-binary", BODY];
        // Whatever a sender writes into these headers, nginx writes its own.
        arguments.extend(["-H", "ssl-client-escaped-cert: forged", "-H", "ssl-client-verify: SUCCESS"]);
        if !who.is_empty() {
            arguments.extend(["--cert", certificate.as_str(), "--key", key.as_str()]);
        }
        let answered = nginx.curl("hooks.example.com", "/connect", &arguments).await.0;
        // 401 or 403, as the listener answers a certificate that is not the one expected.
        assert!(answered == status || (status == 401 && answered == 403), "{who}: {answered}");
    }
    assert_eq!(seen.lock().unwrap().len(), 1, "one message reached the application");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_front_of_serve_links_name_nginx_and_a_live_stream_is_not_collected() {
    let behind = unused_address();
    let server = Server::start(Options::production().behind("https://countersign.example.com", behind)).await;
    let files = files(&TestCa::new(), "countersign.example.com");
    let Some(nginx) = Nginx::start("serve", 8400, behind, &borrowed(&files)).await else { return };
    let made = server.api().post("/bins", &json!({})).await;
    let (bin, url) = (made["id"].as_str().unwrap(), made["url"].as_str().unwrap());
    let path = url.strip_prefix("https://countersign.example.com").expect("the link names nginx");

    let mut live = live_stream(&nginx, &format!("/api/v1/accounts/{}/bins/{bin}/arrivals", super::support::server::ACCOUNT));
    let stdout = live.stdout.take().unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let first = lines.next_line().await.unwrap();
    assert!(first.is_some(), "the stream has begun");
    assert_eq!(nginx.curl("countersign.example.com", path, &["--data-binary", "hello"]).await.0, 200);
    let arrived = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("event: arrival") {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(30), arrived).await.unwrap(), "the arrival came while the stream was open");
    live.kill().await.unwrap();

    let large = nginx.folder.path().join("large");
    std::fs::write(&large, vec![b'a'; 3 << 20]).unwrap();
    let at_large = format!("@{}", large.display());
    assert_eq!(nginx.curl("countersign.example.com", path, &["--data-binary", &at_large]).await.0, 200, "3 MiB are let in");
    assert_eq!(nginx.curl("countersign.example.com", "/metrics", &[]).await.0, 404, "the world sees no metrics");
}

fn live_stream(nginx: &Nginx, path: &str) -> tokio::process::Child {
    let authorization = format!("Authorization: Bearer {}", super::support::server::TOKEN);
    tokio::process::Command::new("curl")
        .args(["-sSN", "--cacert", &nginx.path("ca.pem"), "-H", &authorization, "-H", "Accept: text/event-stream"])
        .args(["--connect-to", &format!("countersign.example.com:443:127.0.0.1:{}", nginx.address.port())])
        .arg(format!("https://countersign.example.com{path}"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
