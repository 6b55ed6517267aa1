//! Which rule fired, and whose it is.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::Span;
use netraven_platform::{Owner, Platforms};

const BASE: &str = "name: base_os
title: T
sources: [none]
comment: '! '
modes: {m: {prompt: '^\\w+# *$'}}
parts: [{name: c, command: show, kind: config, end: '^end$'}]
logout: exit
pager: {pattern: '^--More--$', send: ' '}
rejected: ['^% no']
volatile: ['^! at .*']
secrets:
  - {pattern: '^key (?<secret>\\S+)', hide: ['key «x»']}
";

const CHILD: &str = "name: child_os
extends: base_os
title: T
sources: [none]
secrets:
  - {pattern: '^word (?<secret>\\S+)', hide: ['word «x»']}
";

fn platforms() -> Platforms {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("base_os", BASE), ("child_os", CHILD)] {
        std::fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    Platforms::of_folder(folder.path()).unwrap()
}

/// Platform, whether it is inherited, file name and line.
fn place(owner: &Owner) -> (&str, bool, &str, u64) {
    match owner {
        Owner::General => ("", false, "", 0),
        Owner::Definition { platform, inherited, file, line } => {
            (platform, *inherited, file.rsplit('/').next().unwrap(), *line)
        }
    }
}

#[test]
fn a_rule_is_named_with_the_definition_it_stands_in() {
    let (platforms, inherited) = (platforms(), ("base_os", true, "base_os.yaml"));
    let child = platforms.get("child_os").unwrap();
    let text =
        b"key one\nword two\n-----BEGIN PRIVATE KEY-----\nM\n-----END PRIVATE KEY-----\nkey 7 0102\n! at 1\n";
    let fired = child.explain_secrets(text);
    let places: Vec<_> = fired.iter().map(|(_, rule)| place(&rule.owner)).collect();
    let of_base = (inherited.0, inherited.1, inherited.2, 12);
    let general = ("", false, "", 0);
    // The last line is found by two: the base's rule takes the number for the key, the general net the key behind it.
    assert_eq!(
        places,
        [of_base, ("child_os", false, "child_os.yaml", 6), general, of_base, general],
        "{fired:?}"
    );
    assert_eq!(fired[2].1.pattern, "private key");
    let volatile = child.explain_volatile(text);
    assert_eq!(place(&volatile[0].1.owner), (inherited.0, inherited.1, inherited.2, 10));
    assert_eq!(place(&child.pager_rule(b"--More--").unwrap().owner), ("base_os", true, "base_os.yaml", 8));
    assert_eq!(place(&child.rejection_rule(b"% no\n").unwrap().owner), ("base_os", true, "base_os.yaml", 9));
    assert!(child.pager_rule(b"x").is_none() && child.rejection_rule(b"yes\n").is_none());
    let base = platforms.get("base_os").unwrap();
    assert_eq!(place(&base.explain_secrets(text)[0].1.owner), ("base_os", false, "base_os.yaml", 12));
}

#[test]
fn what_is_explained_is_what_is_found() {
    let platform = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
    let text = b"snmp-server community verysecret RO\nntp clock-period 1\nusername x secret 9 $9$abc$def\n"
        .repeat(50);
    let spans =
        |fired: Vec<netraven_platform::Fired>| Span::merge(fired.into_iter().map(|(s, _)| s).collect());
    assert_eq!(spans(platform.explain_secrets(&text)), platform.find_secrets(&text));
    assert_eq!(spans(platform.explain_volatile(&text)), platform.find_volatile(&text));
    assert!(platform.find_secrets(&text).len() >= 100);
}
