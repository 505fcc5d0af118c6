//! `seal`, `open`, `sign`, `verify`: the primitives of the plain API over files, with the keys of the configuration.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
use crate::tasks::key_watch;

/// The arguments that all four commands have.
#[derive(Args)]
pub(super) struct CommonArguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Prints answers and refusals as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// The file to read; standard input where it is absent or `-`.
    file: Option<PathBuf>,
}

/// Arguments of `seal`.
#[derive(Args)]
pub(super) struct Seal {
    /// The peer to seal to.
    #[arg(long, value_name = "PEER")]
    to: String,
    /// Layout: ver_r2 or legacy.
    #[arg(long, default_value = "ver_r2", value_parser = parse_word::<Format>)]
    format: Format,
    /// What is signed: envelope, plaintext or none.
    #[arg(long, default_value = "envelope", value_parser = parse_word::<SignOver>)]
    sign: SignOver,
    /// Alphabet: standard (padded) or url (unpadded).
    #[arg(long, default_value = "standard", value_parser = parse_word::<Flavour>)]
    base64: Flavour,
    /// Own key that signs; by default the first with use sign.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    pub(super) common: CommonArguments,
}

impl Seal {
    pub(super) fn run(&self) -> Outcome {
        let keys = Keys::load(&self.common)?;
        let plaintext = input::read(self.common.file())?;
        if plaintext.is_empty() {
            let what = self.common.file().filter(|path| *path != Path::new("-"));
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
    /// The peer that sent the message; by default the only one that is configured.
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// The additional data (AAD) that the sender bound to a legacy envelope.
    #[arg(long, value_name = "BASE64")]
    aad: Option<String>,
    /// The signature beside an envelope that is not in a JSON object.
    #[arg(long, value_name = "BASE64")]
    signature: Option<String>,
    #[command(flatten)]
    pub(super) common: CommonArguments,
}

#[derive(Serialize)]
struct Opened {
    payload_b64: String,
    key: Option<String>,
    verified: &'static str,
}

impl Open {
    pub(super) fn run(&self) -> Outcome {
        let keys = Keys::load(&self.common)?;
        let message = input::read(self.common.file())?;
        let mut asked = primitives::Open::from_bytes(&message)?;
        asked.from = self.from.clone().or(asked.from);
        asked.aad = self.aad.clone().or(asked.aad);
        asked.signature = self.signature.clone().or(asked.signature);
        let opened = asked.open(&keys.ring, keys.policy)?;
        let key = opened.key().map(|key| key.to_string());
        let verified = opened.evidence().as_str();
        if self.common.json {
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
    /// Form of the signature: jws-detached, jws or raw-sha512.
    #[arg(long, value_parser = parse_word::<Form>)]
    form: Form,
    /// Own key that signs; by default the first with use sign.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    pub(super) common: CommonArguments,
}

impl Sign {
    pub(super) fn run(&self) -> Outcome {
        let keys = Keys::load(&self.common)?;
        let payload = input::read(self.common.file())?;
        let asked = primitives::Sign { form: self.form, key: self.key.clone() };
        outcome::print_json(&asked.sign(&keys.ring, keys.now, &payload)?)
    }
}

/// Arguments of `verify`.
#[derive(Args)]
pub(super) struct Verify {
    /// The peer that signed the token; by default the only one that is configured.
    #[arg(long, value_name = "PEER")]
    from: Option<String>,
    /// The payload of a detached token.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The file holds a credential. Its proof is verified with the contexts and issuers of `[credentials]`.
    #[arg(long, conflicts_with_all = ["from", "payload"])]
    credential: bool,
    #[command(flatten)]
    pub(super) common: CommonArguments,
}

impl Verify {
    pub(super) fn run(&self) -> Outcome {
        if self.credential {
            let bytes = input::read(self.common.file())?;
            return outcome::print_json(&verify_credential(&self.common.config, &bytes)?);
        }
        let keys = Keys::load(&self.common)?;
        let mut asked = primitives::Verify::from_bytes(&input::read(self.common.file())?)?;
        asked.from = self.from.clone().or(asked.from);
        if let Some(file) = &self.payload {
            (asked.payload, asked.payload_b64) = (None, Some(base64::encode(&input::read(Some(file))?)));
        }
        outcome::print_json(&asked.verify(&keys.ring, keys.now)?)
    }
}

/// Verifies the proof inside a credential by the configuration.
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
    fn load(common: &CommonArguments) -> Result<Self, Failure> {
        let Config { keys, envelope, .. } = common.config.load_local()?;
        let now = Clock::system().now();
        let policy = Policy { danger_accept_unsigned: envelope.danger_accept_unsigned };
        Ok(Self { ring: key_watch::load(Arc::new(keys), now), policy, now })
    }
}

impl CommonArguments {
    fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// Reads a word as the plain API reads it.
fn parse_word<T: DeserializeOwned>(text: &str) -> Result<T, value::Error> {
    T::deserialize(text.into_deserializer())
}
