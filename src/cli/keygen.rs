//! `keygen`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::input;
use super::outcome::{self, Failure, Outcome};
use crate::clock::{Clock, Timestamp};
use crate::keys::Certificate;
use crate::keys::make::{
    self, Access, CertificateRequest, DistinguishedName, KeyMaker, MakeError, certificate_pem, write_new,
};
use crate::keys::source::LoadError;
use crate::keys::source::file;

const SECONDS_PER_DAY: i64 = 86_400;

/// Arguments of `keygen`.
#[derive(Args)]
pub(super) struct Keygen {
    #[command(subcommand)]
    command: KeygenCommand,
}

#[derive(Subcommand)]
enum KeygenCommand {
    /// The complete development key set, into a new folder.
    Development {
        /// The folder. Existing files are never overwritten.
        dir: PathBuf,
    },
    /// A private RSA key, into a new file that its owner alone can read; with `--csr` also the request with which an authority certifies it.
    Key(Key),
    /// A certificate of a key, signed by itself or by an issuer, into a new file. MOSIP takes one of an authority that it trusts, and
    /// none that signed itself.
    Certificate(Box<MakeCertificate>),
}

#[derive(Args)]
struct Key {
    /// 2048, 3072 or 4096.
    #[arg(long, default_value_t = 2048)]
    bits: usize,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = KeyFormat::Pem)]
    format: KeyFormat,
    /// The file. An existing one is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also writes a signing request (PKCS#10, PEM) of the key into this new file, for a certificate authority.
    #[arg(long, value_name = "FILE", requires = "subject")]
    csr: Option<PathBuf>,
    /// The subject of the request, such as "C=XX, O=Ministry, CN=opencrvs-partner". O has to be the organisation's name as MOSIP's partner
    /// management has it.
    #[arg(long, requires = "csr")]
    subject: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyFormat {
    /// PKCS#8 PEM
    Pem,
    /// PKCS#1 PEM
    Pkcs1,
    /// JWK in base64, for eSignet
    Jwk,
}

#[derive(Args)]
struct MakeCertificate {
    /// The private key, in any container that the gateway reads.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Its subject, such as "C=XX, O=Ministry, CN=partner"; a comma inside a name as `\,`.
    #[arg(long)]
    subject: String,
    /// How long it is valid from now.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    days: u16,
    /// Makes it a CA, which can issue other certificates.
    #[arg(long)]
    ca: bool,
    /// The issuer's private key.
    #[arg(long, value_name = "FILE", requires = "issuer_cert")]
    issuer_key: Option<PathBuf>,
    /// The issuer's certificate.
    #[arg(long, value_name = "FILE", requires = "issuer_key")]
    issuer_cert: Option<PathBuf>,
    /// The file for the certificate, PEM.
    #[arg(long, value_name = "FILE", required_unless_present = "p12")]
    out: Option<PathBuf>,
    /// Also writes key and certificate into this file, as PKCS#12.
    #[arg(long, value_name = "FILE", requires = "password_file")]
    p12: Option<PathBuf>,
    /// A file that holds the password of the PKCS#12 file, and of the key where that is encrypted.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Keygen {
    pub(super) fn run(&self) -> Outcome {
        let now = Clock::system().now();
        match &self.command {
            KeygenCommand::Development { dir } => make::development_set(dir, now).map(drop)?,
            KeygenCommand::Key(key) => key.make()?,
            KeygenCommand::Certificate(certificate) => certificate.make(now)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Key {
    fn make(&self) -> Result<(), Failure> {
        let subject = self.subject.as_deref().map(str::parse::<DistinguishedName>).transpose()?;
        let key = KeyMaker::generate(self.bits)?;
        let text = match self.format {
            KeyFormat::Pem => key.to_pem(),
            KeyFormat::Pkcs1 => key.to_pkcs1_pem(),
            KeyFormat::Jwk => key.to_jwk_base64(),
        }?;
        write_new(&self.out, text.as_bytes(), Access::Private)?;
        let Some((csr, subject)) = self.csr.as_ref().zip(subject) else { return Ok(()) };
        let request = key.request(&subject)?;
        if let Err(error) = write_new(csr, request.as_bytes(), Access::Public) {
            // Nobody has seen this key, and the next attempt would find its file in the way.
            let _ = std::fs::remove_file(&self.out);
            return Err(error.into());
        }
        let (out, csr) = (self.out.display(), csr.display());
        outcome::print(
            format!(
                "{out}: the private key. It stays here; keep a copy where your backups of secrets lie.\n\
                 {csr}: the signing request. Next: send it to a certificate authority that MOSIP trusts, and upload the \
                 certificate that it returns to MOSIP's partner management, behind those of the authority. \
                 docs/onboarding.md goes on from there.\n"
            )
            .as_bytes(),
        )
        .map(drop)
    }
}

impl MakeCertificate {
    fn make(&self, now: Timestamp) -> Result<(), Failure> {
        let subject: DistinguishedName = self.subject.parse()?;
        let password = input::read_password(self.password_file.as_deref())?;
        let password = password.as_deref().map(Vec::as_slice);
        let key = KeyMaker::from_file(&input::read(Some(&self.key))?, password)?;
        let request = CertificateRequest {
            country: &subject.country,
            organization: &subject.organization,
            common_name: &subject.common_name,
            not_before: now,
            not_after: Timestamp::from_seconds(
                now.seconds().saturating_add(i64::from(self.days) * SECONDS_PER_DAY),
            ),
            ca: self.ca,
            names: &[],
        };
        let issuer = self.issuer()?;
        let made = key.certify(&request, issuer.as_ref().map(|(certificate, key)| (certificate, key)))?;
        if let Some(out) = &self.out {
            write_new(out, certificate_pem(&made)?.as_bytes(), Access::Public)?;
        }
        if let Some((out, password)) = self.p12.as_ref().zip(password) {
            let password = std::str::from_utf8(password)
                .map_err(|_| Failure::Unfit(format!("the PKCS#12 file {}", LoadError::PasswordNotText)))?;
            let chain: Vec<Certificate> =
                [made].into_iter().chain(issuer.map(|(issuer, _)| issuer)).collect();
            write_new(out, &key.to_pkcs12(&chain, password)?, Access::Private)?;
        }
        Ok(())
    }

    fn issuer(&self) -> Result<Option<(Certificate, KeyMaker)>, Failure> {
        let Some((key, certificate)) = self.issuer_key.as_ref().zip(self.issuer_cert.as_ref()) else {
            return Ok(None);
        };
        let key = KeyMaker::from_file(&input::read(Some(key))?, None)?;
        let certificates = file::parse_certificates(&input::read(Some(certificate))?)
            .map_err(|error| Failure::Unfit(format!("{}: {error}", certificate.display())))?;
        Ok(certificates.into_iter().next().map(|certificate| (certificate, key)))
    }
}

impl From<MakeError> for Failure {
    fn from(error: MakeError) -> Self {
        let text = error.to_string();
        match error {
            MakeError::Bits(_) | MakeError::Subject | MakeError::Control(_) => Self::Usage(text),
            MakeError::File { .. } => Self::Environment(text),
            _ => Self::Unfit(text),
        }
    }
}
