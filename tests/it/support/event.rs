//! Events as OpenCRVS posts them.

/// A birth, of the composition [`COMPOSITION`].
pub(crate) const BIRTH: &str = include_str!("../../../src/demo/birth.json");

/// The composition of [`BIRTH`], and so the id that it goes under.
pub(crate) const COMPOSITION: &str = "3b1c2f40-0000-4000-8000-000000000001";

/// The birth registration number of [`BIRTH`].
pub(crate) const BRN: &str = "2026BDEMO01";

/// An event of `kind` and `composition`. Two of them are one event where `name`, the child's given name, is the same too.
pub(crate) fn event(kind: &str, composition: &str, name: &str) -> String {
    let topic = match kind {
        "birth" => "BIRTH_REGISTERED".to_owned(),
        "death" => "DEATH_REGISTERED".to_owned(),
        other => other.to_uppercase().replace('-', "_"),
    };
    BIRTH
        .replace("BIRTH_REGISTERED", &topic)
        .replace(COMPOSITION, composition)
        .replace(BRN, &format!("B-{composition}"))
        .replace("Ada", name)
}

/// The birth of `composition`.
pub(crate) fn birth(composition: &str) -> String {
    event("birth", composition, "Ada")
}
