//! What the program makes of input that is no good, and which exit codes it answers with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use netraven_store::devices::{self, DeviceFilter};
use sqlx::Connection;
use std::os::unix::fs::PermissionsExt;

#[test]
fn nonsense_on_the_command_line_is_refused_with_code_2() {
    let place = Place::without_database();
    for (arguments, message) in [
        (&["frobnicate"][..], "unrecognized subcommand"),
        (&["device", "add", "r 1", "--address", "192.0.2.1", "--platform", "frr"], "cannot be a device name"),
        (&["device", "add", "r1", "--address", "192.0.2.1.", "--platform", "frr"], "an IPv4 address such as"),
        (&["device", "add", "r1", "--address", "h", "--platform", "frr", "--port", "0"], "a TCP port from 1"),
        (
            &["device", "add", "r1", "--address", "h", "--platform", "fr"],
            "unknown platform 'fr', did you mean 'frr'?",
        ),
        (
            &["device", "add", "r1", "--address", "h", "--platform", "frr", "--protocol", "http"],
            "platform 'frr' is not spoken to over http, only over ssh, telnet",
        ),
        (&["device", "add", "r1", "--address", "h", "--platform", "frr", "--tag", "a b"], "expected a tag"),
        (&["device", "update", "r1"], "required"),
        (&["device", "update", "r1", "--enable", "--disable"], "cannot be used with"),
        (&["device", "list", "--status", "fine"], "possible values: new, ok, failing, disabled"),
        (&["device", "import", "missing.csv"], "missing.csv cannot be read"),
        (&["credential", "add", "ops"], "--username"),
        (&["credential", "add", "ops", "--username", "u"], "there is no terminal to ask for the password"),
        (&["credential", "add", "ops", "--username", "u", "--password", "x"], "unexpected argument"),
        (&["backup"], "required"),
        (&["backup", "--all", "--device", "r1"], "cannot be used with"),
        (&["backup", "--all", "--every", "soon"], "expected a duration such as 30m"),
        (&["config", "show", "r1", "--at", "yesterday"], "expected a time such as"),
        (&["config", "diff", "r1", "--from", "one"], "invalid value 'one'"),
        (&["job", "list", "--status", "lost"], "expected one of queued, running, done, cancelled"),
        (
            &["setting", "set", "retry.attempts", "many"],
            "expected a whole number from 1 to 100, found 'many'",
        ),
        (&["setting", "set", "database.url", "postgres://h/d"], "cannot be set in the database"),
        (&["platform", "check", "/nowhere"], "/nowhere"),
        (&["tag", "add", "site", "x", "y"], "possible values: device, credential"),
        (&["completions", "tcsh"], "invalid value 'tcsh'"),
        (
            &["config-file", "check", "--set", "retry.attempts=0"],
            "command line --set: retry.attempts: expected",
        ),
        (&["config-file", "check", "--set", "gateway.api_key=x"], "may not be given on the command line"),
        (
            &["config-file", "check", "--env", "nowhere"],
            "there is no environment 'nowhere': expected one of demo, dev",
        ),
    ] {
        let ran = place.run(arguments);
        ran.failed(2, message);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_code_3_and_says_where_to_look() {
    let Some(place) = Place::new().await else { return };
    for (arguments, message) in [
        (&["device", "show", "r9"][..], "error: there is no device 'r9'\nhint: see `netraven device list`\n"),
        (&["device", "remove", "r9", "--yes"], "there is no device 'r9'"),
        (&["device", "update", "r9", "--disable"], "there is no device 'r9'"),
        (&["device", "accept-key", "r9"], "there is no device 'r9'"),
        (
            &["credential", "remove", "ops"],
            "there is no credential 'ops'\nhint: see `netraven credential list`",
        ),
        (&["tag", "delete", "edge"], "there is no tag 'edge'"),
        (&["tag", "add", "device", "r9", "edge"], "there is no device 'r9'"),
        (&["backup", "--device", "r9"], "there is no device 'r9'"),
        (&["backup", "--tag", "edge"], "there is no tag 'edge'"),
        (&["backup", "--all"], "there is no device to back up\nhint: add one with `netraven device add`"),
        (&["config", "show", "r9"], "there is no device 'r9'"),
        (&["config", "log", "r9"], "there is no device 'r9'"),
        (&["job", "show", "9"], "there is no job '9'"),
        (&["run", "show", "9"], "there is no run '9'"),
        (&["run", "cancel", "9"], "there is no run '9'"),
        (&["schedule", "remove", "nightly"], "there is no schedule 'nightly'"),
        (&["schedule", "enable", "nightly"], "there is no schedule 'nightly'"),
        (&["setting", "remove", "retry.attempts"], "there is no setting 'retry.attempts'"),
    ] {
        place.run(arguments).failed(3, message);
    }
}

#[tokio::test]
async fn a_database_that_is_not_ready_is_code_4_and_says_why() {
    let place = Place::without_database();
    let refused =
        place.command(&["db", "check"]).env("DATABASE_URL", "postgres://u:canary@127.0.0.1:1/d").spawn();
    let ran = common::finish(refused.unwrap());
    ran.failed(4, "no PostgreSQL answers at 127.0.0.1:1");
    assert!(
        !ran.stderr.contains("canary") && ran.stderr.contains("hint: check that the server runs"),
        "{ran:?}"
    );

    let Some((place, server)) = Place::with_own_server().await else { return };
    let url = server.url_as("postgres", server.password(), "inventory");
    let run = |arguments: &[&str]| {
        let url = url.expose_text().unwrap();
        common::finish(place.command(arguments).env("DATABASE_URL", url).spawn().unwrap())
    };
    run(&["db", "check"]).failed(4, "has no database 'inventory'");
    let ran = run(&["db", "init"]);
    assert!(ran.stdout.starts_with("The database is ready: schema version "), "{ran:?}");
    assert!(ran.stdout.contains("The first administrator is 'admin' with the password\n  "), "{ran:?}");
    assert!(
        ran.stderr.contains("database 'inventory' created") && ran.stderr.contains("validation: "),
        "{ran:?}"
    );
    let again = run(&["db", "init"]);
    assert!(again.stdout.contains("was there already") && !again.stdout.contains("password"), "{again:?}");
    let ran = run(&["db", "check"]);
    let mut lines = ran.stdout.lines();
    assert_eq!(lines.next(), Some("Database connection successful"));
    let rest: String = lines.collect();
    assert!(
        ["server", "database", "netraven_api", "schema", "size"].iter().all(|word| rest.contains(word)),
        "{rest}"
    );
    assert!(run(&["db", "validate"]).stdout.contains("are as this release ships them"));
    let roles = run(&["db", "roles", "--json"]);
    let roles: serde_json::Value = serde_json::from_str(&roles.stdout).unwrap();
    assert!(roles["roles"].as_array().unwrap().iter().all(|role| role["state"] == "logs in"), "{roles}");

    let empty = server.url_as("postgres", server.password(), "postgres");
    let run = |arguments: &[&str]| {
        let url = empty.expose_text().unwrap();
        common::finish(place.command(arguments).env("DATABASE_URL", url).spawn().unwrap())
    };
    run(&["db", "check"])
        .failed(4, "error: the database has no NetRaven schema\nhint: create it with `netraven db init`\n");
    run(&["db", "migrate"]).failed(4, "the database has no NetRaven schema");
    run(&["device", "list"]).failed(4, "the database has no NetRaven schema");
}

#[tokio::test]
async fn services_log_in_where_database_url_says_whatever_the_administrators_url_names() {
    let Some((place, server)) = Place::with_own_server().await else { return };
    let admin = server.url_as("postgres", server.password(), "postgres");
    let admin = admin.expose_text().unwrap();
    let nobody = server.url_as("", "", "inventory");
    let url = nobody.expose_text().unwrap().replacen(":@", "", 1);
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("DATABASE_URL", &url).env("NETRAVEN__DATABASE__ADMIN_URL", admin);
        common::finish(command.spawn().unwrap())
    };
    run(&["db", "check"]).failed(4, "has no logins for ");
    let ran = run(&["db", "init"]);
    assert!(ran.stderr.contains("database 'inventory' created"), "{ran:?}");
    let ran = run(&["db", "validate"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test]
async fn a_file_with_passwords_of_a_server_is_not_replaced_by_those_of_the_private_one() {
    let Some((place, server)) = Place::with_own_server().await else { return };
    for folder in [place.folder().to_owned(), place.folder().join("data")] {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let url = server.url_as("postgres", server.password(), "inventory");
    let file = place.folder().join("logins.json");
    let run = |arguments: &[&str], url: &str| {
        let mut command = place.command(arguments);
        command.env("DATABASE_URL", url).env("NETRAVEN__DATABASE__LOGINS_FILE", &file);
        common::finish(command.spawn().unwrap())
    };
    assert_eq!(run(&["db", "init"], url.expose_text().unwrap()).code, 0);
    let before = std::fs::read(&file).unwrap();
    run(&["device", "list"], "").failed(4, "logins.json holds the passwords for 'netraven_*' on ");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_schema_that_somebody_changed_is_found_and_not_worked_with() {
    let Some((place, server)) = Place::with_own_server().await else { return };
    let url = server.url_as("postgres", server.password(), "inventory");
    let run = |arguments: &[&str]| {
        let url = url.expose_text().unwrap();
        common::finish(place.command(arguments).env("DATABASE_URL", url).spawn().unwrap())
    };
    assert_eq!(run(&["db", "init"]).code, 0);
    let mut connection = sqlx::PgConnection::connect(url.expose_text().unwrap()).await.unwrap();
    let change = "DROP INDEX netraven.devices_ip_address; CREATE INDEX mine ON netraven.devices (notes)";
    sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
    let ran = run(&["db", "validate", "--json"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["errors"][0]["name"], "devices.devices_ip_address");
    assert_eq!(report["warnings"][0]["name"], "devices.mine");
    run(&["up"]).failed(4, "index devices.devices_ip_address is missing");
}

#[tokio::test]
async fn a_wrong_line_in_a_csv_file_is_named_and_nothing_is_written() {
    let Some(place) = Place::new().await else { return };
    let mut text = String::from("hostname,ip_address,device_type\n");
    for n in 2..=9 {
        text += &format!("r{n},192.0.2.{},linux\n", if n == 7 { "700".to_owned() } else { n.to_string() });
    }
    place.file("bad.csv", &text);
    let ran = place.run(&["device", "import", "bad.csv"]);
    ran.failed(2, "line 7: ip_address: expected an IPv4 address such as 192.0.2.1, found '192.0.2.700'\n");
    assert!(ran.stderr.contains("error: bad.csv has 1 mistake, nothing was imported"), "{ran:?}");
    let store = place.store().await;
    assert!(devices::list(&store, &DeviceFilter::default()).await.unwrap().is_empty());

    place.file("good.csv", text.replace("192.0.2.700", "192.0.2.7"));
    place.good(&["device", "import", "good.csv", "--dry-run"]);
    assert!(devices::list(&store, &DeviceFilter::default()).await.unwrap().is_empty());
    assert_eq!(place.good(&["device", "import", "good.csv"]), "8 devices added\n");
    let again = place.json(&["device", "import", "good.csv"]);
    assert_eq!((&again["added"], &again["skipped"]), (&0.into(), &8.into()));
}

#[tokio::test]
async fn an_inventory_goes_out_and_comes_in_again() {
    let Some(place) = Place::new().await else { return };
    let text = "hostname,ip_address,device_type,port,site,description,tags,protocol,ssh_profile,jump_host\n\
                r1,192.0.2.1,cisco_ios,2222,\"Paris, left\",,core;paris,ssh,,\nr2,2001:db8::2,linux,,,,default,ssh,,\n";
    let ran = place.run_with_input(&["device", "import", "-"], text);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(place.good(&["device", "export"]), text);
    place.good(&["device", "export", "--tag", "core", "core.csv"]);
    assert_eq!(std::fs::read_to_string(place.folder().join("core.csv")).unwrap().lines().count(), 2);
    place.run(&["device", "export", "core.csv"]).failed(2, "core.csv cannot be written");

    let changed = text.replace("192.0.2.1", "192.0.2.77").replace("core;paris", "");
    let ran = place.run_with_input(&["device", "import", "--update", "-"], &changed);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0 devices added, 2 updated\n"));
    let device = place.json(&["device", "show", "r1"]);
    assert_eq!(
        (&device["ip_address"], &device["tags"]),
        (&"192.0.2.77".into(), &serde_json::json!(["core", "paris"]))
    );
}
