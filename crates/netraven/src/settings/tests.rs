//! The order in which settings win, and everything that can be wrong with them.

use super::*;
use serde_json::{Value, json};
use std::path::Path;

/// A working directory with a file for the environment `prod` and, where given, a `.env` file.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(file: &str, dot_env: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prod.yaml"), file).unwrap();
        std::fs::write(folder.path().join(".env"), dot_env).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn sources(&self, environment: &[(&str, &str)]) -> Sources {
        let mut sources = sources_for_tests(environment);
        let of_process = std::mem::take(&mut sources.variables);
        sources.variables = variables::of_dot_env(&self.path(".env")).unwrap();
        sources.variables.extend(of_process);
        sources.usual_folders = vec![self.folder.path().to_owned()];
        sources
    }
}

fn value(effective: &Effective, path: &str) -> (Value, String) {
    let setting = effective.settings.iter().find(|setting| setting.key.path == path).unwrap();
    (setting.value.clone().unwrap_or_default(), setting.origin.to_string())
}

fn message(sources: &Sources) -> String {
    Effective::load(sources).unwrap_err().to_string()
}

#[test]
fn where_passwords_are_looked_up_is_said_in_the_file_and_nowhere_else() {
    let file =
        "credentials:\n  references:\n    core: {exec: [/bin/pass, canary]}\n    edge: {file: /run/edge}\n";
    let place = Place::new(file, "");
    let effective = Effective::load(&place.sources(&[])).unwrap();
    let aliases = effective.typed().unwrap().credentials.references.unwrap();
    assert_eq!(aliases.keys().collect::<Vec<_>>(), ["core", "edge"]);
    let shown = report::to_yaml(&effective);
    assert!(shown.contains("core (exec), edge (file)") && !shown.contains("canary"), "{shown}");

    let only = "credentials.references can only be set in the configuration file";
    let variable = [("NETRAVEN__CREDENTIALS__REFERENCES", r#"{"x":{"env":"HOME"}}"#)];
    assert!(message(&place.sources(&variable)).ends_with(only));
    let mut sources = place.sources(&[]);
    sources.overrides.values =
        vec![("credentials.references".into(), r#"{"x":{"env":"HOME"}}"#.into(), "--set")];
    assert!(message(&sources).ends_with(only));
    for (wrong, why) in [
        ("core: {exec: []}", "core: exec names no program"),
        ("core: {file: edge}", "core: file is no absolute path"),
        ("'a b': {env: X}", "expected aliases of letters"),
        ("core: {shell: x}", "expected aliases, each with exec, env or file"),
        ("core: text", "expected aliases, each with exec, env or file"),
    ] {
        let place = Place::new(&format!("credentials:\n  references:\n    {wrong}\n"), "");
        let message = message(&place.sources(&[]));
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn gateways_stand_in_the_file_and_nowhere_else_and_their_keys_are_not_shown() {
    let file = "scheduler:\n  gateways:\n    berlin:\n      url: https://gw.example.net:8001\n      sites: [berlin]\n      \
        key: canary\n    rest: {url: 'http://127.0.0.1:8001', key_file: /run/key, max_sessions: 5}\n";
    let place = Place::new(file, "");
    let effective = Effective::load(&place.sources(&[])).unwrap();
    let settings = effective.typed().unwrap();
    let dispatch = settings.scheduler.dispatch();
    assert_eq!(dispatch.gateways.keys().collect::<Vec<_>>(), ["berlin", "rest"]);
    assert_eq!(
        (dispatch.gateways["berlin"].sites.len(), dispatch.gateways["rest"].max_sessions),
        (1, Some(5))
    );
    let shown = format!("{}{}{settings:?}", report::to_yaml(&effective), report::to_json(&effective));
    assert!(shown.contains("berlin (https://gw.example.net:8001)") && !shown.contains("canary"), "{shown}");
    let mut sources = place.sources(&[]);
    sources.overrides.values = vec![("scheduler.gateways".into(), "{}".into(), "--set")];
    assert!(message(&sources).ends_with("scheduler.gateways can only be set in the configuration file"));
    for (wrong, why) in [
        ("a: {url: 'http://gw.example.net', key: canary}", "a: url is http:// and leads beyond this machine"),
        ("a: {url: 'https://gw.example.net'}", "a: one of key and key_file is expected"),
        ("'a b': {url: 'https://gw', key: canary}", "expected names of gateways of letters"),
        ("a: {url: 'https://gw', token: canary}", "expected gateways, each with url"),
        ("a: canary", "expected gateways, each with url"),
    ] {
        let place = Place::new(&format!("scheduler:\n  gateways:\n    {wrong}\n"), "");
        let message = message(&place.sources(&[]));
        assert!(message.contains(why) && !message.contains("canary"), "{message}");
    }
}

#[test]
fn each_source_wins_over_the_one_before() {
    let place = Place::new("retry: {attempts: 4}\n", "NETRAVEN__RETRY__ATTEMPTS=5\n");
    let file = place.path("prod.yaml");
    let environment = [("NETRAVEN__RETRY__ATTEMPTS", "6")];

    let defaults = Effective::load(&sources_for_tests(&[])).unwrap();
    assert_eq!(value(&defaults, "retry.attempts"), (json!(3), "default".into()));

    let mut sources = place.sources(&[]);
    sources.variables.clear();
    let from_file = Effective::load(&sources).unwrap();
    assert_eq!(value(&from_file, "retry.attempts"), (json!(4), format!("{} line 1", file.display())));

    let from_dot_env = Effective::load(&place.sources(&[])).unwrap();
    let origin = format!("variable NETRAVEN__RETRY__ATTEMPTS in {}", place.path(".env").display());
    assert_eq!(value(&from_dot_env, "retry.attempts"), (json!(5), origin));

    let from_environment = Effective::load(&place.sources(&environment)).unwrap();
    let origin = "environment variable NETRAVEN__RETRY__ATTEMPTS".to_owned();
    assert_eq!(value(&from_environment, "retry.attempts"), (json!(6), origin));

    let mut sources = place.sources(&environment);
    sources.overrides.values = vec![("retry.attempts".into(), "7".into(), "--set")];
    let mut effective = Effective::load(&sources).unwrap();
    assert_eq!(value(&effective, "retry.attempts"), (json!(7), "command line --set".into()));

    effective.overlay_database([("retry.attempts", &json!(8))]).unwrap();
    assert_eq!(value(&effective, "retry.attempts"), (json!(8), "system_settings".into()));
    assert_eq!(effective.typed().unwrap().retry.attempts, 8);
}

#[test]
fn plain_variables_count_and_the_full_name_wins_within_the_same_source() {
    let both = [("DATABASE_URL", "postgres://plain/d"), ("NETRAVEN__DATABASE__URL", "postgres://full/d")];
    let effective = Effective::load(&sources_for_tests(&both)).unwrap();
    assert_eq!(value(&effective, "database.url").0, "postgres://full/d");

    let place = Place::new("", "NETRAVEN__DATABASE__URL=postgres://dotenv/d\n");
    let effective = Effective::load(&place.sources(&both[..1])).unwrap();
    assert_eq!(value(&effective, "database.url").0, "postgres://plain/d");
}

#[test]
fn the_environment_and_its_folder_may_be_named_in_a_dot_env_file() {
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("lab.yaml"), "service_name: from-lab\n").unwrap();
    let dot_env = format!("NETRAVEN_ENV=lab\nNETRAVEN_CONFIG_DIR={}\n", other.path().display());
    let place = Place::new("", &dot_env);
    let effective = Effective::load(&place.sources(&[])).unwrap();
    assert_eq!(
        (effective.environment.as_str(), value(&effective, "service_name").0),
        ("lab", json!("from-lab"))
    );
    let effective = Effective::load(&place.sources(&[("NETRAVEN_CONFIG_DIR", "/nowhere")]));
    assert!(effective.unwrap_err().to_string().starts_with("there is no environment 'lab'"));
}

#[test]
fn wrong_values_name_their_place_and_key() {
    let place = Place::new("retry:\n  attempts: many\n", "");
    let expected = format!(
        "{} line 2: retry.attempts: expected a whole number from 1 to 100, found 'many'",
        place.path("prod.yaml").display()
    );
    assert_eq!(message(&place.sources(&[])), expected);

    let out_of_range = sources_for_tests(&[("NETRAVEN__DEVICE__PARALLEL_SESSIONS", "20001")]);
    assert_eq!(
        message(&out_of_range),
        "environment variable NETRAVEN__DEVICE__PARALLEL_SESSIONS: device.parallel_sessions: \
         expected a whole number from 1 to 20000, found '20001'"
    );

    let mut sources = sources_for_tests(&[]);
    sources.overrides.values = vec![("retry.attempt".into(), "1".into(), "--set")];
    assert_eq!(
        message(&sources),
        "command line --set: unknown key 'retry.attempt', did you mean 'retry.attempts'?"
    );
}

#[test]
fn errors_about_secrets_do_not_show_them() {
    for variable in
        [("DATABASE_URL", "mysql://u:canary@h/d"), ("DATABASE_URL", "u:canary@h"), ("API_KEY", "can\nary")]
    {
        let text = message(&sources_for_tests(&[variable]));
        assert!(!text.contains("canary") && !text.contains("ary'"), "{text}");
        assert!(text.starts_with(&format!("environment variable {}: ", variable.0)), "{text}");
    }
}

#[test]
fn secrets_are_refused_on_the_command_line() {
    for (key, text) in [("gateway.api_key", "canary"), ("database.url", "postgres://u:canary@h/d")] {
        let mut sources = sources_for_tests(&[]);
        sources.overrides.values = vec![(key.into(), text.into(), "--set")];
        let text = message(&sources);
        assert_eq!(text, format!("{key} holds a secret and may not be given on the command line"));
    }
    let mut sources = sources_for_tests(&[]);
    sources.overrides.values = vec![("database.url".into(), "postgres://u@h/d".into(), "--set")];
    assert!(Effective::load(&sources).is_ok());
}

#[test]
fn api_keys_that_everybody_knows_are_refused_outside_dev() {
    for key in ["dev-key", "changeme", "Secret", "CHANGE_ME"] {
        let mut sources = sources_for_tests(&[("API_KEY", key)]);
        let text = message(&sources);
        assert_eq!(
            text,
            "environment variable API_KEY: gateway.api_key: expected a key of your own, found a well-known one"
        );
        sources.overrides.environment = Some("dev".into());
        assert!(Effective::load(&sources).is_ok());
    }
    assert!(Effective::load(&sources_for_tests(&[("API_KEY", "9f3c51aa")])).is_ok());
}

#[test]
fn the_demo_never_takes_a_database_or_folder_meant_for_another_environment() {
    let mut sources = sources_for_tests(&[
        ("DATABASE_URL", "postgres://production/d"),
        ("NETRAVEN_DATA_DIR", "/var/lib/netraven"),
        ("NETRAVEN_ENV", "demo"),
    ]);
    let effective = Effective::load(&sources).unwrap();
    assert_eq!(value(&effective, "database.url").0, Value::Null);
    assert_eq!(value(&effective, "data_dir").0, "/home/x/netraven-demo");
    assert_eq!(effective.warnings.len(), 2);
    assert!(effective.warnings[0].contains("DATABASE_URL is ignored"), "{:?}", effective.warnings);
    sources.overrides.values = vec![("data_dir".into(), "here".into(), "--data-dir")];
    let effective = Effective::load(&sources).unwrap();
    assert_eq!(value(&effective, "data_dir").0, "/srv/here");
}

#[test]
fn relative_paths_are_completed_and_the_key_file_follows_the_data_directory() {
    let variables = [("NETRAVEN_DATA_DIR", "data"), ("NETRAVEN__PLATFORMS__DIR", "../mine")];
    let effective = Effective::load(&sources_for_tests(&variables)).unwrap();
    let settings = effective.typed().unwrap();
    assert_eq!(settings.data_dir, Path::new("/srv/data"));
    assert_eq!(settings.vault.key_file, Path::new("/srv/data/keys/master.key"));
    assert_eq!(settings.platforms.dir.as_deref(), Some(Path::new("/srv/../mine")));
}

#[test]
fn debug_of_settings_shows_no_secret() {
    let variables = [("DATABASE_URL", "postgresql://u:canary-1@h/d"), ("API_KEY", "canary-2-long-enough")];
    let sources = sources_for_tests(&variables);
    let effective = Effective::load(&sources).unwrap();
    let shown = format!("{sources:?} {effective:?} {:?}", effective.typed().unwrap());
    assert!(shown.contains("u:***@h") && !shown.contains("canary"), "{shown}");
}

#[test]
fn without_a_home_the_data_directory_must_be_given() {
    let mut sources = sources_for_tests(&[]);
    sources.data_home = None;
    let error = Effective::load(&sources).unwrap_err();
    assert_eq!((error.to_string().contains("data_dir"), error.hint()), (true, "set NETRAVEN_DATA_DIR"));
}

#[test]
fn rows_of_the_database_are_checked_like_everything_else() {
    let mut effective = Effective::load(&sources_for_tests(&[])).unwrap();
    for (key, value, expected) in [
        (
            "retry.attempts",
            json!("many"),
            "system_settings: retry.attempts: expected a whole number from 1 to 100",
        ),
        ("retry.attemts", json!(1), "system_settings: unknown key 'retry.attemts', did you mean"),
        (
            "database.url",
            json!("postgres://h/d"),
            "database.url cannot be set in the database: expected one of device.",
        ),
    ] {
        let text = effective.overlay_database([(key, &value)]).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{text}");
    }
    effective.overlay_database([("retry.attempts", &json!("9"))]).unwrap();
    assert_eq!(value(&effective, "retry.attempts").0, 9);
}

#[test]
fn redaction_patterns_are_a_list_in_the_file_or_a_text_and_a_wrong_one_is_named_with_its_place() {
    let default = Effective::load(&sources_for_tests(&[])).unwrap().typed().unwrap();
    assert_eq!(default.logging.redaction_patterns, netraven_platform::DEFAULT_PATTERNS);
    for (text, expected) in [
        ("logging:\n  redaction_patterns:\n    - secret\n    - 're:a, b'\n", &["secret", "re:a, b"][..]),
        ("logging: {redaction_patterns: 'secret, token'}\n", &["secret", "token"]),
        ("logging: {redaction_patterns: []}\n", &[]),
    ] {
        let place = Place::new(text, "");
        let effective = Effective::load(&place.sources(&[])).unwrap();
        assert_eq!(effective.typed().unwrap().logging.redaction_patterns, expected);
        // What is shown can be read back.
        let shown = Place::new(&to_yaml(&effective), "");
        let again = Effective::load(&shown.sources(&[])).unwrap();
        assert_eq!(again.typed().unwrap().logging.redaction_patterns, expected);
    }
    let place = Place::new("logging:\n  redaction_patterns: [fine, 're:(']\n", "");
    let problem = message(&place.sources(&[]));
    let expected =
        format!("{} line 2: logging.redaction_patterns: expected", place.path("prod.yaml").display());
    assert!(problem.starts_with(&expected) && problem.contains("redaction pattern 're:('"), "{problem}");
}
