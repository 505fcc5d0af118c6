//! The one list of listeners: the gateway binds what is in it, `doctor` examines it, readiness, metrics and the page show it, and
//! the documents of the API follow it. A further listener is one more entry of [`ALL`].

mod clear;
mod unserved;

use axum::{Router, middleware};
use ipnet::IpNet;
use tokio::sync::watch;
use utoipa::openapi::OpenApi;

pub(crate) use self::clear::in_the_clear;
pub(crate) use self::unserved::troubles;
use super::tls::ListenerTls;
use crate::config::{Address, ServerTls, Trouble};
use crate::crypto::secret::SecretBytes;
use crate::faces::callback::{CallerAuth, Callers};
use crate::faces::jwt::{JwtCallers, JwtSettings};
use crate::faces::openapi::Documents;
use crate::faces::ops::Extent;
use crate::faces::{self, App, Faces, callback, ops, plain};
use crate::http::caller::{self, Strangers};
use crate::http::guard::{self, Guard};
use crate::http::server::{Acceptor, Acceptors, BindError};
use crate::settings::Config;
use crate::tls_files::Refusal;

/// A listener as the program knows it.
pub(crate) struct Listener {
    /// Its name in logs, metrics, sockets that systemd passes, and `openapi --listener`.
    pub(crate) name: &'static str,
    /// The setting of its address.
    pub(crate) address_setting: &'static str,
    /// The setting of its certificate.
    pub(crate) tls_setting: &'static str,
    /// Where the configuration puts it; `None`: it is off.
    pub(crate) address: fn(&Config) -> Option<&Address>,
    /// Its TLS settings.
    pub(crate) tls: fn(&Config) -> Option<&ServerTls>,
    /// Whether the faces that stand in for older systems are among what it serves.
    serves_stand_ins: bool,
    /// Whether the configuration leaves it anything to serve. A listener that serves nothing is not bound.
    serves: fn(&Config) -> bool,
    /// What nobody on the way may read; `None`: nothing.
    carries: fn(&Config) -> Option<&'static str>,
    /// What becomes of it where a file of its TLS settings cannot be used.
    without_tls: WithoutTls,
    /// What it serves.
    router: fn(&mut Site, &Address) -> Router,
    /// All that it can serve, as OpenAPI.
    pub(crate) document: fn() -> OpenApi,
}

/// What becomes of a listener where its certificate, its key or its authorities cannot be used: it would speak in the clear, or let everybody
/// in.
pub(super) enum WithoutTls {
    /// The gateway does not start: without this listener nothing could be accepted.
    RefusesStart,
    /// It is not served.
    Unserved,
    /// It serves this alone, under a certificate of its own.
    Serves(fn(&mut Site, &Address) -> Router),
}

/// Every listener, in the order in which they are bound.
pub(crate) static ALL: &[Listener] = &[
    Listener {
        name: plain::LISTENER,
        address_setting: "listen.internal",
        tls_setting: "internal.tls",
        address: |config| Some(&config.listen.internal),
        tls: |config| config.internal.tls.as_ref(),
        serves_stand_ins: true,
        serves: |_| true,
        carries: |_| Some("all that is sealed, opened and registered, with the token of callers,"),
        without_tls: WithoutTls::RefusesStart,
        router: internal,
        document: plain::document,
    },
    Listener {
        name: callback::LISTENER,
        address_setting: "listen.callback",
        tls_setting: "callback.tls",
        address: |config| config.listen.callback.as_ref(),
        tls: |config| config.callback.tls.as_ref(),
        serves_stand_ins: false,
        serves: |_| true,
        carries: |_| Some("what MOSIP sends, with the tokens of its callers,"),
        without_tls: WithoutTls::Unserved,
        router: callback,
        document: callback::document,
    },
    Listener {
        name: faces::LISTENER,
        address_setting: "faces.listen",
        tls_setting: "faces.tls",
        address: |config| config.faces.listen.as_ref(),
        tls: |config| config.faces.tls.as_ref(),
        serves_stand_ins: true,
        serves: unserved::is_faces_served,
        carries: |_| Some("people's records, with the tokens of callers,"),
        without_tls: WithoutTls::Unserved,
        router: stand_ins,
        document: faces::document,
    },
    Listener {
        name: ops::LISTENER,
        address_setting: "listen.ops",
        tls_setting: "ops.tls",
        address: |config| Some(&config.listen.ops),
        tls: |config| config.ops.tls.as_ref(),
        serves_stand_ins: false,
        serves: |_| true,
        carries: |config| config.ops.token.as_ref().map(|_| "the operators' page, with its token,"),
        // A probe that is not answered takes a gateway out of service that registers births as it should.
        without_tls: WithoutTls::Serves(probes),
        router: ops,
        document: ops::document,
    },
];

impl Listener {
    /// Where it is bound; `None`: it is off, or nothing is left to serve there, which [`troubles`] tell.
    pub(crate) fn served_at<'c>(&self, config: &'c Config) -> Option<&'c Address> {
        (self.address)(config).filter(|_| (self.serves)(config))
    }

    /// The trouble of a listener that is not served, or not whole, because of a file of its TLS settings; `None`: the gateway does not
    /// start without it.
    pub(crate) fn without_tls(&self, config: &Config, refusal: &Refusal) -> Option<Trouble> {
        let instead = match self.without_tls {
            WithoutTls::RefusesStart => return None,
            WithoutTls::Unserved
                if self.name == callback::LISTENER && config.destinations.hub.hub_url.is_some() =>
            {
                "the gateway does not listen there, and subscribes to nothing at MOSIP's hub"
            }
            WithoutTls::Unserved => "the gateway does not listen there",
            WithoutTls::Serves(_) => {
                "the gateway answers /livez and /readyz there and nothing else, under a certificate of its own"
            }
        };
        Some(unserved::without_tls(self.tls_setting, refusal, instead))
    }
}

/// Whether the listener that MOSIP's hub calls back is configured, and not served since a file of its TLS settings cannot be used. That is
/// the callback listener, or, where there is none, the one of the faces.
pub(crate) fn lacks_callback(config: &Config) -> bool {
    let tls = match &config.listen.callback {
        Some(_) => config.callback.tls.as_ref(),
        None => config.faces.tls.as_ref().filter(|_| config.faces.takes_hub()),
    };
    tls.is_some_and(|tls| Acceptor::load(tls).is_err())
}

/// A listener that the configuration asks for, and that has something to serve.
pub(super) struct Wanted {
    pub(super) listener: &'static Listener,
    pub(super) address: Address,
    pub(super) tls: Option<Acceptors>,
    /// What keeps that current.
    pub(super) renewed: Option<ListenerTls>,
    /// What it serves.
    pub(super) router: fn(&mut Site, &Address) -> Router,
}

/// What `config` asks for, and a trouble for each listener that cannot be served, or not whole, since its certificate, its key or its
/// authorities cannot be used. Without the internal listener nothing could be accepted: its files are an error.
pub(super) fn wanted(config: &Config) -> Result<(Vec<Wanted>, Vec<Trouble>), BindError> {
    let (mut wanted, mut troubles) = (Vec::new(), Vec::new());
    for listener in ALL {
        let Some(address) = listener.served_at(config) else { continue };
        let settings = (listener.tls)(config);
        match settings.map(|settings| ListenerTls::begin(listener, settings)).transpose() {
            Ok(tls) => {
                let (renewed, tls) = tls.unzip();
                let (address, router) = (address.clone(), listener.router);
                wanted.push(Wanted { listener, address, tls, renewed, router });
            }
            Err(refusal) => {
                let Some(trouble) = listener.without_tls(config, &refusal) else {
                    return Err(refusal.into());
                };
                troubles.push(trouble);
                if let (WithoutTls::Serves(router), Some(settings)) = (&listener.without_tls, settings) {
                    let (tls, router) = (Some(Acceptor::in_place_of(settings)?.fixed()), *router);
                    let address = address.clone();
                    wanted.push(Wanted { listener, address, tls, renewed: None, router });
                }
            }
        }
    }
    Ok((wanted, troubles))
}

impl Wanted {
    /// As operators see it.
    pub(super) fn listener(&self) -> faces::Listener {
        faces::Listener { name: self.listener.name, has_tls: self.tls.is_some() }
    }
}

/// What makes the documents of all listeners.
pub(super) fn documents() -> Documents {
    ALL.iter().map(|listener| (listener.name, listener.document)).collect()
}

/// What the routers are made of.
pub(super) struct Site {
    pub(super) app: App,
    pub(super) faces: Faces,
    pub(super) stopping: watch::Receiver<bool>,
    /// `listen.hosts`
    pub(super) hosts: Vec<String>,
    pub(super) internal: plain::Settings,
    pub(super) callback: callback::Settings,
    /// `faces.token_file`
    pub(super) faces_token: Option<SecretBytes>,
    /// `faces.danger_open`
    pub(super) danger_open_faces: bool,
    /// `faces.tls`
    pub(super) faces_tls: Option<ServerTls>,
    pub(super) ops: ops::Settings,
}

impl Site {
    /// The faces that stand in for older systems, on the listeners among `wanted` that serve them.
    pub(super) fn stand_ins(
        app: &App,
        settings: faces::Each,
        wanted: &[Wanted],
        stopping: &watch::Receiver<bool>,
    ) -> Faces {
        let serving =
            wanted.iter().map(|wanted| wanted.listener).filter(|listener| listener.serves_stand_ins);
        let on: Vec<_> = serving.map(|listener| listener.name).collect();
        Faces::new(app, settings, &on, stopping)
    }
}

fn internal(site: &mut Site, address: &Address) -> Router {
    let plain::Settings { token, tls, .. } = &site.internal;
    let is_known = site.danger_open_faces || knows_callers(address, token.as_ref(), tls.as_ref());
    let faces = is_known.then(|| site.faces.guarded(Guard::under_any_name(None))).flatten();
    let guard = Guard::new(site.hosts.clone(), site.internal.token.take());
    let router = plain::router(site.app.clone(), faces);
    site.faces.beside_proving(guarded(router, guard), |face| identified(face, Vec::new()))
}

fn callback(site: &mut Site, address: &Address) -> Router {
    let callers = callers(&site.app, &mut site.callback, address);
    let trusted = site.callback.trusted_proxies.clone();
    identified(callback::router(site.app.clone(), callers), trusted)
}

fn stand_ins(site: &mut Site, address: &Address) -> Router {
    let Site { faces_token: token, faces_tls: tls, .. } = &*site;
    let is_known = site.danger_open_faces || knows_callers(address, token.as_ref(), tls.as_ref());
    let guard = Guard::under_any_name(site.faces_token.take());
    let guarded = is_known.then(|| site.faces.guarded(guard)).flatten();
    let router = guarded.unwrap_or_default().fallback(faces::not_found);
    // Browsers and the hub of `mosip_api` come through the same proxies.
    let trusted = site.callback.trusted_proxies.clone();
    identified(site.faces.beside_proving(router, |face| face), trusted)
}

fn ops(site: &mut Site, address: &Address) -> Router {
    let token = site.ops.token.take();
    let serves = if unserved::has_page(address, token.as_ref()) { Extent::Page } else { Extent::Metrics };
    let router = ops::router(site.app.clone(), site.stopping.clone(), serves);
    let router = guarded(router, Guard::for_browsers(site.hosts.clone(), token, &ops::PROBES));
    router.layer(middleware::from_fn(ops::refuse_browsers))
}

/// What is left of [`ops`] without its TLS files. No token counts here: nobody would know to whom they give it.
fn probes(site: &mut Site, _: &Address) -> Router {
    let router = ops::router(site.app.clone(), site.stopping.clone(), Extent::Probes);
    guarded(router, Guard::for_browsers(site.hosts.clone(), None, &ops::PROBES))
}

fn guarded(router: Router, guard: Guard) -> Router {
    router.layer(middleware::from_fn_with_state(guard, guard::enforce))
}

/// `router` with callers that are told apart: by the address that the `trusted` proxies say, until they have proved themselves.
fn identified(router: Router, trusted: Vec<IpNet>) -> Router {
    router.layer(middleware::from_fn_with_state(Strangers::new(trusted), caller::identify))
}

/// Whether every caller of the listener at `address` is known: it is local, or demands a token or a client certificate.
fn knows_callers(address: &Address, token: Option<&SecretBytes>, tls: Option<&ServerTls>) -> bool {
    address.is_local() || token.is_some() || tls.is_some_and(|tls| tls.client_ca.is_some())
}

/// Who may call the callback listener at `address`.
fn callers(app: &App, settings: &mut callback::Settings, address: &Address) -> Callers {
    let (opencrvs_jwt, mosip_jwt) = (settings.opencrvs_jwt.take(), settings.mosip_jwt.take());
    let demands = |kind| settings.require.contains(&kind);
    let demanded = |jwt: Option<JwtSettings>, kind| {
        jwt.filter(|_| demands(kind)).map(|jwt| JwtCallers::of(app, jwt, callback::PATIENCE))
    };
    Callers {
        opencrvs_jwt: demanded(opencrvs_jwt, CallerAuth::OpencrvsJwt),
        mosip_jwt: demanded(mosip_jwt, CallerAuth::MosipJwt),
        open: address.is_local() || demands(CallerAuth::Mtls) || settings.danger_open,
        hub_hmac: demands(CallerAuth::HubHmac),
    }
}

#[cfg(test)]
mod tests;
