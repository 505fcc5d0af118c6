//! `seal`, `open`, `sign`, `verify`: the primitives of the plain API over files, with the keys of the configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value};

use super::input::{self, ConfigFile};
use super::outcome::{self, Failure, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::crypto::base64;
use crate::gateway;
use crate::keys::Ring;
use crate::mosip::credential::{self, Verdict};
use crate::mosip::envelope::{Flavour, Format, Policy, SignOver};
use crate::mosip::primitives;
use crate::mosip::signature::Form;
use crate::settings::Config;

/// What all four take.
#[derive(Args)]
pub(super) struct Given {
    #[command(flatten)]
    config: ConfigFile,
    /// Answers and refusals as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// The file that is read; standard input where it is absent or `-`.
    file: Option<PathBuf>,
}

/// Arguments of `seal`.
#[derive(Args)]
pub(super) struct Seal {
    /// Peer that is sealed to.
    #[arg(long, value_name = "PEER")]
    to: String,
    /// Layout: ver_r2 or legacy.
    #[arg(long, default_value = "ver_r2", value_parser = word::<Format>)]
    format: Format,
    /// What is signed: envelope, plaintext or none.
    #[arg(long, default_value = "envelope", value_parser = word::<SignOver>)]
    sign: SignOver,
    /// Alphabet: standard (padded) or url (unpadded).
    #[arg(long, default_value = "standard", value_parser = word::<Flavour>)]
    base64: Flavour,
    /// Own key that signs; by default the first with use sign.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    pub(super) given: Given,
}

impl Seal {
    pub(super) fn run(&self) -> Outcome {
        let keys = Keys::load(&self.given)?;
        let plaintext = input::read(self.given.file())?;
        if plaintext.is_empty() {
            let what = self.given.file().filter(|path| *path != Path::new("-"));
            let what = what.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
            writeln!(std::io::stderr(), "mosip-gateway: {what} is empty, so an empty plaintext is sealed")
                .map_err(Failure::environment)?;
        }
        let asked = primitives::Seal {
            to: self.to.clone(),
            format: self.format,
            sign: self.sign,
            base64: self.base64,
            key: self.key.clone(),
        };
        outcome::print_json(&asked.seal(&keys.ring, keys.now, &plaintext)?)
    }
}

/// Arguments of `open`.
#[derive(Args)]
pub(super) struct Open {
    /// Peer whose message it is; by default the only one that is configured.
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// What the sender bound to a legacy envelope.
    #[arg(long, value_name = "BASE64")]
    aad: Option<String>,
    /// The signature beside an envelope that is not in a JSON object.
    #[arg(long, value_name = "BASE64")]
    signature: Option<String>,
    #[command(flatten)]
    pub(super) given: Given,
}

#[derive(Serialize)]
struct Opened {
    payload_b64: String,
    key: Option<String>,
    verified: &'static str,
}

impl Open {
    pub(super) fn run(&self) -> Outcome {
        let keys = Keys::load(&self.given)?;
        let mut asked = primitives::Open::from_bytes(&input::read(self.given.file())?)?;
        asked.from = self.from.clone().or(asked.from);
        asked.aad = self.aad.clone().or(asked.aad);
        asked.signature = self.signature.clone().or(asked.signature);
        let opened = asked.open(&keys.ring, keys.policy)?;
        let key = opened.key().map(|key| key.to_string());
        let verified = opened.evidence().as_str();
        if self.given.json {
            return outcome::print_json(&Opened { payload_b64: base64::encode(opened.get()), key, verified });
        }
        let key = key.as_deref().unwrap_or("without a certificate");
        writeln!(std::io::stderr(), "key: {key}\nverified: {verified}").map_err(Failure::environment)?;
        outcome::print(opened.get())
    }
}

/// Arguments of `sign`.
#[derive(Args)]
pub(super) struct Sign {
    /// What is written: jws-detached, jws or raw-sha512.
    #[arg(long, value_parser = word::<Form>)]
    form: Form,
    /// Own key that signs; by default the first with use sign.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    pub(super) given: Given,
}

impl Sign {
    pub(super) fn run(&self) -> Outcome {
        let keys = Keys::load(&self.given)?;
        let payload = input::read(self.given.file())?;
        let asked = primitives::Sign { form: self.form, key: self.key.clone() };
        outcome::print_json(&asked.sign(&keys.ring, keys.now, &payload)?)
    }
}

/// Arguments of `verify`.
#[derive(Args)]
pub(super) struct Verify {
    /// Peer whose token it is; by default the only one that is configured.
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// The payload of a detached token.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The file holds a credential: its proof is verified by the contexts and issuers of `[credentials]`.
    #[arg(long, conflicts_with_all = ["from", "payload"])]
    credential: bool,
    #[command(flatten)]
    pub(super) given: Given,
}

impl Verify {
    pub(super) fn run(&self) -> Outcome {
        if self.credential {
            let bytes = input::read(self.given.file())?;
            return outcome::print_json(&verify_credential(&self.given.config, &bytes)?);
        }
        let keys = Keys::load(&self.given)?;
        let mut asked = primitives::Verify::from_bytes(&input::read(self.given.file())?)?;
        asked.from = self.from.clone().or(asked.from);
        if let Some(file) = &self.payload {
            (asked.payload, asked.payload_b64) = (None, Some(base64::encode(&input::read(Some(file))?)));
        }
        outcome::print_json(&asked.verify(&keys.ring, keys.now)?)
    }
}

/// What the proof inside a credential says, by the configuration.
pub(super) fn verify_credential(config: &ConfigFile, bytes: &[u8]) -> Result<Verdict, Failure> {
    let settings = config.load_with_credentials()?.credentials;
    let credential = credential::read(bytes)?;
    let credentials = gateway::credentials::load(&settings)?;
    Ok(credentials.verify(&credential, Clock::system().now())?.into())
}

/// The keys of the configuration, loaded as `serve` loads them.
struct Keys {
    ring: Ring,
    policy: Policy,
    now: Timestamp,
}

impl Keys {
    fn load(given: &Given) -> Result<Self, Failure> {
        let Config { keys, envelope, .. } = given.config.load_local()?;
        let now = Clock::system().now();
        let policy = Policy { danger_accept_unsigned: envelope.danger_accept_unsigned };
        Ok(Self { ring: Ring::load(&keys, now), policy, now })
    }
}

impl Given {
    fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// One of the words that the plain API knows for a `T`.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, value::Error> {
    T::deserialize(text.into_deserializer())
}
