//! `[seeder]`

use super::super::{FaceSettings, Sources};

/// `[seeder]`
pub(crate) struct Settings {
    /// The operator answers for the consent of everybody whom the Token Seeder's face asks about; `false` switches that face off.
    /// Default true, as in the Token Seeder.
    pub(crate) consent: bool,
}

impl FaceSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let mut section = sources.root.section("seeder");
        let settings = Self { consent: section.flag("consent", true) };
        section.finish();
        settings
    }

    fn is_on(&self) -> bool {
        self.consent
    }
}
