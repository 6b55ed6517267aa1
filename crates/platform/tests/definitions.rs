//! Loading definitions: what is shipped, what users add, what is wrong with them.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_platform::{LoadError, Platforms};
use std::fs;
use std::path::Path;

const GOOD: &str = r##"name: test_os
title: Test
aliases: [testos]
sources: [none]
comment: "# "
modes:
  shell: {prompt: '^(?<host>\w+)> $'}
rejected: ['^error']
parts:
  - {name: config, command: show config, kind: config}
secrets:
  - pattern: 'key (?<secret>\w+)'
    hide: ['key «abc»']
    keep: ['no key']
logout: exit
"##;

fn load(text: &str) -> Result<Platforms, LoadError> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("test.yaml"), text).unwrap();
    Platforms::load(Some(dir.path()))
}

/// The definition with one text replaced must be refused in that line with that reason.
fn refused(from: &str, to: &str, line: u64, reason: &str) {
    assert!(GOOD.contains(from), "{from}");
    match load(&GOOD.replacen(from, to, 1)).unwrap_err() {
        LoadError::Definition { file, line: found, problem } => {
            assert!(file.ends_with("test.yaml"), "{file}");
            assert!(problem.contains(reason), "{problem}");
            assert_eq!(found, line, "{problem}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn shipped_definitions_load_and_are_found_by_name_and_alias() {
    let platforms = Platforms::shipped().unwrap();
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms")).unwrap();
    let mut names: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(platforms.names(), names, "every folder is shipped");
    platforms.verify().unwrap();
    assert_eq!(platforms.get("cisco_xe").unwrap().name, "cisco_ios");
    assert_eq!(platforms.get("junos").unwrap().name, "juniper_junos");
    assert!(platforms.get("cisco").is_some() && platforms.get("unknown_os").is_none());
    for platform in platforms.iter() {
        assert!(!platform.sources.is_empty() && !platform.title.is_empty());
        assert!(platform.parts.iter().any(|part| part.kind == netraven_model::PartKind::Config));
    }
}

#[test]
fn a_users_definition_is_added_and_overrides_a_shipped_one() {
    let platforms = load(GOOD).unwrap();
    assert_eq!(platforms.get("testos").unwrap().title, "Test");
    assert!(platforms.get("cisco_ios").is_some());
    let own = load(&GOOD.replace("test_os", "cisco_ios").replace("testos", "cisco_own")).unwrap();
    let cisco = own.get("cisco_ios").unwrap();
    assert_eq!(cisco.title, "Test");
    assert!(cisco.origin.ends_with("test.yaml"));
    assert_eq!(own.get("cisco_own").unwrap().digest, cisco.digest);
    assert!(own.get("cisco_xe").is_none(), "the shipped definition's aliases go with it");
}

#[test]
fn a_shipped_alias_gives_way_to_the_name_of_ones_own_definition() {
    let own = load(&GOOD.replace("test_os", "junos")).unwrap();
    assert_eq!(own.get("junos").unwrap().title, "Test");
    assert_eq!(own.get("juniper").unwrap().name, "juniper_junos", "its other aliases stay");
}

#[test]
fn an_alias_cannot_belong_to_two_platforms() {
    let error = load(&GOOD.replace("testos", "junos")).unwrap_err().to_string();
    assert!(error.contains("'junos' already belongs to 'juniper_junos'"), "{error}");
    let error = load(&GOOD.replace("testos", "linux")).unwrap_err().to_string();
    assert!(error.contains("already belongs to 'linux'"), "{error}");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    refused("title: Test", "titel: Test", 2, "titel");
    refused("test_os", "Test OS", 1, "may only have a-z");
    refused("^error", "(", 8, "pattern /(/");
    refused("^error", "x*", 8, "matches an empty text");
    refused("kind: config", "kind: binarry", 10, "binarry");
    refused("(?<secret>", "(?<geheim>", 12, "needs a group (?<secret>...)");
    refused("«abc»", "«abc» x «y»", 13, "found [\"abc\"] instead");
    refused("«abc»", "abc", 13, "mark the secret");
    refused("no key", "the key is", 14, "found 'is', expected nothing");
    refused(
        "logout: exit\n",
        "logout: exit\nenable: {from: a, to: shell, command: x, password_prompt: 'y'}\n",
        16,
        "no mode 'a' (there are: shell)",
    );
    refused(
        "logout: exit\n",
        "logout: exit\nfacts: {model: [{part: version, pattern: '(x)'}]}\n",
        16,
        "no part 'version'",
    );
    refused("show config", "\"show\\nconfig\"", 10, "is not one command");
}

#[test]
fn a_definition_that_cannot_be_read_is_named() {
    let missing = Platforms::load(Some(Path::new("/nonexistent/platforms"))).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/platforms"), "{missing}");
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("big.yaml"), vec![b'#'; 2 << 20]).unwrap();
    let big = Platforms::load(Some(dir.path())).unwrap_err().to_string();
    assert!(big.contains("big.yaml") && big.contains("at most"), "{big}");
    fs::write(dir.path().join("big.yaml"), b"\xff\xfe").unwrap();
    assert!(Platforms::load(Some(dir.path())).unwrap_err().to_string().contains("big.yaml"));
}

#[test]
fn a_definition_inherits_what_it_does_not_say() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("base.yaml"), GOOD).unwrap();
    let child = "name: child_os\nextends: test_os\ntitle: Child\nsources: [none]\nrejected: ['^nope']\nlogout: quit\n";
    fs::write(dir.path().join("child.yaml"), child).unwrap();
    let platforms = Platforms::of_folder(dir.path()).unwrap();
    let (base, child) = (platforms.get("test_os").unwrap(), platforms.get("child_os").unwrap());
    assert_eq!(child.parts[0].name, "config");
    assert_eq!(child.find_secrets(b"key abc").len(), 1, "secrets are inherited");
    assert!(child.aliases.is_empty() && platforms.get("testos").unwrap().name == "test_os");
    let before = child.digest;
    assert_ne!(before, base.digest);
    // A change of the base is a change of what extends it.
    fs::write(dir.path().join("base.yaml"), GOOD.replace("no key", "no keys")).unwrap();
    assert_ne!(Platforms::of_folder(dir.path()).unwrap().get("child_os").unwrap().digest, before);
}

#[test]
fn a_chain_that_leads_nowhere_or_in_a_circle_is_named() {
    for (child, reason) in [
        ("name: a\nextends: b\ntitle: A\nsources: [none]\n", "no platform 'b'"),
        ("name: a\nextends: a\ntitle: A\nsources: [none]\n", "does not end"),
        ("name: a\ntitle: A\nsources: [none]\n", "modes: expected"),
    ] {
        let error = load(child).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn contexts_that_cannot_be_used_are_named() {
    let with = |context: &str, part: &str| {
        let contexts = format!("contexts:\n  vdom: {context}\nparts:");
        load(&GOOD.replacen("parts:", &contexts, 1).replacen("kind: config}", part, 1))
    };
    let good = "{list: l, pattern: '^(a)', enter: ['edit {context}']}";
    with(good, "kind: config, for_each: vdom}").unwrap();
    for (context, part, reason) in [
        (good, "kind: config, for_each: vsys}", "no context 'vsys'"),
        ("{list: l, pattern: '^a', enter: ['edit {context}']}", "kind: config}", "needs a group"),
        ("{list: l, pattern: '^(a)', enter: ['edit']}", "kind: config}", "has {context} in it"),
        (
            r#"{list: "l\nreload", pattern: '^(a)', enter: ['edit {context}']}"#,
            "kind: config}",
            "not one command",
        ),
    ] {
        let error = with(context, part).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn the_line_before_a_part_is_a_comment_or_what_the_definition_says() {
    let platform = load(GOOD).unwrap().get("test_os").unwrap();
    let comment = platform.comment.clone();
    assert_eq!(platform.section("a", None, "show a"), format!("{comment}---- a (show a) ----"));
    assert_eq!(platform.section("a", Some("x\ny"), "s"), format!("{comment}---- a, x y (s) ----"));
    let own = |section: &str| load(&GOOD.replacen("parts:", &format!("section: '{section}'\nparts:"), 1));
    let platform = own("### {part} {context} `{command}`").unwrap().get("test_os").unwrap();
    assert_eq!(platform.section("a", Some("v1"), "show a"), "### a v1 `show a`");
    assert!(own("###").unwrap_err().to_string().contains("has no {part} in it"));
}
