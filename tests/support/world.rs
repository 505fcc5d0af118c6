//! Gateway, simulator and mediator, each on ports of its own.

use std::path::Path;

use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, Callback, Settings, Simulator, Tls};
use tokio::net::TcpListener;

use super::gateway;
use super::mediator::Mediator;

pub(crate) struct World {
    pub(crate) simulator: simulator::Running,
    pub(crate) gateway: gateway::Running,
    pub(crate) mediator: Mediator,
}

/// What differs from loopback http and the example configuration.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// Certificate of MOSIP's side, which then speaks TLS.
    pub(crate) mosip_tls: Option<Tls>,
    /// The roots (PEM) by which MOSIP's side knows the callback listener, which then speaks TLS.
    pub(crate) callback_roots: Option<&'a str>,
    /// Further settings of the gateway, as for [`gateway::Running::start`].
    pub(crate) set: Vec<(&'a str, &'a str)>,
}

impl World {
    pub(crate) async fn start(setup: Setup<'_>) -> Self {
        let mediator = Mediator::start();
        // The simulator must know the callback before the gateway stands, and the gateway the simulator.
        let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback = reserved.local_addr().unwrap().to_string();
        let scheme = if setup.callback_roots.is_some() { "https" } else { "http" };
        let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        settings.tls = setup.mosip_tls;
        settings.callback = Some(Callback {
            url: format!("{scheme}://{callback}/birthReceiveNid").parse().unwrap(),
            roots_pem: setup.callback_roots.map(|pem| pem.as_bytes().to_vec()),
        });
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();

        let mosip = |path: &str| format!("{}{path}", simulator.base_url);
        let token = mosip("/auth/realms/mosip/protocol/openid-connect/token");
        let [birth, death, aid] =
            ["birth", "death", "generateAid"].map(|route| mosip(&format!("/opencrvs/v1/{route}")));
        let mut set = vec![
            ("LISTEN__CALLBACK", callback.as_str()),
            ("UPSTREAM__TOKEN__URL", &token),
            ("UPSTREAM__MEDIATOR__BIRTH", &birth),
            ("UPSTREAM__MEDIATOR__DEATH", &death),
            ("UPSTREAM__MEDIATOR__AID", &aid),
            ("DELIVER__URL", &mediator.url),
        ];
        set.extend(setup.set);
        drop(reserved);
        let gateway = gateway::Running::start(&set).await;
        Self { simulator, gateway, mediator }
    }
}
