//! The link from a death to the birth of the deceased: her UINTOKEN, fetched before the event first goes (`events.death.link`).

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::ida::Ida;
use crate::mosip::event::Event;
use crate::mosip::ida::Answer;

/// Longer than this no death waits for its link.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks IDA about the deceased.
pub struct Link(Ida);

impl Link {
    /// By way of `ida`.
    pub const fn new(ida: Ida) -> Self {
        Self(ida)
    }

    /// The event with the token in it. `None`: there is nothing to add, or IDA does not give it; that never holds the event up.
    pub async fn linked(&self, event: &Event) -> Option<Event> {
        let record = event.deceased(self.0.id_lengths())?;
        let token = async {
            let intent = Arc::new(record.intent()?);
            Ok(match self.0.authenticate(intent).await? {
                Answer::Given(given) => given.into_inner().token,
                Answer::Refused(_) => None,
            })
        };
        let outcome: Result<Option<String>> = match tokio::time::timeout(DEADLINE, token).await {
            Ok(outcome) => outcome,
            Err(_) => Ok(None),
        };
        match outcome {
            Ok(Some(token)) => event.with_uin_token(&token).ok(),
            Ok(None) => {
                tracing::info!("IDA gives no UINTOKEN of the deceased: the death goes without");
                None
            }
            Err(error) => {
                tracing::warn!(
                    code = error.code().as_str(),
                    detail = error.detail(),
                    "IDA could not be asked about the deceased: the death goes without a UINTOKEN"
                );
                None
            }
        }
    }
}
