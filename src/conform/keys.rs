//! The keys of both sides, from the folder of a development key set.

use std::collections::BTreeMap;
use std::path::Path;

use super::{CannotRun, Plan, Registration};
use crate::clock::Clock;
use crate::keys::Ring;
use crate::settings::Config;
use crate::simulator::Settings;

/// The gateway's side of a key set.
const CONFIG: &str = r#"
[listen]
internal = "127.0.0.1:0"

[keys]
own = [{ name = "partner", file = "keystore.p12", password_file = "keystore.password", use = ["sign", "decrypt"] },
       { file = "opencrvs-priv.key", cert = "opencrvs-pub.key", use = ["decrypt"] }]
peers = [{ name = "mosip", file = "mosip-public.key", unknown_thumbprint = "try" },
         { name = "ida", file = "ida-partner.crt" },
         { name = "ida-sign", file = "ida-sign.crt" }]
"#;

/// Keys and registrations of both sides.
pub(super) struct Keys {
    /// MOSIP's side and OpenCRVS's, as the simulator needs them.
    pub(super) theirs: Settings,
    /// The gateway's side.
    pub(super) ours: Ring,
}

impl Keys {
    pub(super) fn read(plan: &mut Plan) -> Result<Self, CannotRun> {
        let mut theirs = Settings::from_key_set(&plan.keys)?;
        std::mem::take(&mut plan.registration).apply(&mut theirs);
        let dir = std::path::absolute(&plan.keys).map_err(|error| CannotRun::Keys(error.to_string()))?;
        let variables = BTreeMap::from([("MOSIP_GATEWAY__KEYS__DIR".to_owned(), dir.display().to_string())]);
        let config = Config::from_toml(CONFIG, Path::new(""), &variables, &|path| std::fs::read(path))
            .map_err(|problems| CannotRun::Keys(problems.to_string()))?;
        let ours = Ring::load(&config.keys, Clock::system().now());
        match ours.troubles().iter().find(|trouble| trouble.fatal) {
            Some(trouble) => Err(CannotRun::Keys(trouble.to_string())),
            None => Ok(Self { theirs, ours }),
        }
    }
}

impl Registration {
    fn apply(self, theirs: &mut Settings) {
        let Self { client_id, client_secret, partner_id, licence_key, api_key } = self;
        let (client, ida) = (&mut theirs.client, &mut theirs.ida);
        put(client_id, &mut client.id);
        put(client_secret, &mut client.secret);
        put(partner_id, &mut ida.partner_id);
        put(licence_key, &mut ida.license_key);
        put(api_key, &mut ida.api_key);
    }
}

fn put<T>(given: Option<T>, used: &mut T) {
    if let Some(given) = given {
        *used = given;
    }
}
