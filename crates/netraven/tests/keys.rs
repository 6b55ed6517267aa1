//! The keys that encrypt stored secrets: listed, renewed, retired, kept in escrow, had from elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, Ran, finish};
use netraven_vault::Vault;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const ADD: [&str; 6] = ["credential", "add", "ops", "--username", "backup", "--password-stdin"];

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn add_credential(place: &Place) {
    let ran = place.run_with_input(&ADD, "canary-password\n");
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// What each key is needed for, as `[number, credential secrets, state]`.
fn status(place: &Place) -> Vec<Value> {
    let rows = place.json(&["key", "status"]);
    let row = |row: &Value| json!([row["number"], row["credentials"], row["state"]]);
    rows.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn a_key_is_renewed_retired_and_comes_back_from_escrow() {
    let Some(place) = Place::new().await else { return };
    add_credential(&place);
    let key_file = place.folder().join("data/keys/master.key");
    let passphrase = place.file("passphrase.txt", "canary horse battery\n");
    let with = |arguments: &[&str]| {
        place.run(&[arguments, &["--passphrase-file", passphrase.to_str().unwrap()]].concat())
    };
    let listed = place.json(&["key", "list"]);
    assert_eq!((&listed["keys"][0]["number"], &listed["keys"][0]["newest"]), (&json!(1), &json!(true)));
    assert!(listed["source"].as_str().unwrap().ends_with("master.key"), "{listed}");
    assert_eq!(status(&place), [json!([1, 1, "newest"])]);

    // Escrow: what opens it is long enough and right, and nothing is quoted.
    let short = place.file("short.txt", "canary-1234".get(..11).unwrap());
    let short = ["key", "export", "keys.escrow", "--passphrase-file", short.to_str().unwrap()];
    place.run(&short).failed(2, "the passphrase is expected to have 12 characters or more");
    assert!(!place.folder().join("keys.escrow").exists());
    assert!(place.run(&["key", "export", "keys.escrow"]).stderr.contains("no terminal to ask"));
    assert_eq!(with(&["key", "export", "keys.escrow"]).code, 0);
    let escrow = place.folder().join("keys.escrow");
    assert_eq!(mode(&escrow), 0o600);
    let file: Value = serde_json::from_str(&std::fs::read_to_string(&key_file).unwrap()).unwrap();
    let first_key = file["encryption_keys"][0]["key"].as_str().unwrap();
    assert!(!std::fs::read_to_string(&escrow).unwrap().contains(first_key));

    // A key that came from another process: the old one is needed until everything was encrypted anew.
    Vault::open(&key_file).unwrap().add_key().unwrap();
    assert_eq!(status(&place), [json!([1, 1, "to be rotated"]), json!([2, 0, "newest"])]);
    with(&["key", "remove", "1", "--escrow", "keys.escrow"]).failed(1, "hint: `netraven key rotate`");
    assert_eq!(place.json(&["key", "rotate", "--no-new-key"]), json!({"key": 2, "renewed": 1}));
    assert_eq!(status(&place), [json!([1, 0, "no longer needed"]), json!([2, 1, "newest"])]);
    assert_eq!(place.json(&["key", "rotate"]), json!({"key": 3, "renewed": 1}));
    with(&["key", "remove", "2", "--escrow", "keys.escrow"]).failed(2, "the escrow file does not hold key 2");
    let exported = with(&["key", "export", "keys.escrow"]);
    assert!(exported.stdout.contains("holds key 1, 2, 3;"), "{exported:?}");
    with(&["key", "remove", "3", "--escrow", "keys.escrow"]).failed(1, "key 3 is needed by 1 secrets");
    with(&["key", "remove", "9", "--escrow", "keys.escrow"]).failed(2, "does not hold key 9");
    let wrong = place.file("wrong.txt", "canary horse saddle\n");
    let wrong =
        ["key", "remove", "1", "--escrow", "keys.escrow", "--passphrase-file", wrong.to_str().unwrap()];
    place.run(&wrong).failed(2, "the passphrase is wrong or the file was altered");
    for number in ["1", "2"] {
        let removed = with(&["key", "remove", number, "--escrow", "keys.escrow"]);
        assert_eq!(removed.code, 0, "{removed:?}");
    }
    assert_eq!(status(&place), [json!([3, 1, "newest"])]);
    let exported = with(&["key", "export", "keys.escrow"]);
    assert!(exported.stdout.contains("holds key 1, 2, 3;"), "retired keys stay in it: {exported:?}");

    // A new machine.
    with(&["key", "import", "keys.escrow"]).failed(1, "is there already; move it away first");
    let kept = std::fs::read(&key_file).unwrap();
    std::fs::remove_file(&key_file).unwrap();
    place.file("nonsense.escrow", "canary\n");
    with(&["key", "import", "nonsense.escrow"]).failed(2, "not an escrow file of this release");
    with(&["key", "import", "nowhere.escrow"]).failed(2, "nowhere.escrow cannot be read");
    let text = std::fs::read_to_string(&escrow).unwrap();
    place.file("cut.escrow", &text[..text.len() - 9]);
    with(&["key", "import", "cut.escrow"]).failed(2, "the file was altered");
    assert!(!key_file.exists());
    assert_eq!(with(&["key", "import", "keys.escrow"]).code, 0);
    assert_eq!(mode(&key_file), 0o600);
    assert_eq!(status(&place)[2], json!([3, 1, "newest"]));
    assert_eq!(place.json(&["key", "rotate"]), json!({"key": 4, "renewed": 1}), "it still opens");
    std::fs::write(&key_file, kept).unwrap();
    // An old key file: a new key would get the number of the one that is missing.
    assert_eq!(status(&place)[1], json!([4, 1, "MISSING"]));
    place.run(&["key", "rotate"]).failed(1, "the database needs key 4, which is not among the keys");
    place.run(&["key", "rotate", "--no-new-key"]).failed(1, "1 secrets do not open and stay as they are");
    assert_eq!(status(&place).len(), 2, "no key was made");
    let trail = place.good(&["audit", "list"]);
    for action in ["key.escrowed", "key.rotated", "key.removed"] {
        assert!(trail.contains(action), "{action} in {trail}");
    }
}

#[tokio::test]
async fn each_thing_that_is_wrong_with_a_key_file_has_an_error_of_its_own() {
    let Some(place) = Place::new().await else { return };
    add_credential(&place);
    let key_file = place.folder().join("data/keys/master.key");
    let good = std::fs::read(&key_file).unwrap();
    let each = |message: &str| {
        for arguments in [&["key", "list"][..], &["key", "status"], &["key", "rotate"]] {
            place.run(arguments).failed(1, message);
        }
    };
    std::fs::remove_file(&key_file).unwrap();
    each("master.key: cannot be read: No such file");
    assert!(!key_file.exists(), "none is made in its place");
    std::fs::create_dir(&key_file).unwrap();
    each("master.key: is not a regular file");
    std::fs::remove_dir(&key_file).unwrap();
    std::fs::write(&key_file, &good).unwrap();
    set_mode(&key_file, 0o644);
    each("has mode 0644, expected 0600");
    set_mode(&key_file, 0o600);
    std::fs::write(&key_file, &good[..good.len() / 2]).unwrap();
    each("is damaged: expected JSON as NetRaven writes it");
    std::fs::write(&key_file, vec![b' '; (1 << 20) + 1]).unwrap();
    each("is damaged: it has 1048577 bytes, expected at most 1048576");
    // Another installation's key of the same number.
    std::fs::remove_file(&key_file).unwrap();
    Vault::open_or_create(&key_file).unwrap();
    let ran = place.run(&["key", "rotate"]);
    ran.failed(1, "1 secrets do not open and stay as they are");
    assert!(ran.stderr.contains("credentials.password of row 1 does not open with key 1"), "{ran:?}");
    std::fs::write(&key_file, &good).unwrap();
    assert_eq!(status(&place), [json!([1, 1, "newest"])]);
}

/// An installation whose keys come from elsewhere.
struct Elsewhere {
    place: Place,
}

impl Elsewhere {
    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        finish(self.place.command(arguments).envs(variables.iter().copied()).spawn().unwrap())
    }

    fn generate(&self, variables: &[(&str, &str)], arguments: &[&str], name: &str) -> PathBuf {
        let ran = self.run(variables, &[&["key", "generate", "--output", name], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let path = self.place.folder().join(name);
        assert_eq!(mode(&path), 0o600);
        path
    }
}

const ENVIRONMENT: (&str, &str) = ("NETRAVEN__VAULT__KEY_ENVIRONMENT", "RING");
const COMMAND: &str = "NETRAVEN__VAULT__KEY_COMMAND";

#[tokio::test]
async fn keys_come_from_an_environment_variable_or_a_command_and_are_never_written_there() {
    let Some(place) = Place::new().await else { return };
    let at = Elsewhere { place };
    let first = at.generate(&[], &[], "ring.json");
    at.run(&[], &["key", "generate", "--output", "ring.json"]).failed(1, "ring.json cannot be written");
    let text = std::fs::read_to_string(&first).unwrap();
    let variables = [ENVIRONMENT, ("RING", text.as_str())];
    let mut add = at.place.command(&ADD);
    add.envs(variables).stdin(std::fs::File::open(at.place.file("password.txt", "canary\n")).unwrap());
    let added = finish(add.spawn().unwrap());
    assert_eq!(added.code, 0, "{added:?}");
    assert!(!at.place.folder().join("data/keys/master.key").exists());
    let listed = at.run(&variables, &["key", "list"]);
    assert!(listed.stdout.starts_with("environment variable RING\n"), "{listed:?}");
    let refused = at.run(&variables, &["key", "rotate"]);
    refused.failed(2, "the keys come from environment variable RING, where NetRaven cannot change them");
    let import = at.run(&variables, &["key", "import", "ring.json", "--passphrase-file", "password.txt"]);
    import.failed(2, "do not come from a key file");

    let second = at.generate(&variables, &["--add"], "ring2.json");
    let cat = format!("/bin/cat {}", second.display());
    let command = [(COMMAND, cat.as_str())];
    let rotated = at.run(&command, &["key", "rotate", "--no-new-key", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&rotated.stdout).unwrap(), json!({"key": 2, "renewed": 1}));
    let status = at.run(&command, &["key", "status"]);
    assert!(status.stdout.contains("no longer needed") && status.stdout.contains("newest"), "{status:?}");
    at.run(&variables, &["key", "status"]).stdout.contains("MISSING").then_some(()).unwrap();

    at.run(&[ENVIRONMENT], &["key", "list"])
        .failed(1, "RING: expected a variable with the text of a key file");
    let nonsense = at.run(&[ENVIRONMENT, ("RING", "canary")], &["key", "list"]);
    nonsense.failed(1, "environment variable RING is damaged");
    for (command, message) in [
        ("/nowhere/kms canary", "command /nowhere/kms: /nowhere/kms cannot be started"),
        ("/bin/false canary", "/bin/false ended with exit status: 1, expected exit status 0"),
        ("/bin/echo canary", "command /bin/echo is damaged: expected JSON"),
        ("/bin/true canary", "command /bin/true is damaged"),
        ("/usr/bin/head -c 2000000 /dev/zero", "/usr/bin/head wrote more than 1048576 bytes"),
    ] {
        let ran = at.run(&[(COMMAND, command)], &["key", "list"]);
        ran.failed(1, message);
        assert!(!ran.stderr.contains("canary"), "{ran:?}");
    }
    let both = at.run(&[ENVIRONMENT, (COMMAND, "/bin/true")], &["key", "list"]);
    both.failed(2, "not from both");
}
