//! `[credentials]` as it is read at start: contexts from their folder, issuers from their certificates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Code, Error, Result};
use crate::keys::source::file::parse_certificates;
use crate::mosip::credential::contexts::PinError;
use crate::mosip::credential::{Contexts, Credentials, Issuer, ProofKind, w3c};
use crate::regular;
use crate::settings;

/// Largest context or certificate, bytes.
const LARGEST: u64 = 1 << 20;
/// How each refusal begins.
const BEGIN: &str = "credentials cannot be verified: ";
/// Maps URLs to files of the folder.
const INDEX: &str = "index.toml";

/// Reads what `settings` names. [`Code::Keys`] naming the setting or the file that is missing or wrong: then no credential can be
/// verified before a new start, and everything else goes on.
pub(crate) fn load(settings: &settings::Credentials) -> Result<Credentials> {
    examine(settings).map_err(first)
}

/// As [`load`], with every trouble of the section: one for each setting and file that is missing or wrong. Never none.
pub(crate) fn examine(settings: &settings::Credentials) -> Result<Credentials, Vec<Error>> {
    let (mut issuers, mut troubles) = (Vec::new(), Vec::new());
    if settings.issuers.is_empty() {
        troubles.push(match settings.without_issuer.as_slice() {
            [] => unset("issuers", "Add the certificate that MOSIP signs credentials with"),
            methods => unset("issuers", &format!("Add each of {} with its certificate", methods.join(", "))),
        });
    }
    for outcome in settings.issuers.iter().map(issuer) {
        match outcome {
            Ok(issuer) => issuers.push(issuer),
            Err(error) => troubles.push(error),
        }
    }
    let contexts = match (&settings.contexts_dir, settings.context.is_empty()) {
        (Some(folder), false) => contexts(folder, &settings.context).map(Some),
        // The proof beside a credential needs none. A credential that holds a proof, too, waits for them.
        (None, true) if !settings.require.contains(&ProofKind::Embedded) => Ok(None),
        (None, _) => {
            Err(unset("contexts_dir", "Name the folder of the JSON-LD contexts and their index.toml"))
        }
        (Some(_), true) => Err(unset("context", "Write what @context of MOSIP's credentials holds")),
    };
    match contexts {
        Ok(contexts) if troubles.is_empty() => Ok(Credentials {
            contexts,
            issuers,
            require: settings.require.clone(),
            danger_accept_jcs: settings.danger_accept_jcs,
            danger_accept_hub_alone: settings.danger_accept_hub_alone,
        }),
        contexts => {
            troubles.extend(contexts.err());
            Err(troubles)
        }
    }
}

/// The first trouble, where only one can be shown.
pub(crate) fn first(troubles: Vec<Error>) -> Error {
    let unknown = || Error::new(Code::Bug, "credentials cannot be verified, and nothing says why");
    troubles.into_iter().next().unwrap_or_else(unknown)
}

/// `refusal` where it stands under the name of the section, which says by itself what cannot be verified.
pub(crate) fn reason(refusal: &Error) -> &str {
    refusal.detail().strip_prefix(BEGIN).unwrap_or(refusal.detail())
}

fn unset(name: &str, how: &str) -> Error {
    Error::new(Code::Keys, format!("{BEGIN}credentials.{name} is not set"))
        .advise(format!("{how}, and start the gateway again."))
}

/// The contexts of the W3C and those of `folder`, of which `context` is what a credential names. A file of the folder stands in the place of
/// a document of the W3C under the same URL.
pub(crate) fn contexts(folder: &Path, context: &[Value]) -> Result<Contexts> {
    let place = folder.join(INDEX);
    let index: BTreeMap<String, String> = std::str::from_utf8(&read(&place)?)
        .ok()
        .and_then(|text| toml::from_str(text).ok())
        .ok_or_else(|| wrong(&place, "does not map URLs to names of files"))?;
    let mut documents = w3c::documents();
    for (url, file) in index {
        documents.insert(url, read(&folder.join(file))?);
    }
    Contexts::pin(documents, context.to_vec()).map_err(|error| match error {
        PinError::Missing(url) => {
            wrong(&place, &format!("names no file for {url}, which the contexts demand"))
        }
        error => wrong(folder, &format!("cannot be used: {error}")),
    })
}

/// The certificate of an issuer.
pub(crate) fn issuer(settings: &settings::credentials::Issuer) -> Result<Issuer> {
    let settings::credentials::Issuer { verification_method, file, history } = settings;
    let certificates = parse_certificates(&read(file)?).unwrap_or_default();
    let mut own = certificates.iter().filter(|certificate| !certificate.is_ca());
    let certificate = own
        .next()
        .or(certificates.first())
        .cloned()
        .ok_or_else(|| wrong(file, "holds no certificate with an RSA key"))?;
    Ok(Issuer { verification_method: verification_method.clone(), certificate, history: *history })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    regular::read_bounded(file, LARGEST)
        .map(|mut bytes| std::mem::take(&mut *bytes))
        .map_err(|error| wrong(file, &format!("cannot be read: {}", regular::reason(&error))))
}

fn wrong(file: &Path, what: &str) -> Error {
    // Its name and its folder's: whoever reads this has the configuration.
    let mut parts: Vec<_> = file.iter().rev().take(2).collect();
    parts.reverse();
    let file: PathBuf = parts.into_iter().collect();
    Error::new(Code::Keys, format!("{BEGIN}{} {what}", file.display()))
        .advise("Correct the file, and start the gateway again.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;

    fn settings() -> settings::Credentials {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        settings::Credentials {
            contexts_dir: Some(vectors.join("contexts")),
            context: vec![
                json!("https://www.w3.org/2018/credentials/v1"),
                json!("https://api.example.org/.well-known/mosip-context.json"),
                json!({ "sec": "https://w3id.org/security#" }),
            ],
            issuers: vec![settings::credentials::Issuer {
                verification_method: "https://api.example.org/.well-known/public-key.json".to_owned(),
                file: vectors.join("keys/issuer.crt.pem"),
                history: false,
            }],
            without_issuer: Vec::new(),
            require: vec![ProofKind::Event, ProofKind::Embedded],
            data_share: None,
            danger_accept_jcs: false,
            danger_accept_hub_alone: false,
        }
    }

    fn refusal(settings: &settings::Credentials) -> String {
        let error = load(settings).err().unwrap();
        assert_eq!(error.code(), Code::Keys);
        error.detail().to_owned()
    }

    fn verifies(settings: &settings::Credentials) -> bool {
        let credentials = load(settings).unwrap_or_else(|error| panic!("{error}"));
        let vectors = std::fs::read("tests/vectors/vc.json").unwrap();
        let vectors: Value = serde_json::from_slice(&vectors).unwrap();
        let now = Timestamp::from_seconds(1_795_700_000);
        credentials.verify(&vectors["cases"][0]["credential"], now).is_ok()
    }

    #[test]
    fn what_is_configured_verifies_a_credential_of_mosip() {
        assert!(verifies(&settings()));
    }

    #[test]
    fn the_folder_needs_the_documents_of_the_deployment_alone_and_its_files_count_before_those_of_the_w3c() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
        let own = r#""https://api.example.org/.well-known/mosip-context.json" = "mosip-context.json""#;
        write("index.toml", own.as_bytes());
        write("mosip-context.json", &std::fs::read("tests/vectors/contexts/mosip-context.json").unwrap());
        let settings = settings::Credentials { contexts_dir: Some(folder.path().to_owned()), ..settings() };
        assert!(verifies(&settings));
        // Its terms mean something else.
        let known = std::fs::read_to_string("tests/vectors/contexts/credentials-v1.jsonld").unwrap();
        write("other.jsonld", known.replace("2018/credentials#", "2018/others#").as_bytes());
        let with = format!("{own}\n\"https://www.w3.org/2018/credentials/v1\" = \"other.jsonld\"\n");
        write("index.toml", with.as_bytes());
        assert!(!verifies(&settings));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let unset = settings::Credentials { contexts_dir: None, ..settings() };
        assert!(refusal(&unset).contains("credentials.contexts_dir"));
        let unset = settings::Credentials { context: Vec::new(), ..settings() };
        assert!(refusal(&unset).contains("credentials.context "));
        let unset = settings::Credentials { issuers: Vec::new(), ..settings() };
        assert!(refusal(&unset).contains("credentials.issuers"));
        let gone = settings::Credentials { contexts_dir: Some(PathBuf::from("nowhere")), ..settings() };
        assert!(refusal(&gone).contains("nowhere/index.toml"));
        let unmapped = settings::Credentials { context: vec![json!("https://a.example/c")], ..settings() };
        assert!(refusal(&unmapped).contains("https://a.example/c"));
        let mut wrong = settings();
        wrong.issuers[0].file = PathBuf::from("Cargo.toml");
        assert!(refusal(&wrong).contains("Cargo.toml holds no certificate"));
        wrong.contexts_dir = Some(PathBuf::from("nowhere"));
        let all = examine(&wrong).err().unwrap();
        let all: Vec<_> = all.iter().map(Error::detail).collect();
        assert!(all.len() == 2 && all[0].contains("Cargo.toml") && all[1].contains("nowhere"), "{all:?}");
    }
}
