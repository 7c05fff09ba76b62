//! The authority as a whole.

use std::{future::Future, io, sync::Arc};

use axum::Router;
use tokio::net::TcpListener;

use crate::{
    connection::{ConnectionHandle, ResettableListener},
    fault::Faults,
    issuer::{INTROSPECTION, JWKS, REVOCATION, TOKEN},
    key::KeyError,
    routes,
    settings::{Settings, SettingsError},
    state::State,
    stats::Stats,
};

/// An authorization server. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Authority {
    state: Arc<State>,
}

impl Authority {
    /// Checks the settings and makes the first signing key.
    ///
    /// # Errors
    /// [`SettingsError`] names the setting or the client that makes no sense.
    pub fn try_new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self { state: Arc::new(State::try_new(settings)?) })
    }

    /// The endpoints relative to the issuer: nest them at the issuer's path.
    pub fn router(&self) -> Router {
        routes::below_issuer(&self.state)
    }

    /// The metadata at the root of the issuer's host (`/.well-known/oauth-authorization-server/path/of/issuer`, RFC 8414
    /// §3.1): merge it into the root of a server that nests [`Authority::router`]. Empty for an issuer without a path.
    pub fn well_known(&self) -> Router {
        routes::at_root(&self.state)
    }

    /// Both of them, each at its place, for a server of its own.
    pub fn standalone(&self) -> Router {
        routes::standalone(&self.state)
    }

    /// Serves on a listener for as long as the future is polled. The issuer must name its address.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.serve_until(listener, std::future::pending()).await
    }

    /// Serves on a listener until `stopped` is ready, then answers what is under way.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve_until(&self, listener: TcpListener, stopped: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let service = self.standalone().into_make_service_with_connect_info::<ConnectionHandle>();
        axum::serve(ResettableListener(listener), service).with_graceful_shutdown(stopped).await
    }

    /// The switches for failing on request.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.state.faults.clone()
    }

    /// How often each endpoint was asked.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.counters.read()
    }

    /// The first step of a rotation: a new key signs, and the older ones stay published. Gives the new key's id.
    ///
    /// # Errors
    /// [`KeyError`] when no key can be made.
    pub fn rotate_keys(&self) -> Result<String, KeyError> {
        self.state.keys.rotate()
    }

    /// The last step of a rotation: only the key that signs stays published.
    pub fn retire_older_keys(&self) {
        self.state.keys.retire_older();
    }

    /// A rotation without overlap: a new key signs, and the older ones are gone at once. Gives the new key's id.
    ///
    /// # Errors
    /// [`KeyError`] when no key can be made.
    pub fn replace_keys(&self) -> Result<String, KeyError> {
        self.state.keys.replace()
    }

    /// The issuer identifier, byte for byte as set.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.state.issuer.as_str()
    }

    /// The address of the token endpoint.
    #[must_use]
    pub fn token_endpoint(&self) -> String {
        self.state.issuer.endpoint(TOKEN)
    }

    /// The address of the published keys.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        self.state.issuer.endpoint(JWKS)
    }

    /// The address of the introspection endpoint.
    #[must_use]
    pub fn introspection_endpoint(&self) -> String {
        self.state.issuer.endpoint(INTROSPECTION)
    }

    /// The address of the revocation endpoint.
    #[must_use]
    pub fn revocation_endpoint(&self) -> String {
        self.state.issuer.endpoint(REVOCATION)
    }
}
