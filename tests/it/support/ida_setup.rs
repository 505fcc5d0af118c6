//! A gateway beside the simulator, and persons whom its IDA knows.

use std::path::Path;

use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, Behaviour, Settings, Simulator, Tls};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::gateway::{Running, json as read};
use super::world::urls;

/// Leila Karim's.
pub(crate) const UIN: &str = "4152630978";

pub(crate) struct World {
    pub(crate) simulator: simulator::Running,
    pub(crate) gateway: Running,
}

impl World {
    /// Settings of `set` go over those of the example.
    pub(crate) async fn start(set: &[(&str, &str)]) -> Self {
        let simulator = simulator(None).await;
        let ida = format!("{}/idauthentication/v1", simulator.base_url);
        let mosip = urls(&simulator.base_url);
        let mut all = vec![("UPSTREAM__IDA__URL", ida.as_str())];
        all.extend(mosip.iter().map(|(name, url)| (*name, url.as_str())));
        all.extend(set);
        let gateway = Running::start(&all).await;
        Self { simulator, gateway }
    }

    /// Posts JSON to the plain API.
    pub(crate) async fn post(&self, route: &str, body: &Value) -> (u16, Value) {
        read(self.gateway.call(route, "application/json", &body.to_string()).await)
    }

    /// `/v1/ida/…`
    pub(crate) async fn call(&self, service: &str, body: &Value) -> (u16, Value) {
        call(&self.gateway, service, body).await
    }

    /// How MOSIP's side behaves from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.simulator.controls.set(behaviour);
    }

    /// The code of each call that came to IDA; none: it answered.
    pub(crate) fn codes(&self) -> Vec<Option<String>> {
        self.simulator.history.record().ida.into_iter().map(|call| call.code).collect()
    }
}

/// MOSIP's side on a port of its own, with TLS or without.
pub(crate) async fn simulator(tls: Option<Tls>) -> simulator::Running {
    simulator_with(|settings| settings.tls = tls).await
}

/// The same under other settings than those of the example keys.
pub(crate) async fn simulator_with(change: impl FnOnce(&mut Settings)) -> simulator::Running {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    change(&mut settings);
    Simulator::start(settings, Clock::system()).await.unwrap()
}

/// The files that the example's configuration names, in a folder of their own, to be replaced there.
pub(crate) fn copy_of_the_example_keys() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "keystore.p12",
        "keystore.password",
        "opencrvs-priv.key",
        "opencrvs-pub.key",
        "mosip-public.key",
        "ida-partner.crt",
        "ida-sign.crt",
    ] {
        std::fs::copy(Path::new("keys.example").join(name), dir.path().join(name)).unwrap();
    }
    dir
}

/// `/v1/ida/…` of `gateway`.
pub(crate) async fn call(gateway: &Running, service: &str, body: &Value) -> (u16, Value) {
    read(gateway.call(&format!("/v1/ida/{service}"), "application/json", &body.to_string()).await)
}

/// Leila Karim, as `/v1/ida/auth` asks about her.
pub(crate) fn person() -> Value {
    json!({
        "individualId": UIN, "individualIdType": "UIN", "consent": true,
        "demographics": {"name": [{"language": "eng", "value": "Leila Karim"}], "dob": "1990/03/14"},
    })
}

/// That it is this problem, (status, code, fault), and no verdict.
pub(crate) fn assert_problem((status, problem): (u16, Value), wanted: (u16, &str, &str), why: &str) -> Value {
    let found = (status, problem["code"].as_str().unwrap(), problem["fault"].as_str().unwrap());
    assert_eq!(found, wanted, "{why}: {problem}");
    assert!(!problem.to_string().contains("authStatus"), "{why}: {problem}");
    problem
}
