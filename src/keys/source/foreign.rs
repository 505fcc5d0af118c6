//! Forms that hold keys and are not read here, by name, with what turns them into one that is.

use std::fmt;

/// A form of another field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Sun's keystore.
    Jks,
    /// Its successor with 3DES.
    Jceks,
    /// BouncyCastle's keystore.
    Bks,
    /// A private key of `ssh-keygen`.
    OpenSshPrivateKey,
    /// A line of `authorized_keys`, or RFC 4716.
    OpenSshPublicKey,
    /// A private key of PuTTY.
    Putty,
    /// OpenPGP.
    Pgp,
    /// PKCS#10.
    SigningRequest,
}

impl Foreign {
    /// Known by the first bytes of a file.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        const SIGNS: [(&[u8], Foreign); 11] = [
            (&[0xfe, 0xed, 0xfe, 0xed], Foreign::Jks),
            (&[0xce, 0xce, 0xce, 0xce], Foreign::Jceks),
            // Version 1 or 2, then a salt of 20 bytes.
            (&[0, 0, 0, 1, 0, 0, 0, 20], Foreign::Bks),
            (&[0, 0, 0, 2, 0, 0, 0, 20], Foreign::Bks),
            (b"openssh-key-v1\0", Foreign::OpenSshPrivateKey),
            (b"ssh-", Foreign::OpenSshPublicKey),
            (b"ecdsa-sha2-", Foreign::OpenSshPublicKey),
            (b"---- BEGIN SSH2 PUBLIC KEY", Foreign::OpenSshPublicKey),
            (b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY", Foreign::OpenSshPrivateKey),
            (b"PuTTY-User-Key-File-", Foreign::Putty),
            (b"-----BEGIN PGP ", Foreign::Pgp),
        ];
        let found = SIGNS
            .iter()
            .find(|(sign, _)| bytes.starts_with(sign) || bytes.trim_ascii_start().starts_with(sign));
        found.map(|(_, form)| *form)
    }

    /// What to do, for the person who keeps the key volume.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Jks | Self::Jceks => {
                "convert it: `keytool -importkeystore -srckeystore FILE -destkeystore keystore.p12 -deststoretype PKCS12`"
            }
            Self::Bks => {
                "convert it with BouncyCastle's provider: `keytool -importkeystore -srckeystore FILE -srcstoretype BKS -destkeystore \
                 keystore.p12 -deststoretype PKCS12 -providerclass org.bouncycastle.jce.provider.BouncyCastleProvider -providerpath JAR`"
            }
            Self::OpenSshPrivateKey => "convert a copy of it in place: `ssh-keygen -p -m PKCS8 -f COPY`",
            Self::OpenSshPublicKey => "convert it: `ssh-keygen -e -m PKCS8 -f FILE`",
            Self::Putty => {
                "convert it: `puttygen FILE -O private-openssh-new -o COPY`, then `ssh-keygen -p -m PKCS8 -f COPY`"
            }
            Self::Pgp => "supply an RSA key or certificate as PKCS#12 or PEM; a PGP key does not serve here",
            Self::SigningRequest => {
                "have it signed and supply the certificate that comes back; `openssl req -in FILE -noout -text` shows it"
            }
        }
    }
}

/// The middle of `<file>: <what>; <what to do>`.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jks => "is a Java keystore (JKS)",
            Self::Jceks => "is a Java keystore (JCEKS)",
            Self::Bks => "is a Java keystore of BouncyCastle (BKS)",
            Self::OpenSshPrivateKey => "holds a private key in OpenSSH's own form",
            Self::OpenSshPublicKey => "holds a public key in OpenSSH's form",
            Self::Putty => "holds a private key of PuTTY",
            Self::Pgp => "holds PGP data",
            Self::SigningRequest => {
                "holds a certificate signing request (CSR), which is not a certificate yet"
            }
        })
    }
}
