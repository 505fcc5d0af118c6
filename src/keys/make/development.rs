//! The complete set of development keys: everything that MOSIP and OpenCRVS hand out, under their names, and the private halves of
//! MOSIP's side for the simulator.

use std::path::{Path, PathBuf};

use super::{Access, CertificateRequest, KeyMaker, MakeError, certificate_pem, write_new};
use crate::clock::Timestamp;
use crate::keys::cert::{self, Certificate};

/// Of `keystore.p12`: the password of OpenCRVS's own example, since nothing is protected by it.
const PASSWORD: &str = "mosip123";

/// Validity of the certificates: 20 years of 365.25 days.
const LIFETIME_SECONDS: i64 = 20 * 31_557_600;

/// Writes fresh development keys into `dir`, valid for 20 years from `now`, and returns the files. Never overwrites.
///
/// Our side is `keystore.p12` with `keystore.password` and `partner.crt`, `opencrvs-priv.key` with `opencrvs-pub.key`, and
/// `esignet-jwk.txt`; theirs `mosip-public.key`, `ida-partner.crt`, `ida-sign.crt`, `issuer.crt`; OpenCRVS's `opencrvs-jwt.pem`.
/// `simulator/` holds the private keys of all other parties.
pub(crate) fn development_set(dir: &Path, now: Timestamp) -> Result<Vec<PathBuf>, MakeError> {
    let mut set = Set { dir, now, written: Vec::new() };
    let (partner, partner_certificate) = set.identity("opencrvs-partner")?;
    let keystore = partner.to_pkcs12(std::slice::from_ref(&partner_certificate), PASSWORD)?;
    set.write("keystore.p12", &keystore, Access::Private)?;
    set.write("keystore.password", format!("{PASSWORD}\n").as_bytes(), Access::Private)?;
    set.write_certificate("partner.crt", &partner_certificate)?;

    let (opencrvs, opencrvs_certificate) = set.identity("opencrvs")?;
    set.write("opencrvs-priv.key", opencrvs.to_pem()?.as_bytes(), Access::Private)?;
    set.write_certificate("opencrvs-pub.key", &opencrvs_certificate)?;

    let esignet = KeyMaker::generate(2048)?;
    set.write("esignet-jwk.txt", esignet.to_jwk_base64()?.as_bytes(), Access::Private)?;

    for (name, certificate_file, key_file) in [
        ("mosip-side-mediator", "mosip-public.key", "simulator/mosip-priv.key"),
        ("ida-partner", "ida-partner.crt", "simulator/ida-priv.key"),
        ("ida-sign", "ida-sign.crt", "simulator/ida-sign-priv.key"),
        ("credential-issuer", "issuer.crt", "simulator/issuer-priv.key"),
    ] {
        let (key, certificate) = set.identity(name)?;
        set.write_certificate(certificate_file, &certificate)?;
        set.write(key_file, key.to_pem()?.as_bytes(), Access::Private)?;
    }

    let tokens = KeyMaker::generate(2048)?;
    set.write("opencrvs-jwt.pem", tokens.to_public_pem()?.as_bytes(), Access::Public)?;
    set.write("simulator/opencrvs-jwt-priv.key", tokens.to_pem()?.as_bytes(), Access::Private)?;
    Ok(set.written)
}

struct Set<'a> {
    dir: &'a Path,
    now: Timestamp,
    written: Vec<PathBuf>,
}

impl Set<'_> {
    /// A fresh key with a certificate signed by itself.
    fn identity(&self, common_name: &str) -> Result<(KeyMaker, Certificate), MakeError> {
        let key = KeyMaker::generate(2048)?;
        let request = CertificateRequest {
            country: "XX",
            organization: cert::DEVELOPMENT,
            common_name,
            not_before: self.now,
            not_after: Timestamp::from_seconds(self.now.seconds().saturating_add(LIFETIME_SECONDS)),
            ca: false,
            names: &[],
        };
        let certificate = key.certify(&request, None)?;
        Ok((key, certificate))
    }

    fn write_certificate(&mut self, name: &str, certificate: &Certificate) -> Result<(), MakeError> {
        self.write(name, certificate_pem(certificate)?.as_bytes(), Access::Public)
    }

    fn write(&mut self, name: &str, bytes: &[u8], access: Access) -> Result<(), MakeError> {
        let path = self.dir.join(name);
        write_new(&path, bytes, access)?;
        self.written.push(path);
        Ok(())
    }
}
