//! `[faces]`: where the faces that stand in for older systems are served, and what these have alike.

use super::Each;
use crate::config::plain_http::PlainHttp;
use crate::config::section::{Section, Unset};
use crate::config::{Address, ServerTls, listeners, value};
use crate::crypto::secret::SecretBytes;

/// `[faces]`, and the settings of each face.
pub(crate) struct Settings {
    /// Serves the faces and nothing else; absent: they stand on the internal listener alone.
    pub(crate) listen: Option<Address>,
    /// Bearer token that callers must send on `listen` to a face that does not know its callers by itself.
    pub(crate) token: Option<SecretBytes>,
    /// Serve such faces off the loopback to anybody.
    pub(crate) danger_open: bool,
    /// TLS on `listen`.
    pub(crate) tls: Option<ServerTls>,
    /// Those of each face.
    pub(crate) each: Each,
}

/// Where a face's settings are read from.
pub(crate) struct Sources<'s, 'r> {
    /// The whole configuration, for a section of the face's own.
    pub(crate) root: &'s mut Section<'r>,
    /// `[faces]`
    pub(crate) faces: &'s mut Section<'r>,
    /// Where plain http may go.
    pub(crate) plain: &'s PlainHttp,
}

/// The settings of one face.
pub(crate) trait FaceSettings: Sized {
    /// Reads the face's own settings, and its own sections to their end. What is wrong is reported there, and a default stands in for it.
    fn read(sources: &mut Sources<'_, '_>) -> Self;

    /// Whether the face is on.
    fn is_on(&self) -> bool;
}

impl Settings {
    /// Reads `[faces]`.
    pub(crate) fn read(root: &mut Section<'_>, plain: &PlainHttp) -> Self {
        let mut section = root.section("faces");
        let base = section.reader().base();
        let danger_open =
            section.danger("danger_open", "callers of the faces need no authentication off the loopback");
        let each = Each::read(&mut Sources { root, faces: &mut section, plain });
        let settings = Self {
            listen: section.parsed("listen", value::address(base)),
            token: section.secret("token", Unset::Refused),
            danger_open,
            tls: listeners::tls(&mut section),
            each,
        };
        if settings.listen.is_none() {
            let protecting = [("token_file", settings.token.is_some()), ("tls", settings.tls.is_some())];
            for (name, _) in protecting.into_iter().filter(|(_, is_set)| *is_set) {
                section.trouble(
                    name,
                    "protects nothing without faces.listen",
                    "set faces.listen, or remove it; on the internal listener internal.token_file and internal.tls protect",
                );
            }
        }
        section.finish();
        settings
    }

    /// Whether MOSIP's hub can call back on `listen`, where `mosip_api` takes it.
    pub(crate) fn takes_hub(&self) -> bool {
        self.listen.is_some() && self.each.mosip_api.is_on()
    }
}
