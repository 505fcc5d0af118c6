//! The process: what is made at start, in which order, and how it stops.

pub(crate) mod credentials;
mod expiry;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod listeners;
pub(crate) mod tls;
pub(crate) mod troubles;
mod trusted;

use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use self::listeners::{Listener, Site, Wanted};
use self::tls::Tls;
use self::troubles::files::{self, Files};
use crate::clock::Clock;
use crate::config::{Address, Trouble};
use crate::destinations::KeyNeeds;
use crate::error::{Code, Error, Result};
use crate::faces::{App, CallerKeys, HubProof, Reload, Shared, openapi};
use crate::http::activation::Sockets;
use crate::http::meters::Meters;
pub use crate::http::server::BindError;
use crate::http::server::{Limits, Server};
use crate::http::trace::NO_ROUTE;
use crate::http::{body, trace};
use crate::keys::{EXAMPLE, Keyring, NO_EXAMPLE};
use crate::ledger::Ledger;
use crate::mosip::envelope::Policy;
use crate::pool::Pool;
use crate::regular;
use crate::services::{Services, Settings, Tools};
use crate::settings::Config;
use crate::tasks::key_watch::{self, Watcher};
use crate::tasks::{Traces, traces};
use crate::telemetry::Tracer;

/// How long attempts that are cut off have to say so.
const CUT: Duration = Duration::from_secs(1);

/// How long the key files are left alone between two looks.
const WATCH: Duration = Duration::from_secs(10);

/// A gateway whose listeners are bound and not yet served.
pub struct Gateway {
    listeners: Vec<(&'static Listener, Server, Router)>,
    limits: Limits,
    watcher: Watcher,
    certificates: tls::Watch,
    reload: Reload,
    files: (Files, watch::Sender<Arc<[Trouble]>>),
    keys: Keyring,
    services: Services,
    meters: Meters,
    tracer: Tracer,
    traces: Traces,
    stop: watch::Sender<bool>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting, a key or the store; the error says what to do.
    #[error(transparent)]
    Refused(#[from] Error),
    /// A listener cannot be bound.
    #[error("{0}; {advice}", advice = .0.advice())]
    Listener(#[from] BindError),
}

/// What the gateway cannot do without ended before it was asked to; what that is.
#[derive(Debug, thiserror::Error)]
#[error("{0} ended by itself; the gateway ends, to be started again")]
pub struct EndedByItself(&'static str);

impl Gateway {
    /// Refuses to start only for a listener that cannot be bound, the TLS files of the internal listener, a store that must not be
    /// overwritten, or example keys (unless `allow_example_keys`); any other key or certificate that is missing or broken starts the
    /// gateway degraded.
    pub async fn bind(config: Config, allow_example_keys: bool) -> Result<Self, StartError> {
        Self::bind_with(config, allow_example_keys, Sockets::default()).await
    }

    /// As [`Self::bind`], with the sockets that were passed at start in place of new ones.
    pub(crate) async fn bind_with(
        mut config: Config,
        allow_example_keys: bool,
        mut sockets: Sockets,
    ) -> Result<Self, StartError> {
        crate::crypto::secret::warm_up();
        forbid_core_dumps();
        let clock = Clock::system();
        let (mut wanted, unserved) = listeners::wanted(&config)?;
        let renewed = wanted.iter_mut().filter_map(|wanted| wanted.renewed.take()).collect();
        config.destinations.hub.is_unreachable = listeners::lacks_callback(&config);
        let mut troubles = troubles::all(&config);
        troubles.extend(unserved);
        let files = Files::of(&config);
        let file_troubles = files.troubles(regular::metadata);
        let configured = listeners::ALL.iter().filter(|listener| (listener.address)(&config).is_some());
        let configured: Vec<_> = configured.map(|listener| listener.name).collect();
        let listeners: Arc<[_]> = wanted.iter().map(Wanted::listener).collect();
        let (tls, client) = Tls::begin(renewed, &config)?;
        let wants_credentials = config.expects_credentials();
        let key_needs: Arc<[KeyNeeds]> = config.destinations.key_needs().into();
        let (watcher, keys) = key_watch::watch(Arc::new(config.keys), clock.clone(), WATCH);
        let watcher = watcher.allow_example_keys(allow_example_keys);
        let ring = keys.current();
        if let (Some(file), false) = (ring.example_keys().first(), allow_example_keys) {
            let what = format!("{file}: this development key is public");
            return Err(Error::new(Code::Keys, what)
                .advise("Use your own keys, or say --allow-example-keys outside production.")
                .into());
        }
        for file in ring.example_keys() {
            tracing::warn!(trouble = %format_args!("{file}: {EXAMPLE}; {NO_EXAMPLE}"), "keys");
        }
        for trouble in ring.troubles() {
            tracing::warn!(trouble = %trouble, "keys");
        }

        let pool = Pool::for_this_machine()?;
        let logins = match &config.esignet {
            Some(_) => Pool::beside_others()?,
            None => pool.clone(),
        };
        let (tracer, traces) = traces(config.telemetry.otlp_url.take(), &client, &clock);
        let calls = client.meters().clone();
        let policy = Policy { danger_accept_unsigned: config.envelope.danger_accept_unsigned };
        let ledger = Ledger::open(config.outbox, config.quarantine, clock.clone()).map_err(|error| {
            Error::new(Code::Storage, error.to_string())
                .advise("Then start again. `[outbox]` of the configuration names the database.")
        })?;
        ledger.acknowledge_within(config.listen.request_deadline);
        let websub = &config.destinations.hub;
        let proof = |secret| Arc::new(HubProof { secret, path: websub.callback_path() });
        let hub_proof = websub.secret.clone().map(proof);
        let settings = Settings {
            destinations: config.destinations,
            esignet: config.esignet,
            death_link: config.events.death_link,
            probe_interval: config.upstream.probe_interval,
            data_share: config.credentials.data_share.take(),
        };
        let credentials = credentials::examine(&config.credentials);
        let refusals = credentials.as_ref().err().filter(|_| wants_credentials);
        troubles.extend(troubles::of_credentials(refusals.map_or(&[], Vec::as_slice)));
        let (certificates, reload) = tls::Watch::new(tls, keys.clone(), clock.clone());
        let refused = &reload.certificates().refused;
        troubles.iter().chain(&file_troubles).chain(refused).for_each(files::log);
        let (file_troubles, found) = watch::channel(file_troubles.into());
        let credentials = credentials.map(Arc::new).map_err(credentials::first);
        let tools = Tools {
            client,
            keys: keys.clone(),
            pool: pool.clone(),
            logins,
            clock: clock.clone(),
            tracer: tracer.clone(),
            policy,
            credentials: credentials.clone(),
        };
        let services = Services::new(ledger, settings, tools);
        for needs in &*key_needs {
            for lacking in needs.lacking(&ring, clock.now()) {
                let (trouble, advice) = (lacking.detail(), lacking.advice());
                tracing::warn!(destination = needs.destination, trouble, advice, "a key is lacking");
            }
        }
        let meters = Meters::default();
        let app = App::new(Shared {
            services: services.clone(),
            credentials,
            policy,
            primitives: config.internal.primitives,
            limits: body::Limits::new(
                config.listen.body_limit,
                config.listen.request_deadline,
                config.listen.in_flight_limit,
            ),
            keys: keys.clone(),
            pool,
            clock,
            meters: meters.clone(),
            calls,
            tracer: tracer.clone(),
            level: config.telemetry.level,
            documents: listeners::documents(),
            listeners,
            reload: reload.clone(),
            key_needs,
            troubles: troubles.into(),
            file_troubles: found,
            caller_keys: CallerKeys::default(),
            faces: config.faces.each.switches().into(),
            hub_proof,
            name: config.ops.name.clone(),
        });

        let (stop, stopping) = watch::channel(false);
        let limits = Limits::default();
        let head = limits.head.min(config.listen.request_deadline);
        let limits = Limits { head, drain: config.listen.drain, ..limits };
        let faces = Site::stand_ins(&app, config.faces.each, &wanted, &stopping);
        let mut site = Site {
            app,
            faces,
            stopping,
            hosts: config.listen.hosts,
            internal: config.internal,
            callback: config.callback,
            faces_token: config.faces.token,
            danger_open_faces: config.faces.danger_open,
            faces_tls: config.faces.tls,
            ops: config.ops,
        };
        let mut listeners = Vec::new();
        for Wanted { listener, address, tls, router, .. } in wanted {
            let router = router(&mut site, &address);
            let server = match sockets.take(listener.name) {
                Some(socket) => Server::adopt(listener.name, socket, &address, tls)?,
                None => Server::bind(&address, tls).await?,
            };
            let router = openapi::compared(router, listener.document);
            listeners.push((listener, server, router));
        }
        // A listener that is not served, which a trouble says, stops no start with its socket.
        configured.into_iter().for_each(|name| drop(sockets.take(name)));
        sockets.all_taken()?;
        let limits = Limits { connections: connections_each(raise_file_limit(), listeners.len()), ..limits };

        let files = (files, file_troubles);
        Ok(Self {
            listeners,
            limits,
            watcher,
            certificates,
            reload,
            files,
            keys,
            services,
            meters,
            tracer,
            traces,
            stop,
        })
    }

    /// Where each listener is bound, by its name; port 0 has become the real one.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, &Address)> {
        self.listeners.iter().map(|(listener, server, _)| (listener.name, server.local_address()))
    }

    /// Where the listener `name` is bound.
    pub fn address(&self, name: &str) -> Option<&Address> {
        self.addresses().find_map(|(listener, address)| (listener == name).then_some(address))
    }

    /// The keys, for a caller that has to have them read again at once.
    pub fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// Reads keys and certificates again at once.
    pub(crate) fn reload(&self) -> Reload {
        self.reload.clone()
    }

    /// Serves until `shutdown` is done, then drains. A listener or the queue that ends before that ends the gateway, to be started again.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), EndedByItself> {
        tokio::spawn(self.watcher.run());
        // It holds the outbox, and so ends before the gateway does.
        let (mut watching, engine) = (JoinSet::new(), self.services.engine.clone());
        // What waits for a certificate is tried at once.
        watching.spawn(self.certificates.run(WATCH, move || engine.probe_now()));
        let (files, found) = self.files;
        tokio::spawn(files::watch(files, WATCH, found));
        let (drained, all_is_over) = oneshot::channel();
        let sending = tokio::spawn(self.traces.run(all_is_over));
        let (mut running, mut moving) = (JoinSet::new(), JoinSet::new());
        moving.spawn(self.services.run(self.stop.subscribe(), self.keys));
        for (&Listener { name, .. }, server, router) in self.listeners {
            tracing::info!(listener = name, address = %server.local_address(), "listening");
            let (meters, tracer) = (self.meters.clone(), self.tracer.clone());
            meters.expect(name, NO_ROUTE, &[Code::NotFound]);
            meters.expect_traceparents(name);
            let log = move |request, next| trace::log(name, meters.clone(), tracer.clone(), request, next);
            let router = router.layer(middleware::from_fn(log));
            let server = server.counting(name, self.meters.clone());
            running.spawn(server.run(router, self.limits, self.stop.subscribe()));
        }
        let ended = supervised(shutdown, &mut running, &mut moving).await;
        self.stop.send_replace(true);
        drain(running, moving, self.limits.drain).await;
        watching.shutdown().await;
        // It ends by itself, within a second.
        drop(drained);
        let _ = sending.await;
        ended
    }
}

/// Waits for the listeners, which keep to `longest` themselves, and meanwhile for the queue, no longer than `longest`. An attempt that takes
/// longer is made again after the next start, under the same id.
async fn drain(mut listeners: JoinSet<()>, mut queue: JoinSet<()>, longest: Duration) {
    // A listener that panics has logged that itself, and the others end as they should.
    let listeners = async { while listeners.join_next().await.is_some() {} };
    let moving = async { while queue.join_next().await.is_some() {} };
    let _ = tokio::join!(listeners, tokio::time::timeout(longest, moving));
    // Each attempt that is cut off says so, unless a volume that hangs keeps it from that.
    let _ = tokio::time::timeout(CUT, queue.shutdown()).await;
}

/// Waits for `shutdown`, or until a task ends that should not end before it.
async fn supervised(
    shutdown: impl Future<Output = ()>,
    listeners: &mut JoinSet<()>,
    queue: &mut JoinSet<()>,
) -> Result<(), EndedByItself> {
    tokio::select! {
        () = shutdown => Ok(()),
        Some(_) = listeners.join_next() => Err(EndedByItself("a listener")),
        Some(_) = queue.join_next() => Err(EndedByItself("the queue")),
    }
}

/// Files that the store, the keys and calls to upstreams may have open at once.
const OWN_FILES: u64 = 128;

/// How many files this process may open, raised as far as the system allows. None: there is no limit.
fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current }
}

/// How many connections each of `listeners` may have open, so that however many strangers call, the other listeners and the outbox find
/// the files that they need.
fn connections_each(files: Option<u64>, listeners: usize) -> usize {
    let most = Limits::default().connections;
    let Some(files) = files else { return most };
    let shared = usize::try_from(files.saturating_sub(OWN_FILES)).unwrap_or(usize::MAX);
    (shared / listeners.max(1)).clamp(1, most)
}

/// Memory holds keys and people's records: no core file, no tracing by other processes of the same user.
fn forbid_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    let refused = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if limited.and(refused).is_err() {
        tracing::warn!("core dumps cannot be switched off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_before_the_shutdown_is_told() {
        let (mut listeners, mut queue) = (JoinSet::new(), JoinSet::new());
        listeners.spawn(std::future::pending());
        queue.spawn(async { panic!("a defect") });
        let ended = supervised(std::future::pending(), &mut listeners, &mut queue).await;
        assert!(ended.unwrap_err().to_string().starts_with("the queue ended by itself"));
        assert!(supervised(std::future::ready(()), &mut listeners, &mut queue).await.is_ok());
    }

    /// Both take as long as they may. One behind the other, they would take twice as long.
    #[tokio::test(start_paused = true)]
    async fn listeners_and_queue_drain_side_by_side() {
        const LONGEST: Duration = Duration::from_secs(25);
        let (mut listeners, mut queue) = (JoinSet::new(), JoinSet::new());
        listeners.spawn(tokio::time::sleep(LONGEST));
        listeners.spawn(async { panic!("a defect") });
        queue.spawn(std::future::pending());
        let began = tokio::time::Instant::now();
        drain(listeners, queue, LONGEST).await;
        // The clock stands still but for what is waited for; a timer has the grain of a millisecond.
        let grain = Duration::from_millis(1);
        assert!((LONGEST..=LONGEST + grain).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[test]
    fn connections_of_all_listeners_leave_files_for_the_outbox() {
        assert_eq!(connections_each(None, 4), 1024);
        assert_eq!(connections_each(Some(524_288), 4), 1024);
        assert_eq!(connections_each(Some(1024), 4), 224);
        assert_eq!(connections_each(Some(64), 4), 1, "each still answers");
    }
}
