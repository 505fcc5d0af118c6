//! What can be wrong with a key file, and what to do about it: the one place of these sentences.

use super::Foreign;
use crate::clock::Timestamp;
use crate::crypto::rsa::UnusableKey;
use crate::keys::cert::CertificateError;

/// What is wrong with a file. `Display` is the middle of `<file>: <what>; <what to do>`, [`LoadError::advice`] its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No such file.
    #[error("is missing")]
    Missing,
    /// The operating system refuses; why.
    #[error("cannot be read ({0})")]
    Unreadable(String),
    /// A folder, a pipe, a socket or a device.
    #[error("is no regular file")]
    NotRegular,
    /// The file system does not answer; for how many seconds.
    #[error("cannot be read: its file system has not answered for {0} s")]
    Hangs(u64),
    /// Larger than any key file.
    #[error("is larger than 1 MiB")]
    TooLarge,
    /// A private key whose file mode lets every user read it.
    #[error("holds a private key that every user of this machine can read")]
    ReadableByOthers,
    /// No byte but white space.
    #[error("is empty")]
    Empty,
    /// The end is missing.
    #[error("is truncated")]
    Truncated,
    /// Not a form that is known here.
    #[error("holds neither a key nor a certificate")]
    Unknown,
    /// A form that holds keys and is not read here.
    #[error("{0}")]
    Foreign(Foreign),
    /// Something that stands beside keys and is none; what.
    #[error("holds {0}, neither a key nor a certificate")]
    NoKeyMaterial(&'static str),
    /// JSON of another kind.
    #[error("is JSON, and no JSON Web Key")]
    NotJwk,
    /// The form is known, the content is broken.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// Encrypted, and no password is configured.
    #[error("is encrypted and no password is configured")]
    PasswordMissing,
    /// PKCS#12 passwords are text (RFC 7292 B.1).
    #[error("is opened with a password that is not UTF-8 text")]
    PasswordNotText,
    /// Wrong password or altered file: a MAC cannot tell the two apart.
    #[error("does not open: the password is wrong, or the file was altered")]
    WrongPassword,
    /// One private key of several has a password of its own.
    #[error("holds a private key whose password is not that of the store")]
    KeyPassword,
    /// A part of a store, which may hold keys and certificates, has a password of its own.
    #[error("holds a part whose password is not that of the store")]
    PartPassword,
    /// A peer's container.
    #[error("is encrypted, and the file of a peer has no password")]
    PeerEncrypted,
    /// A number of rounds that would stop the gateway for minutes.
    #[error(
        "asks for more than a million rounds (ten million for the whole file), or for more than 64 MiB, to check its password"
    )]
    TooManyRounds,
    /// A MAC that is not implemented; its name.
    #[error("is protected with {0}, which is not supported")]
    UnsupportedMac(String),
    /// Encrypted with something that is not implemented; its name.
    #[error("is encrypted with {0}, which is not supported")]
    UnsupportedCipher(String),
    /// A PKCS#12 file without a MAC: nothing shows whether it was altered.
    #[error("is a PKCS#12 file without a MAC")]
    NoMac,
    /// Certificates only.
    #[error("holds no private key")]
    NoPrivateKey,
    /// Nothing that verifies.
    #[error("holds no certificate and no public key")]
    NoPublicKey,
    /// EC and the like; the type of key.
    #[error("holds a key that is not RSA ({0})")]
    NotRsa(String),
    /// RSA that may not decrypt, and may not make the signatures of MOSIP.
    #[error("holds an RSA key that is for PSS signatures only (id-RSASSA-PSS)")]
    PssOnly,
    /// Too short or too long; its bits.
    #[error("holds an RSA key of {0} bits, and 2048 to 4096 are accepted")]
    KeySize(usize),
    /// RSA numbers that are no usable key.
    #[error("holds an RSA key that is not usable: {0}")]
    BadKey(&'static str),
    /// A key on P-256 of an entry that is to decrypt, too.
    #[error("holds an EC key, which signs and does nothing else")]
    EcDecrypts,
    /// Numbers that are no key on P-256.
    #[error("holds an EC key whose numbers do not fit together")]
    BadEcKey,
    /// A certificate that is refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate belongs to another key.
    #[error("the private key and the certificate do not match")]
    Mismatch,
    /// One library refuses what the other made.
    #[error("holds a private key that failed its test signature or test unwrapping")]
    CrossCheck,
    /// What keeps the key is away; what it is.
    #[error("names a private key that is unavailable: {0}")]
    Unavailable(String),
    /// A key of `keys.example` where such are not allowed.
    #[error("this development key is public")]
    Example,
    /// An authority whose certificate is of no use here; its subject, and why.
    #[error("holds the authority {0}, which vouches for nothing: its certificate {1}")]
    Authority(String, CertificateError),
    /// More than one private key; how many.
    #[error("holds {0} private keys, of which one is used")]
    SeveralKeys(usize),
    /// More parts of a kind than any key file has; the kind.
    #[error("holds more than 64 {0}, of which the first 64 are looked at")]
    TooMany(&'static str),
    /// Reading it panicked.
    #[error("cannot be read because of a defect of this program")]
    Defect,
    /// Several certificates of which each could be the peer's; how many.
    #[error("holds {0} certificates that could be the peer's, of which the latest is used")]
    SeveralCertificates(usize),
    /// Nothing but certificates of authorities; the subject of the one that is used.
    #[error("holds certificates of authorities only, of which that of {0} is used")]
    AuthoritiesOnly(String),
    /// The certificate is over.
    #[error("the certificate expired on {}", .0.to_iso())]
    Expired(Timestamp),
    /// The certificate has not begun.
    #[error("the certificate is not valid before {}", .0.to_iso())]
    NotYetValid(Timestamp),
    /// keyUsage forbids what the configuration wants; what.
    #[error("the certificate's key usage does not allow {0}")]
    Usage(&'static str),
    /// `keys.ca_file` is set and nothing leads there.
    #[error("no chain of valid certificates leads to keys.ca_file")]
    NoChain,
}

impl LoadError {
    /// Whether it tells of something that was read and is of no use, rather than of something that could not be read.
    pub(super) const fn says_what_is_there(&self) -> bool {
        matches!(
            self,
            Self::NotRsa(_)
                | Self::PssOnly
                | Self::KeySize(_)
                | Self::BadKey(_)
                | Self::BadEcKey
                | Self::KeyPassword
                | Self::NoKeyMaterial(_)
                | Self::Foreign(Foreign::SigningRequest)
                | Self::Certificate(
                    CertificateError::NotRsa(_) | CertificateError::PssOnly | CertificateError::KeySize(_)
                )
        )
    }

    /// What to do, for the person who keeps the key volume.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Missing => "put the file there, or correct its name under [keys]",
            Self::Unreadable(_) => "let the user that runs the gateway read it",
            Self::NotRegular => "name a file under [keys], not a folder, a pipe or a device",
            Self::Hangs(_) => {
                "see whether the volume is mounted and answers; the files are read as soon as it does"
            }
            Self::TooLarge => "name the key or certificate itself under [keys]",
            Self::ReadableByOthers => "take read access from others (chmod o= on the file)",
            Self::Empty | Self::Truncated | Self::Damaged(_) => {
                "copy the file again from where it was issued"
            }
            Self::Foreign(form) => form.advice(),
            Self::NoKeyMaterial(_) => "supply the key or certificate itself",
            Self::NotJwk => {
                "supply the value of the member that holds the key or certificate, in a file of its own"
            }
            Self::Unknown => {
                "supply PKCS#12, PKCS#7, PEM, DER or a JWK; `mosip-gateway inspect` says what a file holds"
            }
            Self::PasswordMissing => "set password_file for this key",
            Self::PasswordNotText => "write the password as UTF-8 text",
            Self::WrongPassword => {
                "correct the content of password_file (a blank at its end counts), or copy the file again"
            }
            Self::KeyPassword => {
                "name the password of that key as key_password_file, or give key and store the same"
            }
            Self::PartPassword => "write the store anew with one password for all of it",
            Self::PeerEncrypted => {
                "supply the certificate alone: `openssl pkcs12 -in FILE -nokeys -out peer.crt` takes it out"
            }
            Self::UnsupportedCipher(_) => {
                "convert it: `openssl pkcs8 -topk8 -v2 aes256` for a key, `openssl pkcs12 -export` for a .p12"
            }
            Self::TooManyRounds | Self::UnsupportedMac(_) => {
                "write it anew: `openssl pkcs12 -in FILE -out all.pem`, then `openssl pkcs12 -export -in all.pem -out keystore.p12`"
            }
            Self::TooMany(_) => "leave in the file what belongs to this key or peer alone",
            Self::Defect => "report the defect, and write the file anew in another form until it is mended",
            Self::NoMac => "export it again with a MAC, or make sure that no one else can write it",
            Self::NoPrivateKey => {
                "supply the file that holds the private key; this one holds the public part"
            }
            Self::NoPublicKey => "supply the peer's certificate",
            Self::NotRsa(_) | Self::Certificate(CertificateError::NotRsa(_)) => {
                "supply RSA: MOSIP's partner protocol knows nothing else; the key of [esignet] may be on the curve P-256"
            }
            Self::EcDecrypts => "set use = [\"sign\"] for this key, or supply an RSA key",
            Self::BadEcKey => "export the key again from where it was made, on the curve P-256",
            Self::PssOnly | Self::Certificate(CertificateError::PssOnly) => {
                "supply an RSA key of the plain type (rsaEncryption): this one neither decrypts nor signs as MOSIP does"
            }
            Self::BadKey(_)
            | Self::KeySize(_)
            | Self::Certificate(CertificateError::Key(_) | CertificateError::KeySize(_)) => {
                "supply an RSA key of 2048, 3072 or 4096 bits"
            }
            Self::Certificate(_) => "copy the certificate again from where it was issued",
            Self::Mismatch => {
                "supply the certificate that was issued for this key, or the key of this certificate"
            }
            Self::CrossCheck => "do not use this key; export it again from where it was made",
            Self::Unavailable(_) => {
                "make the token or service that holds the key reachable again; it is tried every 10 s"
            }
            Self::Example => "use your own key, or start with --allow-example-keys outside production",
            Self::Authority(..) => {
                "add the RSA authority that MOSIP's certificates lead to, or take this one out"
            }
            Self::SeveralKeys(_) => "name the certificate of the right one as `cert`",
            Self::SeveralCertificates(_) => "leave the peer's certificate and its issuers alone in the file",
            Self::AuthoritiesOnly(_) => "make sure that the peer's own certificate is in the file",
            Self::Expired(_) => "have a new certificate issued and replace the file",
            Self::NotYetValid(_) => "check this machine's clock, or wait until then",
            Self::Usage(_) => "have a certificate issued that allows it, or correct `use`",
            Self::NoChain => "add the missing issuer, or replace the certificate",
        }
    }
}

impl From<Foreign> for LoadError {
    fn from(form: Foreign) -> Self {
        Self::Foreign(form)
    }
}

impl From<UnusableKey> for LoadError {
    fn from(error: UnusableKey) -> Self {
        match error {
            UnusableKey::Size(bits) => Self::KeySize(bits),
            UnusableKey::Form(what) => Self::BadKey(what),
        }
    }
}
