use axum::{Router, http::HeaderMap, routing::post};
use countersign_listener::{Listener, VerifiedMessage};
use countersign_signature::HmacKey;

async fn receive(headers: HeaderMap, message: VerifiedMessage) {
    println!("{:?} {} bytes", headers.get("x-countersign-delivery"), message.body().len()); // here: put it into your queue
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = std::env::var("CONNECT_KEYS")?;
    let keys = keys.split(',').filter(|key| !key.is_empty()).map(HmacKey::try_new).collect::<Result<Vec<_>, _>>()?;
    let checks = Listener::builder().hmac(keys).build()?;
    let app = Router::new().route("/connect", post(receive)).layer(checks.layer());
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>())?;
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on port {}", socket.local_addr()?.port());
    axum::serve(socket, app).await?;
    Ok(())
}
