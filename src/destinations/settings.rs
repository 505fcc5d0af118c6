//! What the settings of every destination have alike.

use http::Uri;

use crate::clock::Timestamp;
use crate::config::Trouble;
use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::error::Error;
use crate::keys::Ring;
use crate::keys::settings::Keys;
use crate::mosip::roles;

/// Where a destination's settings are read from.
pub(crate) struct Sources<'s, 'r> {
    /// The whole configuration, for a section of the destination's own.
    pub(crate) root: &'s mut Section<'r>,
    /// `[upstream]`, for a section below it.
    pub(crate) upstream: &'s mut Section<'r>,
    /// Those that `sign_with` and the like may name.
    pub(crate) keys: &'s Keys,
    /// Where plain http may go.
    pub(crate) plain: &'s PlainHttp,
}

/// The settings of one destination.
pub(crate) trait DestinationSettings: Sized {
    /// Reads the destination's own sections to their end. What is wrong is reported there, and a default stands in for it.
    fn read(sources: &mut Sources<'_, '_>) -> Self;

    /// Every URL that is called.
    fn urls(&self) -> Vec<Url<'_>>;

    /// What is not set, though the destination needs it: the gateway starts without, and entries wait.
    fn lacks(&self) -> Vec<Lack> {
        Vec::new()
    }

    /// What it needs of the keys, where it is on.
    fn key_needs(&self) -> impl IntoIterator<Item = KeyNeeds> {
        None
    }
}

/// What a destination needs of the keys.
pub(crate) struct KeyNeeds {
    /// The word of the destination.
    pub(crate) destination: &'static str,
    /// The section that needs it.
    pub(crate) section: &'static str,
    /// An own key signs what goes there.
    pub(crate) signs: bool,
    /// Its name; `None`: the first that signs.
    pub(crate) sign_with: Option<String>,
    /// The peers of which one has to verify what comes back; none: nothing does.
    pub(crate) verified_by: Vec<String>,
    /// To whom what goes there is sealed.
    pub(crate) seals_to: Option<Recipient>,
}

impl KeyNeeds {
    /// Why nothing can go there with the keys of `ring` at `now`: [`Code::Keys`](crate::error::Code::Keys) and the like, one for each key.
    pub(crate) fn lacking(&self, ring: &Ring, now: Timestamp) -> Vec<Error> {
        let signer = self.signs.then(|| roles::signer(ring, self.sign_with.as_deref(), now).map(drop));
        let recipient = self.seals_to.as_ref().map(|to| roles::recipient(ring, to.name, now).map(drop));
        [signer, recipient, roles::one_of(ring, &self.verified_by).err().map(Err)]
            .into_iter()
            .flatten()
            .filter_map(Result::err)
            .collect()
    }

    /// That the recipient has nothing but a bare public key in `ring`; `None`: it has a certificate, or is not there at all.
    pub(crate) fn only_verified_by(&self, ring: &Ring) -> Option<Trouble> {
        let Recipient { name, what, .. } = self.seals_to.as_ref()?;
        let peer = ring.peer(name).filter(|peer| peer.certificate.is_none())?;
        Some(Trouble::fatal(
            peer.file.display(),
            format!("peer `{name}` can only verify: no {what} can be sealed to a bare public key"),
            "replace the file by the certificate of that peer",
        ))
    }
}

/// A peer that is sealed to.
pub(crate) struct Recipient {
    /// Its name in `keys.peers`.
    pub(crate) name: &'static str,
    /// What is sealed to it, in the plural.
    pub(crate) what: &'static str,
    /// Whose certificate is to be added where there is none.
    pub(crate) whose: &'static str,
}

/// A URL of the configuration.
pub(crate) struct Url<'c> {
    /// Whose value it is.
    pub(crate) setting: String,
    pub(crate) url: &'c Uri,
    /// Nothing is put behind it.
    pub(crate) is_whole: bool,
}

impl<'c> Url<'c> {
    /// What `setting` says is called as it stands.
    pub(crate) fn whole(setting: impl Into<String>, url: &'c Uri) -> Self {
        Self { setting: setting.into(), url, is_whole: true }
    }

    /// A path is put behind what `setting` says.
    pub(crate) fn begun(setting: impl Into<String>, url: &'c Uri) -> Self {
        Self { setting: setting.into(), url, is_whole: false }
    }
}

/// What is not set.
pub(crate) struct Lack {
    /// The section or setting.
    pub(crate) subject: &'static str,
    pub(crate) what: String,
    pub(crate) advice: &'static str,
}
