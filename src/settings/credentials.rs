//! `[credentials]`: the issuers whose credentials count, and the JSON-LD contexts that give them a meaning.

use std::path::PathBuf;

use toml::Value;

use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::config::token;
use crate::config::value::{path_under, text, word};
use crate::mosip::credential::ProofKind;
use crate::mosip::credential::share::DataShare;
use crate::tasks::pushes::share;

/// `[credentials]`
pub struct Credentials {
    /// The folder of the contexts and of `index.toml`, which maps URLs to files of it; absent = no credential can be read.
    pub contexts_dir: Option<PathBuf>,
    /// The JSON that `@context` of a credential has to equal.
    pub context: Vec<serde_json::Value>,
    /// The issuers whose signatures count.
    pub issuers: Vec<Issuer>,
    /// Verification methods that a variable of an older system names, and that have no issuer.
    pub without_issuer: Vec<String>,
    /// The kinds of proof, each of which suffices.
    pub require: Vec<ProofKind>,
    /// Where the gateway fetches credentials that the hub only names; absent = it does not.
    pub data_share: Option<share::Settings>,
    /// Accept a proof over the JSON text, as OpenCRVS's mock of MOSIP makes it.
    pub danger_accept_jcs: bool,
    /// Accept a credential without any proof on the word of the hub.
    pub danger_accept_hub_alone: bool,
}

impl Credentials {
    /// Whether anything is set that says whose credentials count.
    pub(crate) fn is_begun(&self) -> bool {
        self.contexts_dir.is_some() || !self.context.is_empty() || !self.issuers.is_empty()
    }
}

/// A key that credentials are signed with.
pub struct Issuer {
    /// The `verificationMethod` of its proofs, byte for byte.
    pub verification_method: String,
    /// Its certificate.
    pub file: PathBuf,
    /// A former key. What it signed while it was valid counts after its expiry.
    pub history: bool,
}

/// `[credentials]`
pub(crate) fn credentials(root: &mut Section<'_>, plain: &PlainHttp) -> Credentials {
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
    let kinds = word(&[("event-proof", ProofKind::Event), ("embedded-proof", ProofKind::Embedded)]);
    let require = section.list("require", kinds).unwrap_or(vec![ProofKind::Event, ProofKind::Embedded]);
    if require.is_empty() {
        section.problem(
            "require",
            "names no proof",
            "name \"event-proof\", \"embedded-proof\" or both, or remove it",
        );
    }
    let has_issuer =
        |method: &String| issuers.iter().any(|issuer: &Issuer| issuer.verification_method == *method);
    let without_issuer = reader.verification_methods().iter().filter(|method| !has_issuer(method));
    let without_issuer = without_issuer.cloned().collect();
    let credentials = Credentials {
        contexts_dir: section.path("contexts_dir"),
        context,
        issuers,
        without_issuer,
        require,
        data_share: section.optional_section("data_share").and_then(|section| share(section, plain)),
        danger_accept_jcs: section
            .danger("danger_accept_jcs", "credentials count without the canonical form that MOSIP signs"),
        danger_accept_hub_alone: section.danger(
            "danger_accept_hub_alone",
            "whoever has the secret of the hub can write credentials that count",
        ),
    };
    section.finish();
    credentials
}

fn share(mut section: Section<'_>, plain: &PlainHttp) -> Option<share::Settings> {
    let url = section.required_url("url", plain);
    let place = url.as_ref().map(DataShare::below);
    if let Some(None) = place {
        section.problem(
            "url",
            "is not the address of a folder",
            "end it with `/`, and leave out a query and parts such as `..`",
        );
    }
    let token = section.optional_section("token").and_then(|section| token::token(section, plain));
    section.finish();
    Some(share::Settings { url: url?, place: place??, token })
}
