//! The message of MOSIP's hub that brings a credential, or names the share that holds it.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::json::{self, Object, Text};
use crate::mosip::push::digest;

/// The message of the hub. It holds more, which nobody needs.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Object<Event<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) transaction_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data_share_uri: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Object<Data<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    pub(super) registration_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) credential: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) credential_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) proof: Option<Object<EventProof<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct EventProof<'a> {
    #[serde(borrow)]
    pub(super) signature: Text<'a>,
}

/// A message of the hub that is read and that nothing has verified.
pub struct Notification<'a>(Message<'a>);

impl<'a> Notification<'a> {
    /// Reads the body of a push.
    ///
    /// # Errors
    ///
    /// [`Malformed`](crate::error::Code::Malformed) and [`Field`](crate::error::Code::Field) where it is no message with a credential or a share.
    pub fn read(body: &'a [u8]) -> Result<Self> {
        let Object(message): Object<Message<'a>> = json::read(body)?;
        if message.event.0.id.trim().is_empty() {
            return Err(Error::field("/event/id", "the message has no id"));
        }
        let notification = Self(message);
        if notification.credential().is_none() && notification.share().is_none() {
            return Err(Error::field(
                "/event/data/credential",
                "the message brings neither a credential nor a share",
            ));
        }
        Ok(notification)
    }

    /// What it is about.
    pub(super) fn event(&self) -> &Event<'a> {
        &self.0.event.0
    }

    /// The hub's id of it.
    pub fn id(&self) -> &str {
        &self.event().id
    }

    /// The sealed credential, if the message brings it. An empty text brings none.
    pub(super) fn credential(&self) -> Option<&str> {
        self.event().data.0.credential.as_deref().filter(|sealed| !sealed.trim().is_empty())
    }

    /// Where the credential is, if the message does not bring it.
    pub fn share(&self) -> Option<&str> {
        self.address().filter(|_| self.credential().is_none())
    }

    fn address(&self) -> Option<&str> {
        self.event().data_share_uri.as_deref().filter(|share| !share.trim().is_empty())
    }

    /// SHA-256 of what a message that names a share says beside its id, whether or not the share is in it by now; `None` where it names
    /// none. The signature over what is shared stands for that, else its address does.
    pub(crate) fn says_of_share(&self) -> Option<[u8; 32]> {
        let (address, [signature, said, transaction, kind]) = (self.address()?, self.beside());
        let address = if signature.is_empty() { address.as_bytes() } else { b"" };
        Some(digest(&[address, signature, said, transaction, kind]))
    }

    /// The signature over the credential, and what nothing signs: the ids of its registration and of its request, and its type.
    pub(super) fn beside(&self) -> [&[u8]; 4] {
        let Event { transaction_id, data: Object(data), .. } = self.event();
        let signature = data.proof.as_ref().map(|Object(proof)| &*proof.signature);
        let members = [&data.registration_id, transaction_id, &data.credential_type];
        let [said, transaction, kind] = members.map(Option::as_deref);
        [signature, said, transaction, kind].map(|text| text.unwrap_or_default().as_bytes())
    }
}
