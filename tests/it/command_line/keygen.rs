//! `keygen`: what it writes, for whom, and that nothing is overwritten.

use super::*;

#[test]
fn a_made_key_and_certificate_are_private_are_read_again_and_are_never_overwritten() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [key, certificate, bundle, password] =
        ["partner.key", "partner.crt", "partner.p12", "password"].map(path);
    std::fs::write(&password, "a password\n").unwrap();

    let make_key = ["keygen", "key", "--format", "pkcs1", "--out", &key];
    call(&make_key, b"").ok();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&key).unwrap();
    call(&make_key, b"")
        .refused(ENVIRONMENT, "partner.key: is there already, and nothing is overwritten; name");
    assert_eq!(std::fs::read(&key).unwrap(), before);

    let subject = ["--subject", "C=XX, O=Ministry, CN=partner", "--days", "365"];
    let to = ["--out", &certificate, "--p12", &bundle, "--password-file", &password];
    let make = [&["keygen", "certificate", "--key", &key][..], &subject, &to].concat();
    call(&make, b"").ok();
    assert_eq!(std::fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);
    let found = call(&["inspect", "--json", "--password-file", &password, &bundle], b"").ok().json();
    assert_eq!(found["certificates"][0]["subject"], "C=XX, O=Ministry, CN=partner");
    assert_eq!(found["private_keys"][0]["certificates"][0], found["certificates"][0]["thumbprint"]);

    let strange = ["--issuer-key", "keys.example/opencrvs-priv.key", "--issuer-cert", &certificate];
    let leaf = path("leaf.crt");
    let make = [&["keygen", "certificate", "--key", &key, "--out", &leaf][..], &subject, &strange].concat();
    call(&make, b"").refused(REFUSED, "does not belong to the issuer's certificate");
}

#[test]
fn a_signing_request_comes_with_its_key_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, csr) = (path("partner.key"), path("partner.csr"));
    let make = |csr: &str| {
        let subject = r"C=XX, O=Registry\, Ministry of Justice, CN=opencrvs-partner";
        call(&["keygen", "key", "--out", &key, "--csr", csr, "--subject", subject], b"")
    };
    std::fs::write(path("taken.csr"), "of another key").unwrap();
    make(&path("taken.csr")).refused(ENVIRONMENT, "taken.csr: is there already, and nothing is overwritten");
    assert_eq!(std::fs::read_to_string(path("taken.csr")).unwrap(), "of another key");
    assert!(!Path::new(&key).exists(), "a key that nobody asked a certificate for");

    let made = make(&csr).ok();
    assert!(made.text().contains("send it to a certificate authority"), "{}", made.text());
    let mode = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&key), mode(&csr)), (0o600, 0o644));
    let before = std::fs::read(&key).unwrap();
    make(&path("second.csr")).refused(ENVIRONMENT, "partner.key: is there already");
    assert_eq!(std::fs::read(&key).unwrap(), before);
    assert!(!Path::new(&path("second.csr")).exists(), "a request of a key that was not kept");

    for half in [&["--csr", "x.csr"][..], &["--subject", "C=XX, O=b, CN=c"]] {
        call(&[&["keygen", "key", "--out", &path("third.key")][..], half].concat(), b"").ended(USAGE);
    }
    let wrong =
        ["keygen", "key", "--out", &path("third.key"), "--csr", &path("third.csr"), "--subject", "CN=c"];
    call(&wrong, b"").refused(USAGE, "the subject is not of the form C=XX");
    assert!(!Path::new(&path("third.key")).exists());

    // Another library, where it is there.
    let verified =
        Command::new("openssl").args(["req", "-verify", "-noout", "-subject", "-in", &csr]).output();
    let Ok(verified) = verified else { return };
    let said = [verified.stdout, verified.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(verified.status.success() && said.contains("verify OK"), "{said}");
    assert!(said.contains("Registry, Ministry of Justice") && said.contains("opencrvs-partner"), "{said}");
    let public = |arguments: &[&str]| Command::new("openssl").args(arguments).output().unwrap().stdout;
    let of_key = public(&["pkey", "-pubout", "-in", &key]);
    assert!(!of_key.is_empty());
    assert_eq!(public(&["req", "-noout", "-pubkey", "-in", &csr]), of_key);
}
