//! Whose a certificate is.

use std::str::FromStr;

use super::MakeError;

/// The three names that MOSIP's partner management looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DistinguishedName {
    /// `C`, two letters.
    pub country: String,
    /// `O`: the organisation under which the partner is registered.
    pub organization: String,
    /// `CN`
    pub common_name: String,
}

/// From `C=XX, O=Ministry, CN=partner`, in any order. A backslash takes the special meaning from the character behind it, so that `\\,` is a
/// comma inside a name (RFC 4514 2.4).
impl FromStr for DistinguishedName {
    type Err = MakeError;

    fn from_str(text: &str) -> Result<Self, MakeError> {
        let (mut country, mut organization, mut common_name) = (None, None, None);
        for part in parts(text)? {
            let (name, value) = part.trim().split_once('=').ok_or(MakeError::Subject)?;
            let slot = match name {
                "C" => &mut country,
                "O" => &mut organization,
                "CN" => &mut common_name,
                _ => return Err(MakeError::Subject),
            };
            if value.chars().any(char::is_control) {
                return Err(MakeError::Control(name.to_owned()));
            }
            if value.is_empty() || slot.replace(value.to_owned()).is_some() {
                return Err(MakeError::Subject);
            }
        }
        match (country, organization, common_name) {
            (Some(country), Some(organization), Some(common_name)) if is_country(&country) => {
                Ok(Self { country, organization, common_name })
            }
            _ => Err(MakeError::Subject),
        }
    }
}

/// What stands between the commas, without the backslashes.
fn parts(text: &str) -> Result<Vec<String>, MakeError> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, parts.last_mut()) {
            (',', _) => parts.push(String::new()),
            ('\\', Some(part)) => part.push(characters.next().ok_or(MakeError::Subject)?),
            (other, Some(part)) => part.push(other),
            (_, None) => {}
        }
    }
    Ok(parts)
}

/// ISO 3166-1 alpha-2 by its form.
fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_names_in_any_order_are_a_subject() {
        let subject: DistinguishedName = "CN=open crvs,C=XX, O=Civil Registry".parse().unwrap();
        let names = (subject.country.as_str(), subject.organization.as_str(), subject.common_name.as_str());
        assert_eq!(names, ("XX", "Civil Registry", "open crvs"));
    }

    #[test]
    fn an_escaped_comma_is_part_of_a_name() {
        let subject: DistinguishedName = r"C=XX, O=Registry\, Ministry of Justice, CN=a\\b".parse().unwrap();
        let names = (subject.organization.as_str(), subject.common_name.as_str());
        assert_eq!(names, ("Registry, Ministry of Justice", r"a\b"));
    }

    #[test]
    fn a_control_character_is_refused_and_its_field_named() {
        for (text, field) in [
            ("C=XX,O=Min\nistry,CN=a", "O"),
            ("C=XX,O=b,CN=a\0", "CN"),
            ("C=X\u{1b},O=b,CN=a", "C"),
            ("C=XX,O=b,CN=a\\\u{85}c", "CN"),
        ] {
            let refused = text.parse::<DistinguishedName>().unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{field} of the subject")), "{text:?}: {refused}");
        }
    }

    #[test]
    fn a_missing_repeated_empty_or_unknown_name_is_refused() {
        for text in [
            "",
            "partner",
            "CN=a",
            "C=XX,CN=a",
            "C=XX,O=b",
            "C=XX,O=b,CN=",
            "C=XX,O=b,CN=a,CN=c",
            "C=XX,O=b,CN=a,OU=d",
            "C=xx,O=b,CN=a",
            "C=XXX,O=b,CN=a",
            "C=XX,O=b, Inc,CN=a",
            r"C=XX,O=b\,CN=a",
            r"C=XX,O=b,CN=a\",
        ] {
            assert!(matches!(text.parse::<DistinguishedName>(), Err(MakeError::Subject)), "{text}");
        }
    }
}
