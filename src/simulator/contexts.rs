//! The JSON-LD contexts of the issuer's credentials, as files of a folder that `credentials.contexts_dir` can name.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// The context of the deployment's own terms.
const MOSIP: &str = "https://api.example.org/.well-known/mosip-context.json";
/// The context of verifiable credentials.
const CREDENTIALS: &str = "https://www.w3.org/2018/credentials/v1";

/// URL, name of the file, document.
const DOCUMENTS: [(&str, &str, &[u8]); 3] = [
    (CREDENTIALS, "credentials-v1.jsonld", include_bytes!("contexts/credentials-v1.jsonld")),
    ("https://www.w3.org/ns/odrl.jsonld", "odrl.jsonld", include_bytes!("contexts/odrl.jsonld")),
    (MOSIP, "mosip-context.json", include_bytes!("contexts/mosip-context.json")),
];

/// `@context` of every credential.
pub(super) fn context() -> Vec<Value> {
    vec![json!(CREDENTIALS), json!(MOSIP), json!({ "sec": "https://w3id.org/security#" })]
}

/// The documents by their URLs.
pub(super) fn documents() -> BTreeMap<String, Vec<u8>> {
    DOCUMENTS.iter().map(|(url, _, document)| ((*url).to_owned(), document.to_vec())).collect()
}

/// Writes the documents and their `index.toml` into `folder`, which is made.
pub(crate) fn write_into(folder: &Path) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    let mut index = String::new();
    for (url, file, document) in DOCUMENTS {
        std::fs::write(folder.join(file), document)?;
        index.push_str(&format!("\"{url}\" = \"{file}\"\n"));
    }
    std::fs::write(folder.join("index.toml"), index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_known_answers() {
        for (_, file, document) in DOCUMENTS {
            assert!(
                std::fs::read(Path::new("tests/vectors/contexts").join(file)).unwrap() == document,
                "{file}"
            );
        }
    }
}
