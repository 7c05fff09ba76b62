//! What only a connection shows.

use std::io::ErrorKind;

use axum::Router;
use countersign_authority::{Authority, Client, Fault, Running, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::caller::basic;

fn settings(issuer: &str) -> Settings {
    Settings::new(issuer).client(Client::with_secret_basic("sender", "s"))
}

/// Sends one token request on a new connection and reads until it ends.
async fn ask(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let body = "grant_type=client_credentials";
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        basic("sender", "s"),
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_running_authority_knows_its_own_address() {
    let running = Running::start(settings("http://localhost/dev/authority")).await.unwrap();
    assert_eq!(running.issuer(), format!("http://{}/dev/authority", running.address()));
    assert_eq!(running.token_endpoint(), format!("{}/token", running.issuer()));
    let answer = ask(running.address(), "/dev/authority/token").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_connection_is_reset_without_a_byte() {
    let running = Running::start(settings("http://localhost")).await.unwrap();
    running.faults().times(Fault::ConnectionReset, 1);
    let error = ask(running.address(), "/token").await.expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(ask(running.address(), "/token").await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"), "the next one works");
}

#[tokio::test]
async fn mounted_in_another_server_a_reset_is_a_connection_closed_without_a_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let authority = Authority::try_new(settings(&format!("http://{address}/dev/authority"))).unwrap();
    let app = Router::new().nest("/dev/authority", authority.router()).merge(authority.well_known());
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    assert!(ask(address, "/dev/authority/token").await.unwrap().starts_with("HTTP/1.1 200 OK\r\n"));
    authority.faults().on(Fault::ConnectionReset);
    assert_eq!(ask(address, "/dev/authority/token").await.unwrap(), "");
    server.abort();
}

#[tokio::test]
async fn a_stopped_authority_refuses_connections() {
    let running = Running::start(settings("http://localhost")).await.unwrap();
    let address = running.address();
    running.stop().await;
    assert_eq!(ask(address, "/token").await.expect_err("refused").kind(), ErrorKind::ConnectionRefused);
}
