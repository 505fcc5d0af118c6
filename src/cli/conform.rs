//! `conform`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::Uri;
use tokio::runtime::Runtime;

use super::input;
use super::outcome::{self, Failure, Outcome};
use super::simulator::{check_folder, read};
use crate::conform::{self, Plan, Registration, Role};
use crate::crypto::secret::SecretBytes;
use crate::upstream;

/// Arguments of `conform`.
#[derive(Args)]
pub(super) struct Conform {
    /// The URL of the program that is examined. It must know the key set of --keys; `docs/conformance.md` has the table of its settings.
    #[arg(long, value_name = "URL")]
    against: Uri,
    /// The place in which it stands.
    #[arg(long = "as", value_enum, default_value_t = Role::Mediator, value_name = "ROLE")]
    role: Role,
    /// The folder of a development key set; `mosip-gateway keygen development FOLDER` makes one.
    #[arg(long, default_value = "keys.example", value_name = "FOLDER")]
    keys: PathBuf,
    /// Where a mediator takes webhooks. Without it, `/webhooks` behind --against.
    #[arg(long, value_name = "URL")]
    webhooks: Option<Uri>,
    /// Where a mediator takes UINTOKENs. Without it, `/birthReceiveNid` behind --against.
    #[arg(long, value_name = "URL", conflicts_with = "no_pushes")]
    pushes: Option<Uri>,
    /// Leaves out UINTOKENs that are pushed.
    #[arg(long)]
    no_pushes: bool,
    /// Where a mediator answers the forms of OpenCRVS about a person, as `/verify` of `mosip-api`. Without it they are left out.
    #[arg(long, value_name = "URL")]
    verify: Option<Uri>,
    /// The address at which the kit plays MOSIP towards a mediator.
    #[arg(long, default_value = "127.0.0.1:4600", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The address at which the kit takes what a mediator tells OpenCRVS, and what a stand-in for MOSIP pushes, at any path.
    #[arg(long, default_value = "127.0.0.1:4601", value_name = "ADDRESS")]
    inbox: SocketAddr,
    /// The secret that OpenCRVS signs its webhooks with. Without it, that of the vectors.
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// The client at MOSIP's IAM. Without it, that of the example configuration, as with the four that follow.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Its secret.
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// The partner at IDA.
    #[arg(long, value_name = "ID")]
    partner_id: Option<String>,
    /// The licence key of its MISP.
    #[arg(long, value_name = "FILE")]
    licence_key_file: Option<PathBuf>,
    /// Its API key.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Root certificates (PEM) that the program's certificate must chain to, in place of the public ones.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Speaks plain http to another machine. Others can read and change what travels.
    #[arg(long)]
    danger_plain_http: bool,
    /// The time for one answer.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    deadline: Duration,
    /// How long to wait for what follows an answer, such as an event that reaches MOSIP.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration, value_name = "TIME")]
    patience: Duration,
    /// Prints the report as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Also writes it as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also writes it as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Conform {
    pub(super) fn run(&self) -> Outcome {
        let plan = self.plan()?;
        let runtime = Runtime::new().map_err(Failure::environment)?;
        let report = runtime.block_on(conform::run(plan)).map_err(Failure::environment)?;
        for (file, written) in [(&self.junit, report.to_junit()), (&self.html, report.to_html())] {
            if let Some(file) = file {
                write(file, &written)?;
            }
        }
        if self.json {
            outcome::print_json(&report)?;
        } else {
            outcome::print(report.to_text().as_bytes())?;
        }
        Ok(ExitCode::from(if report.findings().next().is_some() { outcome::REFUSED } else { 0 }))
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let make = "name the folder of a development key set with --keys; `mosip-gateway keygen development FOLDER` makes one";
        check_folder(&self.keys, make)?;
        let urls = [
            ("--against", Some(&self.against)),
            ("--webhooks", self.webhooks.as_ref()),
            ("--pushes", self.pushes.as_ref()),
            ("--verify", self.verify.as_ref()),
        ];
        for (option, url) in urls.into_iter().filter_map(|(option, url)| Some((option, url?))) {
            self.check_url(option, url)?;
        }
        Ok(Plan {
            against: self.against.clone(),
            role: self.role,
            webhooks: self.webhooks.clone(),
            pushes: self.pushes.clone(),
            verify: self.verify.clone(),
            without_pushes: self.no_pushes,
            keys: self.keys.clone(),
            webhook_secret: secret(self.webhook_secret_file.as_deref())?,
            registration: Registration {
                client_id: self.client_id.clone(),
                client_secret: secret(self.client_secret_file.as_deref())?,
                partner_id: self.partner_id.clone(),
                licence_key: secret(self.licence_key_file.as_deref())?,
                api_key: secret(self.api_key_file.as_deref())?,
            },
            listen: self.listen,
            inbox: self.inbox,
            roots: self.ca.as_deref().map(read).transpose()?,
            danger_plain_http: self.danger_plain_http,
            deadline: self.deadline,
            patience: self.patience,
        })
    }

    fn check_url(&self, option: &str, url: &Uri) -> Result<(), Failure> {
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err(Failure::Usage(format!(
                "{option}: this is no URL of http or https; write http://host:port"
            )));
        }
        if upstream::is_plain(url) && !self.danger_plain_http {
            let what = "this is plain http to another machine; name an https URL, or say --danger-plain-http";
            return Err(Failure::Usage(format!("{option}: {what}")));
        }
        Ok(())
    }
}

/// The secret in a file, without the end of its line.
fn secret(file: Option<&Path>) -> Result<Option<SecretBytes>, Failure> {
    Ok(input::read_password(file)?.map(|bytes| SecretBytes::new(bytes.to_vec())))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| {
        let reason = crate::regular::reason(&error);
        Failure::Environment(format!(
            "{}: {reason}; name a place that this user can write to",
            file.display()
        ))
    })
}
