//! One more source of keys: this file, and its line in the list. Nothing else knows of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};

use super::{KeyMaterial, KeySource, Kind, LoadError, Reader};
use crate::clock::{Clock, Timestamp};
use crate::config::section::Section;
use crate::config::value::text;
use crate::crypto::rsa::{Keeper, PrivateKey, SignatureAlgorithm};
use crate::crypto::{base64, jwe};
use crate::error::{Code, Error, Fault};
use crate::keys::promote::promote;
use crate::keys::{Location, Ring, Trouble};
use crate::mosip::envelope::{Policy, Sealed, open};
use crate::mosip::roles;
use crate::settings::Config;
use crate::tasks::key_watch;

/// A key in a token: `hsm = { token = "…", label = "…" }`.
pub(super) const KIND: Kind = Kind { setting: "hsm", read };

/// The tokens that are plugged in, by name.
static TOKENS: Mutex<BTreeMap<String, Arc<Keeper>>> = Mutex::new(BTreeMap::new());

fn read(section: &mut Section<'_>, _: &Path) -> Option<Arc<dyn KeySource>> {
    let mut hsm = section.section("hsm");
    let (token, label) = (hsm.required("token", text), hsm.required("label", text));
    hsm.finish();
    Some(Arc::new(Hsm { token: token?, label: label? }))
}

struct Hsm {
    token: String,
    label: String,
}

impl KeySource for Hsm {
    fn location(&self) -> Location {
        Location::Elsewhere(format!("key `{}` of token `{}`", self.label, self.token))
    }

    fn load(&self, _: &Reader, _: bool) -> Result<KeyMaterial, Trouble> {
        let refusal = |error: LoadError| Trouble::new(self.location(), &error, true);
        let keeper = TOKENS.lock().unwrap().get(&self.token).cloned();
        let keeper =
            keeper.ok_or_else(|| refusal(LoadError::Unavailable(format!("token `{}`", self.token))))?;
        let parsed =
            rsa::PrivateKey::from_pkcs8_pem(&std::fs::read_to_string(vector(&self.label, "key")).unwrap());
        let parsed = parsed.unwrap();
        let key = PrivateKey::from_pkcs8_der(parsed.to_pkcs8_der().unwrap().as_bytes()).unwrap();
        let key = promote(key.kept_by(&keeper), parsed.as_public_key()).map_err(refusal)?;
        Ok(KeyMaterial {
            keys: vec![key],
            ec_keys: Vec::new(),
            certificates: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn watched(&self) -> Vec<&Path> {
        Vec::new()
    }
}

fn vector(name: &str, part: &str) -> String {
    format!("{}/tests/vectors/keys/{name}.{part}.pem", env!("CARGO_MANIFEST_DIR"))
}

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// `own` beside the peer `mosip`, under the policy `unknown` for thumbprints.
fn settings(own: &str, unknown: &str) -> Result<Config, String> {
    let (partner, mosip) = (vector("partner", "crt"), vector("mosip", "crt"));
    let text = format!(
        "[keys]\nown = [{{ {own}, cert = \"{partner}\" }}, {{ file = \"{second}\", cert = \"{certificate}\" }}]\n\
         peers = [{{ name = \"mosip\", file = \"{mosip}\", unknown_thumbprint = \"{unknown}\" }}]\n",
        second = vector("ida", "key"),
        certificate = vector("ida", "crt"),
    );
    let read = |file: &Path| std::fs::read(file);
    Config::from_toml(&text, Path::new(""), &BTreeMap::new(), &read).map_err(|problems| problems.to_string())
}

fn in_token(token: &str) -> String {
    format!("hsm = {{ token = \"{token}\", label = \"partner\" }}")
}

fn plug_in(token: &'static str) -> Arc<Keeper> {
    let keeper = Keeper::there(token);
    TOKENS.lock().unwrap().insert(token.to_owned(), Arc::clone(&keeper));
    keeper
}

/// Opens a token for the certificate of `partner`, named by its thumbprint or not at all.
fn opened(ring: &Ring, is_named: bool) -> Result<Vec<u8>, Error> {
    let pem = std::fs::read(vector("partner", "crt")).unwrap();
    let partner = super::file::parse_certificates(&pem).unwrap().remove(0);
    let kid = is_named.then(|| partner.thumbprint().to_string());
    open_token(ring, &jwe::encrypt(partner.public_key(), kid.as_deref(), b"{}", false).unwrap())
}

fn open_token(ring: &Ring, token: &str) -> Result<Vec<u8>, Error> {
    let message = Sealed { data: token, signature: None, aad: &[], over: None };
    let policy = Policy { danger_accept_unsigned: true };
    open(ring, ring.peer("mosip").unwrap(), message, policy).map(|opened| opened.get().to_vec())
}

#[test]
fn a_key_of_another_source_signs_and_opens() {
    plug_in("there");
    let ring = Ring::load(&settings(&in_token("there"), "reject").unwrap().keys, NOW);
    assert!(ring.troubles().iter().all(|trouble| !trouble.fatal), "{:?}", ring.troubles());
    assert_eq!(opened(&ring, true).unwrap(), b"{}");
    let own = roles::signer(&ring, None, NOW).unwrap();
    assert_eq!(own.location.to_string(), "key `partner` of token `there`");
    assert_eq!(own.private.sign(SignatureAlgorithm::Rs256, &[b"message"]).unwrap().len(), 256);
}

#[test]
fn a_key_that_is_unavailable_when_it_is_loaded_is_neither_unknown_nor_wrong_and_no_other_key_signs_for_it() {
    for (unknown, is_named) in [("reject", true), ("try", true), ("try", false)] {
        let ring = Ring::load(&settings(&in_token("unplugged"), unknown).unwrap().keys, NOW);
        assert_eq!(ring.own().len(), 1, "{:?}", ring.troubles());
        let refused = opened(&ring, is_named).unwrap_err();
        assert_eq!((refused.code(), refused.fault()), (Code::KeyUnavailable, Fault::Keys), "{refused}");
        assert!(refused.code().retryable(), "{unknown} {is_named}");
        let refused = roles::signer(&ring, None, NOW).map(|own| own.location.to_string()).unwrap_err();
        assert_eq!(refused.fault(), Fault::Keys);
        assert!(refused.advice().contains("token `unplugged`"), "{}", refused.advice());
    }
}

#[test]
fn what_the_key_that_it_names_does_not_open_waits_for_no_other() {
    let ring = Ring::load(&settings(&in_token("unplugged"), "try").unwrap().keys, NOW);
    let there = &ring.own()[0];
    let kid = there.certificate.as_ref().unwrap().thumbprint().to_string();
    for (kid, code) in [(Some(kid.as_str()), Code::Decrypt), (None, Code::KeyUnavailable)] {
        let token = jwe::encrypt(there.private.public_key(), kid, b"{}", false).unwrap();
        let (head, _) = token.rsplit_once('.').unwrap();
        let altered = format!("{head}.{}", base64::encode_url(&[0; 16]));
        assert_eq!(open_token(&ring, &altered).unwrap_err().code(), code, "{kid:?}");
    }
}

#[tokio::test]
async fn a_key_that_comes_back_is_loaded_though_no_file_changed() {
    let keys = settings(&in_token("late"), "reject").unwrap().keys;
    let (watcher, keyring) = key_watch::watch(Arc::new(keys), Clock::fixed(NOW), Duration::from_hours(24));
    let running = tokio::spawn(watcher.allow_example_keys(true).run());
    let first = keyring.current();
    keyring.refresh().await;
    assert!(Arc::ptr_eq(&first, &keyring.current()), "nothing has changed");
    let keeper = plug_in("late");
    keyring.refresh().await;
    assert_eq!(opened(&keyring.current(), true).unwrap(), b"{}");
    assert!(keyring.current().troubles().iter().all(|trouble| !trouble.fatal));
    // From now on it is the key itself that says so.
    keeper.go_away();
    assert_eq!(opened(&keyring.current(), true).unwrap_err().code(), Code::KeyUnavailable);
    drop(keyring);
    running.await.unwrap();
}

#[test]
fn an_entry_names_one_place_and_each_source_knows_its_own_settings() {
    let refusal = |own: &str| settings(own, "reject").err().unwrap();
    let both = refusal("file = \"a.key\", hsm = { token = \"t\", label = \"l\" }");
    assert!(both.contains("keys.own[0].hsm: is set beside file; name one place"), "{both}");
    let neither = refusal("name = \"partner\"");
    assert!(neither.contains("keys.own[0].file: is missing"), "{neither}");
    let foreign = refusal("hsm = { token = \"t\", label = \"l\" }, password_file = \"p\"");
    assert!(foreign.contains("keys.own[0].password_file: is not a setting"), "{foreign}");
    let misspelt = refusal("hsm = { token = \"t\", lable = \"l\" }");
    assert!(misspelt.contains("keys.own[0].hsm.lable: is not a setting; did you mean label?"), "{misspelt}");
}
