//! `serve`

use std::convert::Infallible;
use std::hint::black_box;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use sd_notify::NotifyState;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::confine;
use super::input::{ConfigFile, variables};
use super::outcome::{Failure, Outcome};
use crate::faces::Reload;
use crate::gateway::{Gateway, StartError};
use crate::http::activation::Sockets;
use crate::telemetry;

/// How long threads that read or write have to end after the drain, so that the process ends five seconds after it.
const AFTER_DRAIN: Duration = Duration::from_secs(4);

/// The exit code after a defect of the program (`EX_SOFTWARE`).
const DEFECT: u8 = 70;

/// Arguments of `serve`.
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    /// Accepts the published keys of `keys.example`. Never in production.
    #[arg(long)]
    allow_example_keys: bool,
    /// Leaves what the process may write to the permissions of files, where a kernel with Landlock would confine it.
    #[arg(long)]
    danger_unconfined: bool,
}

impl Serve {
    pub(super) fn run(&self) -> Outcome {
        let config = self.config.load()?;
        let level = config.telemetry.level.clone();
        telemetry::override_level(&level, variables().get(telemetry::LEVEL_VARIABLE).map(String::as_str))
            .map_err(|error| Failure::Usage(error.to_string()))?;
        telemetry::init(level).map_err(Failure::environment)?;
        keep_memory();
        let sockets = Sockets::from_environment().map_err(Failure::environment)?;
        if self.danger_unconfined {
            tracing::warn!(
                "--danger-unconfined: the permissions of files alone say what the gateway may write"
            );
        } else {
            // It holds for threads that are started after it.
            confine::confine(&config);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(listener_threads())
            .enable_all()
            .build()
            .map_err(Failure::environment)?;
        let outcome = runtime.block_on(async {
            // From now on one ends nothing, also while the gateway starts.
            let hangups = signal(SignalKind::hangup());
            let bound =
                Gateway::bind_with(config, self.allow_example_keys, sockets).await.map_err(
                    |error| match error {
                        StartError::Refused(error) => Failure::Refused(error),
                        StartError::Listener(_) => Failure::environment(error),
                    },
                );
            let gateway = bound?;
            tracing::info!(version = env!("CARGO_PKG_VERSION"), "the gateway starts");
            let reload = gateway.reload();
            let stopped = wait_for_stop_signal();
            tell([NotifyState::Ready]);
            let shutdown = async {
                stopped.await;
                tell([NotifyState::Stopping]);
            };
            let ended = tokio::select! {
                ended = gateway.run(shutdown) => ended,
                never = reload_at_signals(hangups, reload) => match never {},
            };
            if let Err(ended) = ended {
                tracing::error!("{ended}");
                return Ok(ExitCode::from(DEFECT));
            }
            tracing::info!("the gateway has stopped");
            Ok(ExitCode::SUCCESS)
        });
        // Threads that still wait for a file or a disk that does not answer are abandoned.
        runtime.shutdown_timeout(AFTER_DRAIN);
        outcome
    }
}

/// Tells systemd how the service stands (`sd_notify(3)`), where `NOTIFY_SOCKET` says that it listens. Once the listeners are bound, the gateway is
/// ready: whoever connects is served.
fn tell(states: impl IntoIterator<Item = NotifyState<'static>>) {
    let states: Vec<_> = states.into_iter().collect();
    if let Err(error) = sd_notify::notify(&states) {
        tracing::warn!(%error, "systemd cannot be told how the service stands");
    }
}

/// The memory of a message stays with its thread for the next one. glibc would give it back to the system whenever 128 KiB are free, and
/// take it again page by page. It waits for twice the size of the largest block that was freed (`mallopt(3)`, `M_MMAP_THRESHOLD`).
fn keep_memory() {
    drop(black_box(Vec::<u8>::with_capacity(1 << 20)));
}

/// The number of threads for the listeners: half of the cores. The private-key operation of a message has threads of its own (`pool`) and
/// costs several times as much as the work of the listeners, and idle threads wake each other (`benches/README.md`).
fn listener_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Reads keys and certificates again at each SIGHUP, and tells systemd when it begins, by the clock `CLOCK_MONOTONIC`, and that it is done. Where no
/// handler could be installed, it says so and waits.
async fn reload_at_signals(hangups: io::Result<Signal>, reload: Reload) -> Infallible {
    match hangups {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                tell([NotifyState::Reloading].into_iter().chain(NotifyState::monotonic_usec_now()));
                reload.now("SIGHUP").await;
                tell([NotifyState::Ready]);
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP cannot be taken; POST /v1/keys/reload does the same"),
    }
    std::future::pending().await
}

/// Waits for SIGTERM or Ctrl-C, which end nothing else from this call on. It never returns where no handler can be installed.
pub(super) fn wait_for_stop_signal() -> impl Future<Output = ()> {
    let handlers = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut term), Ok(mut interrupt)) = handlers else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
