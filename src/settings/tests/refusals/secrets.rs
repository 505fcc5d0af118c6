//! Secrets: by file or variable, and never both.

use super::*;

#[test]
fn a_secret_in_the_open() {
    for (text, section, name) in SECRETS {
        refused(
            &format!("{text}{name} = \"hunter2\""),
            &format!(
                "file: {section}.{name}: is a secret in the open; set {name}_file or {name}_env instead"
            ),
        );
    }
    let set = [("MOSIP_GATEWAY__DELIVER__SECRET", "hunter2")];
    assert_eq!(
        problems("", &set),
        [
            "MOSIP_GATEWAY__DELIVER__SECRET: deliver.secret: is a secret in the open; set secret_file or secret_env instead"
        ]
    );
}

#[test]
fn a_secret_in_both_forms() {
    for (text, section, name) in SECRETS {
        let both = format!("{text}{name}_file = \"f\"\n{name}_env = \"PATH\"");
        refused_at(&both, &format!("{section}.{name}_file"), &format!("is set beside {name}_env"));
    }
}

#[test]
fn a_secret_file_that_is_absent_or_empty() {
    for (text, section, name) in SECRETS.into_iter().filter(|(_, section, _)| !section.starts_with("keys")) {
        let path = format!("{section}.{name}_file");
        refused_at(&format!("{text}{name}_file = \"absent\""), &path, "cannot read /etc/gateway/absent");
        refused_at(&format!("{text}{name}_file = \"empty\""), &path, "leads to an empty secret");
    }
}

#[test]
fn a_secret_variable_that_is_not_set() {
    for (text, section, name) in SECRETS.into_iter().filter(|(_, section, _)| !section.ends_with("ida")) {
        let text = format!("{text}{name}_env = \"UNSET\"");
        refused_at(
            &text,
            &format!("{section}.{name}_env"),
            "names a variable that is not set; set that variable",
        );
        assert_eq!(problems(&text, &[("UNSET", "")]).len(), 1, "an empty one counts as unset");
    }
}
