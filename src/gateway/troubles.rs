//! What is not as it should be with the files that the configuration names, and stops no start.

use std::path::Path;

use super::credentials;
use crate::clock::Timestamp;
use crate::config::Trouble;
use crate::error::Error;
use crate::keys::source::file::readable_by_others;
use crate::regular;

/// `outbox.key_file` that everybody can read.
pub(crate) fn of_key_file(file: &Path) -> Option<Trouble> {
    let is_readable = regular::metadata(file).is_ok_and(|metadata| readable_by_others(&metadata));
    is_readable.then(|| {
        Trouble::new(
            "outbox.key_file",
            "seals the outbox, and every user of this machine can read it",
            "take read access from others (chmod o= on the file)",
        )
    })
}

/// Settings all of whose certificates have expired.
pub(super) fn of_trusted(trusted: &[(String, Timestamp)], now: Timestamp) -> Vec<Trouble> {
    let expired = trusted.iter().filter(|(_, end)| *end < now).map(|(setting, end)| {
        Trouble::fatal(
            setting,
            format!("names a certificate that has expired on {}", end.to_iso()),
            "replace its file, and start the gateway again",
        )
    });
    expired.collect()
}

/// Credentials are to come, and none can be verified, for each of the reasons `refusals`.
pub(super) fn of_credentials(refusals: &[Error]) -> Vec<Trouble> {
    let trouble =
        |refusal: &Error| Trouble::fatal("credentials", credentials::reason(refusal), refusal.advice());
    refusals.iter().map(trouble).collect()
}

#[cfg(test)]
mod tests {
    use crate::gateway::fake::Running;

    const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

    /// What is wrong with files and settings and stops no start is in readiness, in metrics and on the page.
    #[tokio::test]
    async fn every_trouble_is_in_readiness_metrics_and_page() {
        let text = format!(
            "faces.token_env = \"FACES_TOKEN\"\nlisten.danger_internal_beyond_loopback = true\n[credentials]\n\
             contexts_dir = \"{VECTORS}/contexts\"\ncontext = [\"https://www.w3.org/2018/credentials/v1\"]\n\
             issuers = [{{ verification_method = \"https://a.example/key\", file = \"{VECTORS}/keys/issuer.crt.pem\" }},\n\
             {{ verification_method = \"https://a.example/lost\", file = \"lost.crt\" }}]\n"
        );
        let gateway = Running::start(&text, &[("FACES_TOKEN", "secret")]).await;
        let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
        let troubles = ready["troubles"].as_array().unwrap();
        let [token, credentials] = &troubles[..] else { panic!("{troubles:?}") };
        assert_eq!(
            (token["subject"].as_str(), token["fatal"].as_bool()),
            (Some("faces.token_file"), Some(false))
        );
        assert_eq!(
            (credentials["subject"].as_str(), credentials["fatal"].as_bool()),
            (Some("credentials"), Some(true))
        );
        let detail = credentials["detail"].as_str().unwrap();
        assert!(detail.contains("/lost.crt cannot be read"), "{detail}");
        let is_short = !detail.contains("cannot be verified") && !detail.starts_with('/');
        assert!(is_short, "the section says what cannot be verified, and a folder is enough: {detail}");
        let issuers = ready["certificates"].as_array().unwrap().iter();
        let names: Vec<_> = issuers.filter_map(|certificate| certificate["name"].as_str()).collect();
        assert_eq!(names, ["credentials.issuers (issuer.crt.pem)"]);
        let metrics = gateway.ops("/metrics").await;
        assert!(metrics.contains("mosip_gateway_setting_troubles 2"), "{metrics}");
        assert!(
            metrics.contains("role=\"trusted\",name=\"credentials.issuers (issuer.crt.pem)\""),
            "{metrics}"
        );
        let page = gateway.ops("/").await;
        for told in [
            "lost.crt cannot be read",
            "protects nothing without faces.listen",
            "danger_internal_beyond_loopback is on",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
        gateway.stop().await;
    }

    /// Whoever reads it can open every row.
    #[tokio::test]
    async fn an_outbox_key_that_everybody_can_read_is_in_readiness_metrics_and_page() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("outbox.key");
        crate::ledger::vault::Vault::create(&file).ok().unwrap();
        for (mode, is_trouble) in [(0o644, true), (0o640, false)] {
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let gateway = Running::start(&format!("outbox.key_file = \"{}\"\n", file.display()), &[]).await;
            let ready: serde_json::Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
            let told: Vec<_> = ready["troubles"].as_array().unwrap().iter().collect();
            let metrics = gateway.ops("/metrics").await;
            let page = gateway.ops("/").await;
            gateway.stop().await;
            let is_in_metrics =
                metrics.contains(&format!("mosip_gateway_setting_troubles {}", u8::from(is_trouble)));
            assert!(is_in_metrics, "{mode:o}: {metrics}");
            let what = "seals the outbox, and every user of this machine can read it";
            assert_eq!(page.contains(what), is_trouble, "{mode:o}: {page}");
            match told[..] {
                [trouble] if is_trouble => {
                    assert_eq!(
                        (trouble["subject"].as_str(), trouble["fatal"].as_bool()),
                        (Some("outbox.key_file"), Some(false))
                    );
                    assert_eq!(trouble["detail"].as_str(), Some(what));
                }
                [] if !is_trouble => {}
                _ => panic!("{mode:o}: {told:?}"),
            }
        }
    }

    /// Files that are read after the configuration: each a pipe without a writer, one after the other.
    #[tokio::test]
    async fn a_start_waits_for_no_file() {
        use crate::gateway::{Gateway, StartError};
        use crate::settings::Config;
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        use std::collections::BTreeMap;

        for file in [
            "own.key",
            "own.crt",
            "own.password",
            "peer.crt",
            "ca.pem",
            "issuer.crt",
            "contexts/index.toml",
            "outbox.key",
            "outbox.db",
            "outbox.db-wal",
            "outbox.db.lock",
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("contexts")).unwrap();
            mknodat(CWD, dir.path().join(file), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            let text = "listen = { internal = \"127.0.0.1:0\", ops = \"127.0.0.1:0\" }\n\
                outbox = { path = \"outbox.db\", key_file = \"outbox.key\" }\n[keys]\ndir = \"keys\"\nca_file = \"ca.pem\"\n\
                own = [{ file = \"../own.key\", cert = \"../own.crt\", password_file = \"../own.password\" }]\n\
                peers = [{ name = \"mosip\", file = \"../peer.crt\" }]\n[credentials]\ncontexts_dir = \"contexts\"\ncontext = [\"https://a.example/c\"]\n\
                issuers = [{ verification_method = \"https://a.example/key\", file = \"issuer.crt\" }]\n";
            std::fs::create_dir(dir.path().join("keys")).unwrap();
            let config = Config::from_toml(text, dir.path(), &BTreeMap::new(), &|file| std::fs::read(file));
            match Gateway::bind(config.unwrap_or_else(|problems| panic!("{problems}")), false).await {
                Ok(_) => assert!(!file.starts_with("outbox"), "{file}"),
                Err(StartError::Refused(error)) => {
                    assert!(
                        file.starts_with("outbox") && error.detail().contains("no regular file"),
                        "{file}: {error}"
                    );
                }
                Err(error) => panic!("{file}: {error}"),
            }
        }
    }
}
