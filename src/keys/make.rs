//! `keygen`: keys and signing requests for a partner of MOSIP; and certificates and containers in the formats that MOSIP hands out, for
//! development and tests. The gateway itself makes no keys.

mod development;
mod file;
mod subject;

use std::io;
use std::path::{Path, PathBuf};

use getrandom::SysRng;
use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKeyChain};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_RSA_SHA256,
};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::der::pem;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding, SecretDocument};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::cert::{Certificate, CertificateError};
use super::source::LoadError;
use super::source::file::first_private_key;
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::secret::SecretWriter;
use crate::regular;

pub(crate) use development::development_set;
pub(crate) use file::{Access, write_new};
pub(crate) use subject::DistinguishedName;

/// A private key that can be written out. No `Debug`.
pub struct KeyMaker(rsa::PrivateKey);

/// What a certificate shall say.
#[derive(Debug, Clone)]
pub struct CertificateRequest<'a> {
    /// `C`, two letters.
    pub country: &'a str,
    /// `O`
    pub organization: &'a str,
    /// `CN`
    pub common_name: &'a str,
    /// First valid moment, to the second.
    pub not_before: Timestamp,
    /// Last valid moment, to the second.
    pub not_after: Timestamp,
    /// May issue others.
    pub ca: bool,
    /// DNS names and IP addresses, for TLS; empty for MOSIP.
    pub names: &'a [&'a str],
}

/// Why something could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// Not a size that is made here.
    #[error("RSA keys have 2048, 3072 or 4096 bits, not {0}")]
    Bits(usize),
    /// The key file given is not usable.
    #[error("the key file {0}")]
    Key(#[from] LoadError),
    /// rcgen refuses the request.
    #[error("the certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// What rcgen made is not a certificate that is accepted here.
    #[error("the certificate made {0}")]
    Refused(#[from] CertificateError),
    /// The issuer's key and certificate do not belong together.
    #[error("the issuer's key does not belong to the issuer's certificate")]
    Issuer,
    /// Not of the form that is read here.
    #[error(
        "the subject is not of the form C=XX, O=Ministry, CN=partner: each once, and a comma inside one of them as \\,"
    )]
    Subject,
    /// One of the names holds it.
    #[error("{0} of the subject holds a control character, such as a line break or a tab: leave it out")]
    Control(String),
    /// A moment before year 1 or after 9999.
    #[error("the dates are out of range")]
    Dates,
    /// An encoder failed.
    #[error("the {0} cannot be written")]
    Encoding(&'static str),
    /// The disk; existing files are never overwritten.
    #[error("{}", unwritten(path, source))]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    let file = path.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{file}: is there already, and nothing is overwritten; name another one, or move it away")
        }
        _ => format!("{file}: {}; name a place that this user can write to", regular::reason(error)),
    }
}

impl KeyMaker {
    /// A fresh RSA key with exponent 65537, from the randomness of the operating system. Takes about a second.
    pub fn generate(bits: usize) -> Result<Self, MakeError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(MakeError::Bits(bits));
        }
        rsa::PrivateKey::new(&mut SysRng, bits).map(Self).map_err(|_| MakeError::Encoding("key"))
    }

    /// The first private key in the bytes of any container that the gateway reads.
    pub(crate) fn from_file(bytes: &[u8], password: Option<&[u8]>) -> Result<Self, MakeError> {
        Ok(Self(first_private_key(bytes, password)?))
    }

    /// PKCS#8 PEM (RFC 5958).
    pub(crate) fn to_pem(&self) -> Result<Zeroizing<String>, MakeError> {
        self.0.to_pkcs8_pem(LineEnding::LF).map_err(|_| MakeError::Encoding("key"))
    }

    /// PKCS#1 PEM (RFC 8017 A.1.2), for receivers that know no other.
    pub(crate) fn to_pkcs1_pem(&self) -> Result<Zeroizing<String>, MakeError> {
        self.0.to_pkcs1_pem(LineEnding::LF).map_err(|_| MakeError::Encoding("key"))
    }

    /// The public half as SubjectPublicKeyInfo PEM.
    pub(crate) fn to_public_pem(&self) -> Result<String, MakeError> {
        self.0
            .as_public_key()
            .to_public_key_pem(LineEnding::LF)
            .map_err(|_| MakeError::Encoding("public key"))
    }

    /// Private JWK (RFC 7518 6.3.2) with `use` sig and `alg` RS256, in standard base64: eSignet's `esignet-jwk.txt`.
    pub(crate) fn to_jwk_base64(&self) -> Result<Zeroizing<String>, MakeError> {
        let key = &self.0;
        let (Some(dp), Some(dq), Some(qi), [p, q]) =
            (key.dp(), key.dq(), key.crt_coefficient(), key.primes())
        else {
            return Err(MakeError::Encoding("JWK"));
        };
        let (n, e) = (key.n().as_ref(), key.e());
        let members =
            [("n", n), ("e", e), ("d", key.d()), ("p", p), ("q", q), ("dp", dp), ("dq", dq), ("qi", &qi)];
        let mut json = SecretWriter::default();
        json.push(br#"{"kty":"RSA""#);
        for (name, number) in members {
            let octets = Zeroizing::new(number.to_be_bytes_trimmed_vartime());
            let text = Zeroizing::new(base64::encode_url(&octets));
            for part in [",\"", name, "\":\"", &text, "\""] {
                json.push(part.as_bytes());
            }
        }
        json.push(br#","use":"sig","alg":"RS256"}"#);
        Ok(Zeroizing::new(base64::encode(&json.finish())))
    }

    /// A certificate of this key, signed with SHA256withRSA by `issuer`, or by itself.
    pub fn certify(
        &self,
        request: &CertificateRequest<'_>,
        issuer: Option<(&Certificate, &KeyMaker)>,
    ) -> Result<Certificate, MakeError> {
        let parameters = request.parameters()?;
        let subject = self.key_pair()?;
        let made = match issuer {
            None => parameters.self_signed(&subject)?,
            Some((certificate, key)) => {
                let der = CertificateDer::from(certificate.der());
                parameters.signed_by(&subject, &Issuer::from_ca_cert_der(&der, key.key_pair()?)?)?
            }
        };
        let made = Certificate::from_der(made.der())?;
        match issuer {
            // rcgen takes any key for the issuer's.
            Some((certificate, _)) if !made.is_issued_by(certificate) => Err(MakeError::Issuer),
            _ => Ok(made),
        }
    }

    /// A signing request (PKCS#10, RFC 2986) of this key for a certificate authority, as PEM, signed with SHA256withRSA. It asks for the
    /// usages that a partner of MOSIP needs: signatures, and the unwrapping of session keys.
    pub(crate) fn request(&self, subject: &DistinguishedName) -> Result<String, MakeError> {
        let DistinguishedName { country, organization, common_name } = subject;
        let parameters = parameters(country, organization, common_name, Vec::new())?;
        Ok(parameters.serialize_request(&self.key_pair()?)?.pem()?)
    }

    /// A PKCS#12 file (PBES2, AES-256, HMAC-SHA256) of this key under `password`; `certificates` are the key's own one and its issuers.
    pub fn to_pkcs12(&self, certificates: &[Certificate], password: &str) -> Result<Vec<u8>, MakeError> {
        let failed = |_| MakeError::Encoding("PKCS#12 file");
        let key = p12_keystore::PrivateKey::from_der(self.to_pkcs8()?.as_bytes()).map_err(failed)?;
        let certificates = certificates
            .iter()
            .map(|certificate| p12_keystore::Certificate::from_der(certificate.der()).map_err(failed))
            .collect::<Result<Vec<_>, _>>()?;
        let mut store = KeyStore::new();
        store.add_entry("key", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, certificates)));
        store.writer(password).write().map_err(failed)
    }

    fn key_pair(&self) -> Result<KeyPair, MakeError> {
        let pkcs8 = self.to_pkcs8()?;
        Ok(KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(pkcs8.as_bytes()),
            &PKCS_RSA_SHA256,
        )?)
    }

    fn to_pkcs8(&self) -> Result<SecretDocument, MakeError> {
        self.0.to_pkcs8_der().map_err(|_| MakeError::Encoding("key"))
    }
}

/// A certificate as PEM.
pub(crate) fn certificate_pem(certificate: &Certificate) -> Result<String, MakeError> {
    pem::encode_string("CERTIFICATE", LineEnding::LF, certificate.der())
        .map_err(|_| MakeError::Encoding("certificate"))
}

impl CertificateRequest<'_> {
    fn parameters(&self) -> Result<CertificateParams, MakeError> {
        let names = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = parameters(self.country, self.organization, self.common_name, names)?;
        parameters.not_before = moment(self.not_before)?;
        parameters.not_after = moment(self.not_after)?;
        if self.ca {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        if !self.names.is_empty() {
            parameters.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        }
        Ok(parameters)
    }
}

/// What certificate and signing request have in common.
fn parameters(
    country: &str,
    organization: &str,
    common_name: &str,
    names: Vec<String>,
) -> Result<CertificateParams, MakeError> {
    let mut parameters = CertificateParams::new(names)?;
    let name = &mut parameters.distinguished_name;
    name.remove(DnType::CommonName);
    name.push(DnType::CountryName, country);
    name.push(DnType::OrganizationName, organization);
    name.push(DnType::CommonName, common_name);
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    Ok(parameters)
}

fn moment(at: Timestamp) -> Result<OffsetDateTime, MakeError> {
    OffsetDateTime::from_unix_timestamp(at.seconds()).map_err(|_| MakeError::Dates)
}

#[cfg(test)]
mod tests;
