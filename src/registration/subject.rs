//! The names by which the mediator and OpenCRVS know a registration.

use serde::{Deserialize, Serialize};

/// The `subject` of a delivery: every name that the event or the push held, and no other. The same text, sealed, stays in the outbox after
/// the payload of an event is removed. No `Debug`: the names identify a person.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Subject {
    /// The composition of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) composition_id: Option<String>,
    /// The event of OpenCRVS 1.8 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_id: Option<String>,
    /// The action of that event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action_id: Option<String>,
    /// Tracking id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tracking_id: Option<String>,
    /// Birth registration number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) brn: Option<String>,
    /// Death registration number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) drn: Option<String>,
    /// Registration number of a birth or of a death: nobody has said which. So it is of what was taken over from `mosip-api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_number: Option<String>,
    /// The id of a packet at MOSIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_id: Option<String>,
    /// MOSIP's application id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) aid: Option<String>,
    /// The id of a request at MOSIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<String>,
}

impl Subject {
    /// Every name, as it is spelled on the wire.
    pub(crate) const NAMES: [&'static str; 10] = [
        "compositionId",
        "eventId",
        "actionId",
        "trackingId",
        "brn",
        "drn",
        "registrationNumber",
        "registrationId",
        "aid",
        "transactionId",
    ];

    /// The names that are there, each with its spelling on the wire.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = [
            &self.composition_id,
            &self.event_id,
            &self.action_id,
            &self.tracking_id,
            &self.brn,
            &self.drn,
            &self.registration_number,
            &self.registration_id,
            &self.aid,
            &self.transaction_id,
        ];
        Self::NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// The names that several events with one number have in common. A name on which two of them differ is left out, since nothing says
    /// which of them is meant.
    pub(crate) fn common(subjects: &[Self]) -> Self {
        Self::of_each(|name| {
            let mut values = subjects.iter().filter_map(|subject| name(subject).as_ref());
            let first = values.next()?;
            values.all(|value| value == first).then(|| first.clone())
        })
    }

    /// These names, and those of `other` that are not among them.
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self::of_each(|name| name(self).clone().or_else(|| name(other).clone()))
    }

    /// Whether `other` has a different value for one of these names, and so is not the same registration.
    pub(crate) fn contradicts(&self, other: &Self) -> bool {
        self.names().any(|(name, value)| other.names().any(|(of, another)| of == name && another != value))
    }

    /// The line of this registration, in which its entries go in order: its composition, or the name that stands for one.
    pub(crate) fn line(&self) -> Option<&str> {
        let candidates = [&self.composition_id, &self.event_id, &self.tracking_id, &self.registration_id];
        candidates.into_iter().find_map(|name| name.as_deref())
    }

    fn of_each(value: impl Fn(fn(&Self) -> &Option<String>) -> Option<String>) -> Self {
        Self {
            composition_id: value(|subject| &subject.composition_id),
            event_id: value(|subject| &subject.event_id),
            action_id: value(|subject| &subject.action_id),
            tracking_id: value(|subject| &subject.tracking_id),
            brn: value(|subject| &subject.brn),
            drn: value(|subject| &subject.drn),
            registration_number: value(|subject| &subject.registration_number),
            registration_id: value(|subject| &subject.registration_id),
            aid: value(|subject| &subject.aid),
            transaction_id: value(|subject| &subject.transaction_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_events_with_one_number_only_what_they_agree_on_is_told() {
        let some = |text: &str| Some(text.to_owned());
        let birth =
            Subject { composition_id: some("c1"), brn: some("B1"), aid: some("1"), ..Subject::default() };
        let correction = Subject { aid: None, tracking_id: some("T1"), ..birth.clone() };
        let again = Subject { aid: some("2"), ..birth.clone() };
        let both = Subject::common(&[birth.clone(), correction]);
        assert!(
            both == Subject { tracking_id: some("T1"), ..birth.clone() },
            "an absent name is no other name"
        );
        assert!(Subject::common(&[birth.clone(), again]) == Subject { aid: None, ..birth });
        assert!(Subject::common(&[]) == Subject::default());
    }
}
