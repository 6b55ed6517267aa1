//! The section `http` of a definition: what is wrong is named with its line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_platform::Platforms;

const HEAD: &str = "name: acme\ntitle: Acme\nsources: [none]\ncomment: \"#\"\nmodes: {m: {prompt: '>$'}}\n\
                    parts: [{name: c, command: show, kind: config}]\nlogout: exit\nhttp:\n";
/// The line on which the section's first field stands.
const FIRST: usize = 9;

fn load(http: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme.yaml"), format!("{HEAD}{http}\n")).unwrap();
    Platforms::of_folder(folder.path()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let parts = "  parts: [{name: c, kind: config, requests: [{path: /c}]}]\n";
    let login = "  login: {path: /l, answer: {header: X-T}}\n";
    for (http, line, wanted) in [
        ("  auth: basic", 0, "parts expected"),
        ("  parts: [{name: c, kind: config}]", FIRST, "either a command or requests"),
        ("  parts: [{name: c, kind: config, command: x}]", FIRST, "says how a command is run"),
        ("  parts: [{name: c, kind: config, requests: [{path: c}]}]", FIRST, "starts with one '/'"),
        ("  parts: [{name: c, kind: config, requests: [{path: //evil/c}]}]", FIRST, "starts with one '/'"),
        (
            "  parts: [{name: c, kind: config, requests: [{path: '/{pasword}'}]}]",
            FIRST,
            "'{pasword}' is none of",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, query: {p: '{password}'}}]}]",
            FIRST,
            "may not stand in a URL",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, json: {t: '{token}'}}]}]",
            FIRST,
            "no {token} here",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, json: {c: '{command}'}}]}]",
            FIRST,
            "`http: command` only",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, json: {}, xml: <a/>}]}]",
            FIRST,
            "one body",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, answer: {json: a}}]}]",
            FIRST,
            "no JSON pointer",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, answer: {xml: 'a//b'}}]}]",
            FIRST,
            "no path",
        ),
        (
            "  parts: [{name: c, kind: config, requests: [{path: /c, answer: {header: X}}]}]",
            FIRST,
            "only a login's token",
        ),
        ("  parts: [{name: c, kind: config, requests: [{path: /c, answer: {}}]}]", FIRST, "exactly one of"),
        ("  parts: [{name: c, kind: config, requests: [{path: /c, method: PUT}]}]", FIRST, "PUT"),
        (&format!("{parts}  headers: {{Host: x}}"), FIRST + 1, "'Host' cannot be given"),
        (&format!("{parts}  headers: {{X-A: \"a\\nb\"}}"), FIRST + 1, "cannot be a header's value"),
        (&format!("{parts}  headers: {{X-A: '{{token}}'}}"), FIRST + 1, "no {token} here"),
        (&format!("{parts}  command: {{path: /c}}"), FIRST + 1, "has {command} in it"),
        (&format!("{parts}  login: {{path: /l}}"), FIRST + 1, "a place where the token is"),
        (&format!("{parts}{login}  rejected: ['(']"), FIRST + 2, "pattern /(/"),
        (&format!("{parts}  sheme: http"), FIRST + 1, "sheme"),
    ] {
        let error = load(http).unwrap_err();
        assert!(error.contains(&format!("acme.yaml:{line}:")) && error.contains(wanted), "{http}\n{error}");
    }
    load(&format!(
        "{parts}{login}  headers: {{Cookie: 'a={{token}}'}}\n  logout: {{method: DELETE, path: /l}}"
    ))
    .unwrap();
}
