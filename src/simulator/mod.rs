//! A simulator of MOSIP's side: MOSIP-side mediator, packet manager, workflow, Keycloak, authmanager, IDA, the WebSub hub, the data share
//! and eSignet on one port; and of OpenCRVS's core beside it. **Not for production**: it keeps everything in memory, its history shows every UINTOKEN, and anybody who reaches
//! the port may change its behaviour.
//!
//! # Goals
//!
//! - Let developers and tests send births and deaths and receive UINTOKENs on a machine without MOSIP.
//! - Refuse whatever the real side might refuse one day, each defect with a different code.
//! - Be hostile on request ([`Behaviour`]), and show what it received ([`History`]).
//!
//! # Strictness
//!
//! The real MOSIP-side mediator checks the token and, on `/birth`, the signature. This one demands on every route: the cookie token
//! (signature and `exp`), `application/json`, exactly the four members of the body, padded standard base64, SHA512withRSA over the envelope
//! bytes by a known partner, a VER_R2 envelope with the thumbprint of MOSIP's own certificate (the real one takes any:
//! [`Behaviour::any_thumbprint`]), a topic that fits the path, the id of the composition inside (or that id with `-` and eight hex digits),
//! and on births and deaths exactly one `MOSIP_AID` that it handed out itself and that no other id used. Its code for
//! the wire formats is separate from the gateway's, so that the two do not share a misreading. Codes that begin with `SIM-` are for defects
//! that the real side does not find.
//!
//! As the real one, it drops a repeated birth id with a plain success. After a birth it posts the UINTOKEN once and forgets it. That push has
//! a signature over the plaintext, base64url without padding, a random thumbprint and an empty id.
//!
//! Of packets it refuses a source or process that it does not know, members that are missing, of another type or unknown, and the same
//! registration id with other content, which the real packet manager writes over. A packet is processed once: as the real workflow, it
//! answers a repeat with `RPR-WIS-001`.
//!
//! [`fake_ida`] says how strict IDA is, [`hub`] how the hub behaves, [`esignet`] how strict eSignet is, [`opencrvs`] how strict the core of
//! OpenCRVS is, [`webhooks`] how its webhooks service behaves, and [`records`] how its search does.
//!
//! # Limitations
//!
//! - It answers at once, where MOSIP uploads a packet first; use [`Behaviour::delay_ms`].
//! - It checks the form of events, not their content. It looks up no person, and a UINTOKEN is 36 random digits.
//! - A birth without a birth registration number is accepted and pushes nothing.
//! - It remembers the last [`history::LIMIT`] entries of each kind; an older birth id counts as new.

mod answer;
mod behaviour;
pub(crate) mod contexts;
pub mod credentials;
mod envelope;
pub mod esignet;
mod event;
pub mod fake_ida;
pub mod history;
mod hostility;
pub mod hub;
mod listener;
mod manage;
mod mediator;
pub mod opencrvs;
pub mod packets;
mod procedures;
mod push;
mod record_token;
pub mod records;
mod settings;
pub mod shares;
#[cfg(test)]
mod tests;
mod tokens;
pub mod webhooks;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use behaviour::{
    AfterAccept, Behaviour, Controls, EsignetLie, Held, IdaReply, OpencrvsReply, SearchLie, ShareReply,
    WebhooksLie,
};
pub use history::History;
pub use settings::{Callback, Client, Ida, OpenCrvs, Settings, StartError, Tls};

use crate::clock::Clock;
use crate::crypto::rsa::PrivateKey;
use crate::keys::Certificate;

/// Time for open requests to finish at [`Running::shutdown`]; then they are cut.
const DRAIN: Duration = Duration::from_secs(5);

/// The fake before it runs.
pub struct Simulator;

impl Simulator {
    /// Binds the address, makes the key that signs its tokens, and serves until [`Running::shutdown`] or until the handle is dropped.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Running, StartError> {
        let listener = TcpListener::bind(settings.bind)
            .await
            .map_err(|error| StartError::Bind { address: settings.bind, error })?;
        let address =
            listener.local_addr().map_err(|error| StartError::Bind { address: settings.bind, error })?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let base_url = format!("{scheme}://{address}");

        let tls = settings.tls.as_ref().map(listener::acceptor).transpose()?;
        let world = Arc::new(World::new(settings, &base_url, clock)?);
        let (history, controls, hub) = (world.history.clone(), world.controls.clone(), world.hub.clone());
        let (issuer, shares) = (Arc::clone(&world.issuer), Arc::clone(&world.shares));
        let (esignet, core) = (Arc::clone(&world.esignet), Arc::clone(&world.core));
        let (webhooks, records) = (Arc::clone(&world.webhooks), Arc::clone(&world.records));

        let (stop, stopped) = oneshot::channel::<()>();
        let routes = routes(world);
        let serving = tokio::spawn(async move {
            let stopped = async {
                // A dropped sender stops the server too.
                let _ = stopped.await;
            };
            let served = match tls {
                None => axum::serve(listener, routes).with_graceful_shutdown(stopped).await,
                Some(acceptor) => {
                    let listener = listener::TlsListener::new(listener, acceptor);
                    axum::serve(listener, routes).with_graceful_shutdown(stopped).await
                }
            };
            if let Err(error) = served {
                tracing::error!(%error, "the simulator stopped serving");
            }
        });
        tracing::warn!(%base_url, "MOSIP simulator: NOT FOR PRODUCTION");
        let _stop_hub = hub::StopHub(hub.clone());
        Ok(Running {
            base_url,
            history,
            controls,
            hub,
            issuer,
            shares,
            esignet,
            core,
            webhooks,
            records,
            stop,
            serving,
            _stop_hub,
        })
    }
}

/// A running fake. Dropping it stops it.
pub struct Running {
    /// `http://127.0.0.1:4600`, without a trailing slash.
    pub base_url: String,
    /// What it received.
    pub history: History,
    /// Its behaviour.
    pub controls: Controls,
    /// Its hub.
    pub hub: hub::Hub,
    /// Its issuer of credentials, whose messages [`hub::Hub::publish_credential`] delivers.
    pub issuer: Arc<credentials::CredentialIssuer>,
    /// Where credentials are that its messages only name.
    pub shares: Arc<shares::Shares>,
    /// Its eSignet.
    pub esignet: Arc<esignet::Esignet>,
    /// Its OpenCRVS.
    pub core: Arc<opencrvs::Core>,
    /// What is subscribed at its OpenCRVS 1.x.
    pub webhooks: Arc<webhooks::Webhooks>,
    /// What its OpenCRVS 1.x has registered.
    pub records: Arc<records::Records>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    _stop_hub: hub::StopHub,
}

impl Running {
    /// Stops accepting, lets open requests finish for five seconds, and gives the port back.
    pub async fn shutdown(self) {
        let Self { stop, mut serving, .. } = self;
        drop(stop);
        if tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
            serving.abort();
        }
    }
}

/// The composition of a birth that the simulated OpenCRVS has, and that no webhook tells of, where the simulator is a program of its own.
const LOST: &str = "0f7e1c9a-7a34-4d7b-9a55-2f6d4c1b8e30";

/// Runs a fake by itself, as `mosip-gateway simulator` does, until `shutdown` comes. `started` receives its base URL.
pub(crate) async fn run_alone(
    settings: Settings,
    behaviour: Behaviour,
    started: impl FnOnce(&str),
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let running = Simulator::start(settings, Clock::system()).await?;
    running.controls.set(behaviour);
    running.records.register("birth", LOST, Clock::system().now());
    started(&running.base_url);
    shutdown.await;
    running.shutdown().await;
    Ok(())
}

/// The state that all handlers share.
struct World {
    tokens: tokens::Issuer,
    mosip_key: Arc<PrivateKey>,
    mosip_certificate: Certificate,
    partners: Vec<Certificate>,
    pusher: Option<push::Pusher>,
    hub: hub::Hub,
    issuer: Arc<credentials::CredentialIssuer>,
    shares: Arc<shares::Shares>,
    esignet: Arc<esignet::Esignet>,
    core: Arc<opencrvs::Core>,
    webhooks: Arc<webhooks::Webhooks>,
    records: Arc<records::Records>,
    ida: Ida,
    ida_memory: fake_ida::Memory,
    history: History,
    controls: Controls,
    clock: Clock,
}

impl World {
    fn new(settings: Settings, base_url: &str, clock: Clock) -> Result<Self, StartError> {
        let Settings {
            mosip_key,
            mosip_certificate,
            partners,
            client,
            opencrvs,
            ida,
            issuer,
            esignet,
            callback,
            ..
        } = settings;
        // The callbacks of the hub's subscribers are on the server to which UINTOKENs are posted, with the same certificate.
        let roots = callback.as_ref().and_then(|callback| callback.roots_pem.as_deref());
        let identity = callback.as_ref().and_then(|callback| callback.client.as_ref());
        let http = push::http_client(roots, identity)?;
        let core = Arc::new(opencrvs::Core::new(Arc::clone(&opencrvs.jwt_key)));
        let (history, controls) = (History::default(), Controls::default());
        let webhooks = Arc::new(webhooks::Webhooks::new(http.clone()));
        let hub = hub::Hub::new(http, history.clone(), controls.clone());
        let pusher = callback
            .map(|callback| push::Pusher::new(callback, opencrvs, Arc::clone(&mosip_key)))
            .transpose()?;
        let (key, kyc_key) = (Arc::clone(&mosip_key), Arc::clone(&issuer.key));
        let esignet = Arc::new(esignet::Esignet::new(base_url, esignet, key, kyc_key)?);
        Ok(Self {
            tokens: tokens::Issuer::new(base_url, client)?,
            mosip_key,
            mosip_certificate,
            partners,
            pusher,
            hub,
            issuer: Arc::new(credentials::CredentialIssuer::new(issuer)),
            shares: Arc::new(shares::Shares::new(base_url)),
            esignet,
            core,
            webhooks,
            records: Arc::default(),
            ida,
            ida_memory: fake_ida::Memory::default(),
            history,
            controls,
            clock,
        })
    }
}

fn routes(world: Arc<World>) -> Router {
    Router::new()
        .merge(mediator::routes(&world))
        .merge(packets::routes(&world))
        .merge(tokens::routes())
        .merge(fake_ida::routes())
        .merge(hub::routes())
        .merge(shares::routes())
        .merge(esignet::routes())
        .merge(opencrvs::routes())
        .merge(webhooks::routes())
        .merge(records::routes())
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&world), hostility::before_any_answer))
        .merge(manage::routes())
        .merge(hub::manage_routes())
        .layer(axum::middleware::map_response(answer::mark))
        .with_state(world)
}
