//! Gateway, simulator and mediator, each on ports of its own.

use std::path::Path;

use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, Behaviour, Callback, Settings, Simulator, Tls};

use super::gateway;
use super::mediator::Mediator;
use super::port::Port;

pub(crate) struct World {
    pub(crate) simulator: simulator::Running,
    pub(crate) gateway: gateway::Running,
    pub(crate) mediator: Mediator,
    _callback: Port,
}

/// What differs from loopback http and the example configuration.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// Certificate of MOSIP's side, which then speaks TLS.
    pub(crate) mosip_tls: Option<Tls>,
    /// The roots (PEM) by which MOSIP's side knows the callback listener, which then speaks TLS.
    pub(crate) callback_roots: Option<&'a str>,
    /// What MOSIP's side shows a callback that demands a certificate.
    pub(crate) callback_client: Option<Tls>,
    /// How MOSIP's side is from the start.
    pub(crate) behaviour: Behaviour,
    /// The gateway subscribes at the hub of MOSIP's side, for credentials, the status of packets and errors.
    pub(crate) hub: bool,
    /// Registrations go to MOSIP's side as packets.
    pub(crate) packets: bool,
    /// The gateway delivers to nobody.
    pub(crate) no_mediator: bool,
    /// The gateway confirms registrations in the OpenCRVS of that side.
    pub(crate) confirms: bool,
    /// As OpenCRVS 1.9 has it: registrations come by the face `mosip_api` and are confirmed there with the record token that each brings.
    pub(crate) record_tokens: bool,
    /// The gateway subscribes the webhooks of the OpenCRVS of that side, which finds it at this address, and asks its search.
    pub(crate) subscribes_at: Option<&'a str>,
    /// The gateway fetches credentials that the hub only names from the data share of MOSIP's side.
    pub(crate) shares: bool,
    /// Further settings of the gateway, as for [`gateway::Running::start`].
    pub(crate) set: Vec<(&'a str, &'a str)>,
}

impl World {
    pub(crate) async fn start(setup: Setup<'_>) -> Self {
        let mediator = Mediator::start();
        // The simulator must know the callback before the gateway stands, and the gateway the simulator.
        let port = Port::hold();
        let callback = port.address();
        let scheme = if setup.callback_roots.is_some() { "https" } else { "http" };
        let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        settings.tls = setup.mosip_tls;
        settings.callback = Some(Callback {
            url: format!("{scheme}://{callback}/birthReceiveNid").parse().unwrap(),
            roots_pem: setup.callback_roots.map(|pem| pem.as_bytes().to_vec()),
            client: setup.callback_client,
        });
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();

        simulator.controls.set(setup.behaviour);
        let mosip = urls(&simulator.base_url);
        let hub = setup.hub.then(|| Hub::beside(&simulator.base_url, &callback));
        let mut set: Vec<(&str, &str)> = vec![("LISTEN__CALLBACK", callback.as_str())];
        if !setup.no_mediator {
            set.push(("DELIVER__URL", &mediator.url));
        }
        set.extend(mosip.iter().map(|(name, url)| (*name, url.as_str())));
        if let Some(hub) = &hub {
            set.extend(hub.set());
        }
        let packets = if setup.packets { packets(&simulator.base_url) } else { Vec::new() };
        set.extend(packets.iter().map(|(name, value)| (*name, value.as_str())));
        let confirms = if setup.confirms { confirms(&simulator.base_url) } else { Vec::new() };
        set.extend(confirms.iter().map(|(name, value)| (*name, value.as_str())));
        let core = format!("{}/core", simulator.base_url);
        if setup.record_tokens {
            set.extend(by_record_tokens(&core));
        }
        let webhooks = setup.subscribes_at.map(|at| webhooks(&simulator.base_url, at)).unwrap_or_default();
        set.extend(webhooks.iter().map(|(name, value)| (*name, value.as_str())));
        set.extend(setup.set);
        let mut text = hub.as_ref().map_or(gateway::EXAMPLE, |hub| hub.text).to_owned();
        if setup.shares {
            text.push_str(&data_share(&simulator.base_url));
        }
        let gateway = gateway::Running::start_under(&text, &set).await;
        Self { simulator, gateway, mediator, _callback: port }
    }
}

/// The example of a gateway that subscribes.
const EXAMPLE: &str = include_str!("../../../deploy/example-hub.toml");

/// What a gateway is told that subscribes at the hub of a simulator.
pub(crate) struct Hub {
    /// The configuration.
    pub(crate) text: &'static str,
    variables: [(&'static str, String); 3],
}

impl Hub {
    /// The topic of credentials.
    pub(crate) const CREDENTIALS: &str = "opencrvs-partner/CREDENTIAL_ISSUED";
    /// The topic of errors.
    pub(crate) const ERRORS: &str = "REGISTRATION_ERRORS";
    /// Behind the address of the callback.
    pub(crate) const CALLBACK: &str = "/websub/callback/0123456789abcdef0123456789abcdef";

    /// Beside the simulator at `base_url`, with the callback listener at `callback`.
    pub(crate) fn beside(base_url: &str, callback: &str) -> Self {
        let variables = [
            ("WEBSUB__HUB_URL", format!("{base_url}/hub")),
            ("WEBSUB__CALLBACK_URL", format!("http://{callback}{}", Self::CALLBACK)),
            ("WEBSUB__TOKEN__URL", format!("{base_url}/auth/realms/mosip/protocol/openid-connect/token")),
        ];
        Self { text: EXAMPLE, variables }
    }

    /// Over that configuration.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

/// `[credentials.data_share]` beside a simulator at `base_url`.
fn data_share(base_url: &str) -> String {
    format!(
        r#"
[credentials.data_share]
url = "{base_url}/v1/datashare/"
token = {{ url = "{base_url}/auth/realms/mosip/protocol/openid-connect/token", client_id = "opencrvs", client_secret_env = "MOSIP_AUTH_CLIENT_SECRET" }}
"#
    )
}

/// The settings by which packets go to a simulator at `base_url`, with tokens of its authmanager.
pub(crate) fn packets(base_url: &str) -> Vec<(&'static str, String)> {
    let token = format!("{base_url}/v1/authmanager/authenticate/clientidsecretkey");
    let process = format!("{base_url}/registrationprocessor/v1/workflowmanager/workflowinstance");
    vec![
        ("UPSTREAM__PACKETS__CREATE", format!("{base_url}/commons/v1/packetmanager/createPacket")),
        ("UPSTREAM__PACKETS__PROCESS", process),
        ("UPSTREAM__PACKETS__CENTER_ID", "10123".to_owned()),
        ("UPSTREAM__PACKETS__MACHINE_ID", "10234".to_owned()),
        ("UPSTREAM__PACKETS__TOKEN__URL", token),
        ("UPSTREAM__PACKETS__TOKEN__KIND", "authmanager".to_owned()),
        ("UPSTREAM__PACKETS__TOKEN__APP_ID", "admin".to_owned()),
        ("UPSTREAM__PACKETS__TOKEN__CLIENT_ID", "opencrvs".to_owned()),
        ("UPSTREAM__PACKETS__TOKEN__CLIENT_SECRET_ENV", "MOSIP_AUTH_CLIENT_SECRET".to_owned()),
    ]
}

/// The settings by which registrations are confirmed in the OpenCRVS of a simulator at `base_url`.
pub(crate) fn confirms(base_url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("OPENCRVS__URL", format!("{base_url}/core")),
        ("OPENCRVS__AUTH_URL", format!("{base_url}/core/auth")),
        ("OPENCRVS__CLIENT_ID", "opencrvs".to_owned()),
        ("OPENCRVS__CLIENT_SECRET_ENV", "MOSIP_AUTH_CLIENT_SECRET".to_owned()),
        ("OPENCRVS__NATIONAL_ID_KEY", "VID".to_owned()),
    ]
}

/// The settings by which registrations are confirmed with the token that each brings, in the OpenCRVS at `core`, which has no client for us.
fn by_record_tokens(core: &str) -> [(&'static str, &str); 3] {
    [
        ("OPENCRVS__URL", core),
        ("FACES__MOSIP_API", "true"),
        ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem"),
    ]
}

/// The settings by which webhooks of the OpenCRVS of a simulator at `base_url` are subscribed for a gateway whose faces are at `at`, and by which
/// its search is asked.
pub(crate) fn webhooks(base_url: &str, at: &str) -> Vec<(&'static str, String)> {
    vec![
        ("FACES__LISTEN", at.to_owned()),
        ("FACES__WEBHOOKS", "true".to_owned()),
        ("OPENCRVS__WEBHOOKS__URL", format!("{base_url}/core")),
        ("OPENCRVS__WEBHOOKS__CALLBACK_URL", format!("http://{at}/webhooks")),
        ("OPENCRVS__AUTH_URL", format!("{base_url}/core/auth")),
        ("OPENCRVS__CLIENT_ID", "opencrvs".to_owned()),
        ("OPENCRVS__CLIENT_SECRET_ENV", "MOSIP_AUTH_CLIENT_SECRET".to_owned()),
        ("OPENCRVS__SEARCH__URL", format!("{base_url}/core")),
        ("OPENCRVS__SEARCH__CLIENT_ID", "opencrvs".to_owned()),
        ("OPENCRVS__SEARCH__CLIENT_SECRET_ENV", "MOSIP_AUTH_CLIENT_SECRET".to_owned()),
    ]
}

/// The settings that lead to a simulator at `base_url`.
pub(crate) fn urls(base_url: &str) -> Vec<(&'static str, String)> {
    let mediator = [
        ("UPSTREAM__MEDIATOR__BIRTH", "birth"),
        ("UPSTREAM__MEDIATOR__DEATH", "death"),
        ("UPSTREAM__MEDIATOR__BIRTH_CORRECTION", "birth-correction"),
        ("UPSTREAM__MEDIATOR__DEATH_CORRECTION", "death-correction"),
        ("UPSTREAM__MEDIATOR__BIRTH_REVOCATION", "birth-revocation"),
        ("UPSTREAM__MEDIATOR__DEATH_REVOCATION", "death-revocation"),
        ("UPSTREAM__MEDIATOR__AID", "generateAid"),
    ];
    let token = format!("{base_url}/auth/realms/mosip/protocol/openid-connect/token");
    mediator
        .into_iter()
        .map(|(name, route)| (name, format!("{base_url}/opencrvs/v1/{route}")))
        .chain([("UPSTREAM__TOKEN__URL", token)])
        .collect()
}
