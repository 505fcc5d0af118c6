//! The persons whom IDA knows: invented people of an invented country, whose languages are English, French and Arabic.

use sha2::{Digest as _, Sha256};

/// A person as MOSIP holds them.
pub(crate) struct Person {
    /// Ten digits.
    pub uin: &'static str,
    /// Sixteen digits.
    pub vid: &'static str,
    /// A handle, a name that stands in for a number.
    pub handle: &'static str,
    /// Whether their numbers are valid.
    pub status: Status,
    /// The factors that they have locked.
    pub locked: Option<Factor>,
    /// By language.
    pub name: &'static [(&'static str, &'static str)],
    /// `yyyy/MM/dd`
    pub dob: &'static str,
    /// By language.
    pub gender: &'static [(&'static str, &'static str)],
    /// Whole number.
    pub phone: &'static str,
    /// Address.
    pub email: &'static str,
    /// By language.
    pub full_address: &'static [(&'static str, &'static str)],
    /// Digits and letters.
    pub postal_code: &'static str,
}

/// Whether the numbers of a person are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// All are valid.
    Active,
    /// None is valid.
    Blocked,
    /// Only the UIN is valid.
    VidExpired,
}

/// A kind of authentication factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factor {
    /// Demographic attributes.
    Demographics,
    /// A one-time password, sent to their telephone.
    Otp,
    /// Biometrics.
    Biometrics,
}

/// The configured languages.
pub(super) const LANGUAGES: [&str; 3] = ["eng", "fra", "ara"];

/// All persons.
pub(crate) fn all() -> impl Iterator<Item = &'static Person> {
    PEOPLE.iter()
}

const FEMALE: &[(&str, &str)] = &[("eng", "Female"), ("fra", "Femelle"), ("ara", "أنثى")];
const MALE: &[(&str, &str)] = &[("eng", "Male"), ("fra", "Mâle"), ("ara", "ذكر")];

const PEOPLE: [Person; 5] = [
    Person {
        uin: "4152630978",
        vid: "6042817395162840",
        handle: "leila.karim@handle",
        status: Status::Active,
        locked: None,
        name: &[("eng", "Leila Karim"), ("fra", "Leïla Karim"), ("ara", "ليلى كريم")],
        dob: "1990/03/14",
        gender: FEMALE,
        phone: "5550143210",
        email: "leila.karim@example.org",
        full_address: &[("eng", "4 Harbour Street, Port Sel"), ("fra", "4 rue du Port, Port Sel")],
        postal_code: "14022",
    },
    Person {
        uin: "7308194526",
        vid: "3819265074183026",
        handle: "tomas.oduya@handle",
        status: Status::Active,
        locked: Some(Factor::Otp),
        name: &[("eng", "Tomas Oduya"), ("fra", "Tomas Oduya")],
        dob: "1978/11/02",
        gender: MALE,
        phone: "5550167788",
        email: "tomas.oduya@example.org",
        full_address: &[("eng", "17 Mill Lane, Upper Vale")],
        postal_code: "14105",
    },
    Person {
        uin: "2961743850",
        vid: "9174053628194057",
        handle: "ines.varga@handle",
        status: Status::Active,
        locked: None,
        name: &[("eng", "Ines Varga")],
        dob: "2001/07/29",
        gender: &[],
        phone: "5550191234",
        email: "ines.varga@example.org",
        full_address: &[("eng", "2 Station Road, Lower Vale")],
        postal_code: "14110",
    },
    Person {
        uin: "8520417639",
        vid: "5506172839405162",
        handle: "samir.haddad@handle",
        status: Status::Blocked,
        locked: None,
        name: &[("eng", "Samir Haddad"), ("ara", "سمير حداد")],
        dob: "1965/01/20",
        gender: MALE,
        phone: "5550122890",
        email: "samir.haddad@example.org",
        full_address: &[("eng", "9 Orchard Row, Port Sel")],
        postal_code: "14023",
    },
    Person {
        uin: "3697051284",
        vid: "7283940516273849",
        handle: "mina.osei@handle",
        status: Status::VidExpired,
        locked: None,
        name: &[("eng", "Mina Osei")],
        dob: "1988/12/31",
        gender: FEMALE,
        phone: "5550178456",
        email: "mina.osei@example.org",
        full_address: &[("eng", "31 Market Square, Upper Vale")],
        postal_code: "14106",
    },
];

/// The UINTOKEN: 36 decimal digits that stay the same for a person and a partner.
pub(super) fn token(person: &Person, partner_id: &str) -> String {
    let digest = |text: String| Sha256::digest(text.as_bytes());
    let (first, second) =
        (digest(format!("1{}{partner_id}", person.uin)), digest(format!("2{}{partner_id}", person.uin)));
    first.iter().chain(&second).take(36).map(|byte| char::from(b'0' + byte % 10)).collect()
}
