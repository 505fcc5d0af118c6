//! What TLS is made of, looked at again while the gateway runs, as the keys are: the certificates of listeners and the authorities of their
//! callers, the roots of servers, and the certificates by which servers know the gateway. Validated, then swapped: where something is
//! broken, what was loaded before stays in use, and a trouble names the file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::expiry::Written;
use super::listeners::{self, Listener};
use super::troubles::files;
use super::trusted;
use crate::clock::Clock;
use crate::config::upstream::CA_FILE;
use crate::config::{ServerTls, Trouble};
use crate::error::Result;
use crate::faces::{Certificates, Reload};
use crate::http::server::{Acceptor, Acceptors};
use crate::keys::Keyring;
use crate::keys::dated::{CLIENT, Dated, LISTENER, Place, RENEW, TRUSTED};
use crate::settings::Config;
use crate::tls_files::{Refusal, Renewed, STAYS};
use crate::upstream::{Client, Renewal};

/// How long a look at all files may take. A volume that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(10);

/// The certificate of a listener, and the authorities of its callers.
pub(super) struct ListenerTls {
    listener: &'static Listener,
    settings: ServerTls,
    acceptor: Renewed<Arc<Acceptor>>,
    swap: watch::Sender<Arc<Acceptor>>,
}

impl ListenerTls {
    /// Of the files as they are, and what the listener takes at each handshake.
    pub(super) fn begin(
        listener: &'static Listener,
        settings: &ServerTls,
    ) -> Result<(Self, Acceptors), Refusal> {
        let files = settings.files().map(Path::to_owned).collect();
        let acceptor = Renewed::begin(files, |contents| Acceptor::of(settings, contents).map(Arc::new));
        let (swap, acceptors) = watch::channel(Arc::clone(acceptor.made().map_err(Clone::clone)?));
        Ok((Self { listener, settings: settings.clone(), acceptor, swap }, acceptors))
    }

    /// Whether another certificate, or other authorities, were swapped in.
    fn look(&mut self) -> bool {
        let is_other = self.acceptor.look(|contents| Acceptor::of(&self.settings, contents).map(Arc::new));
        if let (true, Ok(acceptor)) = (is_other, self.acceptor.made()) {
            self.swap.send_replace(Arc::clone(acceptor));
        }
        is_other
    }

    fn trouble(&self) -> Option<Trouble> {
        let refusal = self.acceptor.refusal()?;
        Some(Trouble::new(self.listener.tls_setting, format!("{refusal}; {STAYS}"), refusal.advice))
    }

    fn certificates(&self) -> Vec<Dated> {
        let Ok(acceptor) = self.acceptor.made() else { return Vec::new() };
        let Listener { name, tls_setting, .. } = *self.listener;
        let shown =
            Place { role: LISTENER, name: name.to_owned(), subject: tls_setting.to_owned(), renew: RENEW };
        let trusted = of_setting(TRUSTED, format!("{tls_setting}.client_ca"));
        [shown.holds_der(acceptor.chain()), trusted.holds_der(acceptor.authorities())].concat()
    }
}

/// Everything that TLS is made of.
pub(super) struct Tls {
    listeners: Vec<ListenerTls>,
    upstream: Renewal,
    /// What settings trust beside TLS, read at the start alone.
    fixed: Vec<Dated>,
}

impl Tls {
    /// That of `listeners` and of `config`, and the client of every server.
    pub(super) fn begin(listeners: Vec<ListenerTls>, config: &Config) -> Result<(Self, Client)> {
        let (upstream, client) = Renewal::begin(&config.upstream)?;
        Ok((Self { listeners, upstream, fixed: trusted::dates(config) }, client))
    }

    /// The settings whose files were swapped in since the last look.
    fn look(&mut self) -> Result<Vec<String>> {
        let changed = self.listeners.iter_mut().filter_map(|one| one.look().then_some(one.listener));
        let mut swapped: Vec<_> = changed.map(|listener| listener.tls_setting.to_owned()).collect();
        swapped.extend(self.upstream.look()?);
        Ok(swapped)
    }

    fn troubles(&self) -> Vec<Trouble> {
        let of_listeners = self.listeners.iter().filter_map(ListenerTls::trouble);
        of_listeners.chain(self.upstream.troubles()).collect()
    }

    /// What is in use, and what is refused.
    pub(super) fn certificates(&self) -> Certificates {
        let of_listeners = self.listeners.iter().flat_map(ListenerTls::certificates);
        let of_servers = self.upstream.certificates().into_iter().flat_map(|(setting, certificates)| {
            of_setting(if setting == CA_FILE { TRUSTED } else { CLIENT }, setting).holds_der(certificates)
        });
        let dated = of_listeners.chain(of_servers).chain(self.fixed.iter().cloned()).collect();
        Certificates { dated, refused: self.troubles() }
    }
}

/// As a gateway under `config` would begin. A listener whose files cannot be used is told by itself.
pub(crate) fn examine(config: &Config) -> Result<Certificates> {
    let listeners = listeners::ALL.iter().filter_map(|listener| {
        let (tls, _) = ListenerTls::begin(listener, (listener.tls)(config)?).ok()?;
        Some(tls)
    });
    let (tls, _) = Tls::begin(listeners.collect(), config)?;
    Ok(tls.certificates())
}

fn of_setting(role: &'static str, setting: String) -> Place {
    Place { role, name: setting.clone(), subject: setting, renew: RENEW }
}

/// Keeps what TLS is made of current.
pub(super) struct Watch {
    tls: Tls,
    keys: Keyring,
    clock: Clock,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    told: watch::Sender<Arc<Certificates>>,
}

impl Watch {
    /// Nothing is looked at before [`Watch::run`]. What reads keys and certificates again at once comes with it.
    pub(super) fn new(tls: Tls, keys: Keyring, clock: Clock) -> (Self, Reload) {
        let (told, certificates) = watch::channel(Arc::new(tls.certificates()));
        let (looks, asked) = mpsc::channel(1);
        let reload = Reload::new(keys.clone(), looks, certificates);
        (Self { tls, keys, clock, asked, told }, reload)
    }

    /// Looks at the files `every` so often, off the reactor, until nobody can ask any more. `swapped` is told of each swap.
    pub(super) async fn run(self, every: Duration, swapped: impl Fn()) {
        let Self { mut tls, keys, clock, mut asked, told } = self;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = Written::default();
        loop {
            let mut asking = tokio::select! {
                _ = ticks.tick() => None,
                request = asked.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
            };
            let mut look = spawn_blocking(move || {
                let found = tls.look();
                (tls, found)
            });
            let ended = match timeout(DEADLINE, &mut look).await {
                Ok(ended) => ended,
                Err(_) => {
                    publish(&told, |before| before.hanging(DEADLINE));
                    answer(asking.take());
                    loop {
                        tokio::select! {
                            ended = &mut look => break ended,
                            request = asked.recv() => match request {
                                Some(request) => answer(Some(request)),
                                None => return,
                            },
                        }
                    }
                }
            };
            let Ok((looked, found)) = ended else {
                tracing::error!(
                    "the watcher of TLS files stopped; certificates stay as they are until a restart"
                );
                return;
            };
            tls = looked;
            match found {
                Err(error) => tracing::error!(detail = error.detail(), "certificates cannot be swapped"),
                Ok(settings) => {
                    for setting in &settings {
                        tracing::info!(setting, "certificates are swapped");
                    }
                    if !settings.is_empty() || told.borrow().refused != tls.troubles() {
                        publish(&told, |_| tls.certificates());
                    }
                    if !settings.is_empty() {
                        swapped();
                    }
                }
            }
            let certificates = [keys.current().certificates(), told.borrow().dated.clone()].concat();
            written.write(&certificates, clock.now());
            answer(asking);
        }
    }
}

/// Publishes what follows what was published last, and logs what is refused for the first time.
fn publish(told: &watch::Sender<Arc<Certificates>>, next: impl FnOnce(&Certificates) -> Certificates) {
    told.send_modify(|before| {
        let next = next(before);
        next.refused.iter().filter(|trouble| !before.refused.contains(trouble)).for_each(files::log);
        *before = Arc::new(next);
    });
}

/// Answers the caller that waits, who may have gone.
fn answer(asking: Option<oneshot::Sender<()>>) {
    if let Some(asking) = asking {
        let _ = asking.send(());
    }
}
