//! Contexts that the W3C publishes and that never change under their URLs, as a crate brings them: those that credentials of MOSIP name.

use std::collections::BTreeMap;

/// URL, and document.
const DOCUMENTS: [(&str, &str); 4] = [
    ("https://www.w3.org/2018/credentials/v1", ssi_contexts::CREDENTIALS_V1),
    ("https://www.w3.org/ns/odrl.jsonld", ssi_contexts::ODRL),
    ("https://w3id.org/security/v1", ssi_contexts::SECURITY_V1),
    ("https://w3id.org/security/v2", ssi_contexts::SECURITY_V2),
];

/// The documents by their URLs.
pub(crate) fn documents() -> BTreeMap<String, Vec<u8>> {
    DOCUMENTS.iter().map(|(url, document)| ((*url).to_owned(), document.as_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_the_known_answers() {
        let documents = documents();
        for (url, file) in [
            ("https://www.w3.org/2018/credentials/v1", "credentials-v1.jsonld"),
            ("https://www.w3.org/ns/odrl.jsonld", "odrl.jsonld"),
        ] {
            let known = std::fs::read(format!("tests/vectors/contexts/{file}")).unwrap();
            assert!(documents[url] == known, "{file}");
        }
    }
}
