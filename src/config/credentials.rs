//! `[credentials]`: whose credentials count, and the JSON-LD contexts that give them a meaning.

use std::path::PathBuf;

use toml::Value;

use super::section::Section;
use super::value::{path_under, text};

/// `[credentials]`
pub struct Credentials {
    /// The folder of the contexts and of `index.toml`, which maps URLs to files of it; absent = no credential can be read.
    pub contexts_dir: Option<PathBuf>,
    /// What `@context` of a credential has to equal, as JSON.
    pub context: Vec<serde_json::Value>,
    /// Whose signatures count.
    pub issuers: Vec<Issuer>,
    /// A proof over the JSON text counts, as OpenCRVS's mock of MOSIP makes it.
    pub danger_accept_jcs: bool,
}

/// A key that credentials are signed with.
pub struct Issuer {
    /// The `verificationMethod` of its proofs, byte for byte.
    pub verification_method: String,
    /// Its certificate.
    pub file: PathBuf,
    /// A former key: what it signed within its dates counts after them.
    pub history: bool,
}

/// `[credentials]`
pub(crate) fn credentials(root: &mut Section<'_>) -> Credentials {
    let mut section = root.section("credentials");
    let reader = section.reader();
    let context = section.array("context").unwrap_or_default();
    if !context.iter().all(|item| matches!(item, Value::String(_) | Value::Table(_))) {
        section.problem(
            "context",
            "holds what is neither a URL nor a table",
            "write what @context has to equal",
        );
    }
    let context = context.into_iter().filter_map(|item| serde_json::to_value(item).ok()).collect();
    let mut issuers = Vec::new();
    for mut issuer in section.sections("issuers") {
        let verification_method = issuer.required("verification_method", text);
        let file = issuer.required("file", path_under(reader.base()));
        let history = issuer.flag("history", false);
        issuer.finish();
        if let (Some(verification_method), Some(file)) = (verification_method, file) {
            issuers.push(Issuer { verification_method, file, history });
        }
    }
    let credentials = Credentials {
        contexts_dir: section.path("contexts_dir"),
        context,
        issuers,
        danger_accept_jcs: section
            .danger("danger_accept_jcs", "credentials count without the canonical form that MOSIP signs"),
    };
    if section.array("require").is_some() {
        reader.warn_not_built("credentials.require");
    }
    if section.flag("danger_accept_hub_alone", false) {
        reader.warn_not_built("credentials.danger_accept_hub_alone");
    }
    section.finish();
    credentials
}
