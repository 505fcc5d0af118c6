//! The JSON-LD contexts of the issuer's credentials, and a folder of them that `credentials.contexts_dir` can name.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::mosip::credential::w3c;

/// The context of the deployment's own terms.
const MOSIP: &str = "https://api.example.org/.well-known/mosip-context.json";
/// Its file, and what is in it.
const FILE: &str = "mosip-context.json";
const DOCUMENT: &[u8] = include_bytes!("contexts/mosip-context.json");

/// `@context` of every credential.
pub(super) fn context() -> Vec<Value> {
    vec![
        json!("https://www.w3.org/2018/credentials/v1"),
        json!(MOSIP),
        json!({ "sec": "https://w3id.org/security#" }),
    ]
}

/// The documents by their URLs.
pub(super) fn documents() -> BTreeMap<String, Vec<u8>> {
    let mut documents = w3c::documents();
    documents.insert(MOSIP.to_owned(), DOCUMENT.to_vec());
    documents
}

/// Writes the deployment's own document and its `index.toml` into `folder`, which is made.
pub(crate) fn write_into(folder: &Path) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    std::fs::write(folder.join(FILE), DOCUMENT)?;
    std::fs::write(folder.join("index.toml"), format!("\"{MOSIP}\" = \"{FILE}\"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_known_answers() {
        assert!(std::fs::read(Path::new("tests/vectors/contexts").join(FILE)).unwrap() == DOCUMENT);
    }
}
