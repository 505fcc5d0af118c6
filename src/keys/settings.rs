//! `[keys]`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::source::{self, KeySource};
use crate::config::section::Section;
use crate::config::value::{Complaint, complaint, path_under, text, word};
use crate::crypto::rsa::SignatureAlgorithm;

/// The shared volume that OpenCRVS documents.
const DEFAULT_DIR: &str = "/data/secrets/mosip";

/// As long as envelopes to a former certificate may be on their way.
const RETIRE_AFTER: Duration = Duration::from_hours(24);

/// The algorithms that a peer may sign with, unless `algs` names fewer.
const ALGS: [SignatureAlgorithm; 4] = [
    SignatureAlgorithm::Rs256,
    SignatureAlgorithm::Rs384,
    SignatureAlgorithm::Rs512,
    SignatureAlgorithm::Ps256,
];

/// `[keys]`
#[derive(Clone)]
pub struct Keys {
    /// The shared volume; default `/data/secrets/mosip`.
    pub dir: PathBuf,
    /// Our keys.
    pub own: Vec<OwnKey>,
    /// Their certificates.
    pub peers: Vec<Peer>,
    /// Refuse private key files that others can read (otherwise a warning).
    pub strict_permissions: bool,
    /// PEM bundle: peers' and own certificates must chain to it; absent = pinned by file alone.
    pub ca_file: Option<PathBuf>,
    /// How long an own key stays whose file went missing, and one that was replaced goes on decrypting; default 24 h.
    pub retire_after: Duration,
    /// `esignet.key`: the name of the own key by which eSignet knows us. It signs for eSignet alone.
    pub esignet: Option<String>,
}

/// One of `keys.own`.
#[derive(Clone)]
pub struct OwnKey {
    /// For `sign_with` and `?key=`.
    pub name: Option<String>,
    /// Where the key is kept: a file, or whatever else `keys/source` knows.
    pub source: Arc<dyn KeySource>,
    /// Certificate beside a bare key; joined with `keys.dir`.
    pub cert: Option<PathBuf>,
    /// What it may be used for.
    pub uses: Uses,
}

/// `use = ["sign", "decrypt"]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// May sign.
    pub sign: bool,
    /// May unwrap.
    pub decrypt: bool,
}

/// One of `keys.peers`.
#[derive(Clone)]
pub struct Peer {
    /// `mosip`, `ida`, …
    pub name: String,
    /// Joined with `keys.dir`.
    pub file: PathBuf,
    /// What to do with an envelope from this peer whose thumbprint is not in the ring.
    pub unknown_thumbprint: UnknownThumbprint,
    /// Accepted signature algorithms; default RS256, RS384, RS512, PS256.
    pub algs: Vec<SignatureAlgorithm>,
}

/// `unknown_thumbprint`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownThumbprint {
    /// `unknown-key` (the default).
    #[default]
    Reject,
    /// Try own keys of fitting size, at most four (today's mediators write random or zero thumbprints).
    Try,
}

/// `[keys]`. No key file is read here, so that a broken one degrades the gateway and does not stop it.
pub(crate) fn keys(root: &mut Section<'_>) -> Keys {
    let mut section = root.section("keys");
    let dir = section.path("dir").unwrap_or_else(|| PathBuf::from(DEFAULT_DIR));
    let keys = Keys {
        own: own(&mut section, &dir),
        peers: peers(&mut section, &dir),
        strict_permissions: section.flag("strict_permissions", false),
        ca_file: section.path("ca_file"),
        retire_after: section
            .duration("retire_after", Duration::ZERO..=Duration::from_hours(365 * 24))
            .unwrap_or(RETIRE_AFTER),
        esignet: None,
        dir,
    };
    section.finish();
    keys
}

impl Keys {
    /// `sign_with` of `section`: the name of an own key.
    pub(crate) fn sign_with(&self, section: &mut Section<'_>) -> Option<String> {
        let name = section.parsed("sign_with", text)?;
        if self.esignet.as_ref() == Some(&name) {
            section.problem(
                "sign_with",
                "names the key of esignet.key, which signs for eSignet alone",
                "name another entry of keys.own, or have a key of its own registered with eSignet and name that in esignet.key",
            );
        } else if !self.has_signer(&name) {
            section.problem(
                "sign_with",
                "names no own key that may sign",
                "name an entry of keys.own that has a name and the use sign",
            );
        }
        Some(name)
    }

    /// Whether the own key `name` is configured and may sign.
    pub(crate) fn has_signer(&self, name: &str) -> bool {
        self.own.iter().any(|key| key.uses.sign && key.name.as_deref() == Some(name))
    }

    /// Whether `key` is the one by which eSignet knows us, which signs for nobody else.
    pub(crate) fn is_of_esignet(&self, key: &OwnKey) -> bool {
        key.name.is_some() && key.name == self.esignet
    }

    /// Whether an own key may sign for MOSIP.
    pub(crate) fn sign_for_mosip(&self) -> bool {
        self.own.iter().any(|key| key.uses.sign && !self.is_of_esignet(key))
    }

    /// Whether the peer `name` is configured.
    pub(crate) fn has_peer(&self, name: &str) -> bool {
        self.peers.iter().any(|peer| peer.name == name)
    }
}

fn own(section: &mut Section<'_>, dir: &Path) -> Vec<OwnKey> {
    let mut entries = section.sections("own");
    for entry in section.reader().added_own_keys() {
        entries.push(section.added("own", entries.len(), entry));
    }
    let mut keys = Vec::<OwnKey>::new();
    for mut entry in entries {
        let name = entry.parsed("name", text);
        if name.is_some() && keys.iter().any(|key| key.name == name) {
            entry.problem("name", "names an own key a second time", "give each key a name of its own");
        }
        keys.extend(own_key(entry, name, dir));
    }
    keys
}

fn own_key(mut section: Section<'_>, name: Option<String>, dir: &Path) -> Option<OwnKey> {
    let source = source::read(&mut section, dir);
    let cert = section.parsed("cert", path_under(dir));
    let uses = uses(&mut section);
    section.finish();
    Some(OwnKey { name, source: source?, cert, uses })
}

fn uses(section: &mut Section<'_>) -> Uses {
    const BOTH: Uses = Uses { sign: true, decrypt: true };
    let Some(uses) = section.list("use", word(&[("sign", 's'), ("decrypt", 'd')])) else { return BOTH };
    let uses = Uses { sign: uses.contains(&'s'), decrypt: uses.contains(&'d') };
    if !uses.sign && !uses.decrypt {
        section.problem("use", "allows nothing", "name sign, decrypt or both, or remove it for both");
    }
    uses
}

fn peers(section: &mut Section<'_>, dir: &Path) -> Vec<Peer> {
    let entries = section.sections("peers");
    let mut listed = entries.len();
    let mut peers = Vec::<Peer>::new();
    for mut entry in entries {
        let name = entry.required("name", text);
        if peers.iter().any(|peer| Some(&peer.name) == name.as_ref()) {
            entry.problem("name", "names a peer a second time", "give each peer a name of its own");
        }
        peers.extend(peer(entry, name, dir));
    }
    for entry in section.reader().added_peers() {
        if !peers.iter().any(|peer| peer.name == entry.name) {
            let mut entry = section.added("peers", listed, entry);
            listed += 1;
            let name = entry.required("name", text);
            peers.extend(peer(entry, name, dir));
        }
    }
    peers
}

fn peer(mut section: Section<'_>, name: Option<String>, dir: &Path) -> Option<Peer> {
    let file = section.required("file", path_under(dir));
    let unknown_thumbprint = section
        .parsed(
            "unknown_thumbprint",
            word(&[("reject", UnknownThumbprint::Reject), ("try", UnknownThumbprint::Try)]),
        )
        .unwrap_or_default();
    let algs = section.list("algs", algorithm);
    if algs.as_ref().is_some_and(Vec::is_empty) {
        section.problem("algs", "allows no algorithm", "name one, or remove it for all");
    }
    section.finish();
    Some(Peer { name: name?, file: file?, unknown_thumbprint, algs: algs.unwrap_or_else(|| ALGS.to_vec()) })
}

fn algorithm(name: &str) -> Result<SignatureAlgorithm, Complaint> {
    SignatureAlgorithm::from_name(name).ok_or_else(|| {
        let names: Vec<_> = ALGS.iter().map(|alg| alg.name()).collect();
        complaint("is not an accepted algorithm", format!("write one of {}", names.join(", ")))
    })
}
