use super::*;

fn redacted(patterns: &[&str], text: &str) -> String {
    Redactor::new(patterns).unwrap().redact(text.as_bytes())
}

#[test]
fn default_patterns_hide_whole_lines_whatever_the_case_of_their_letters() {
    let redactor = Redactor::standard().unwrap();
    for pattern in DEFAULT_PATTERNS {
        for word in [pattern.to_owned(), pattern.to_uppercase(), format!("x{pattern}y")] {
            let text = format!("before\n say {word} now\nafter");
            assert_eq!(redactor.redact(text.as_bytes()), "before\n[REDACTED LINE]\nafter", "{word}");
        }
    }
}

#[test]
fn patterns_are_texts_unless_they_say_that_they_are_expressions() {
    assert_eq!(redacted(&["a.c"], "abc\nA.C"), "abc\n[REDACTED LINE]");
    assert_eq!(redacted(&["re:^a.c$"], "ABC\nxabc\nabcd"), "[REDACTED LINE]\nxabc\nabcd");
    assert_eq!(redacted(&["re:(?-i)abc"], "ABC\nabc"), "ABC\n[REDACTED LINE]");
    assert_eq!(redacted(&["schlüssel"], "der SCHLÜSSEL\nder Schlauch"), "[REDACTED LINE]\nder Schlauch");
    // A byte that is no UTF-8 does not stop an expression.
    let redactor = Redactor::new(&["re:begin.end"]).unwrap();
    assert_eq!(redactor.redact(b"begin\xffend"), "[REDACTED LINE]");
}

#[test]
fn a_pattern_that_cannot_be_used_is_named() {
    for (pattern, reason) in [
        ("re:(", "unclosed group"),
        ("re:", "matches an empty line"),
        ("re:x*", "matches an empty line"),
        ("", "expected a text"),
        (" ", "expected a text"),
        ("re:(?:.{1000}){1000}", "size limit"),
    ] {
        let error = Redactor::new(&["fine", pattern]).unwrap_err().to_string();
        assert!(error.contains(&format!("'{pattern}'")) && error.contains(reason), "{error}");
    }
    let many = vec!["x"; MAX_PATTERNS + 1];
    assert_eq!(Redactor::new(&many).unwrap_err(), PatternError::TooMany(MAX_PATTERNS + 1));
    assert!(Redactor::new(&vec!["re:x{500}"; MAX_PATTERNS]).is_ok());
}

#[test]
fn without_patterns_secrets_that_are_known_by_their_form_are_hidden_all_the_same() {
    let text = "fine\nuser $1$abcd$efgh x\nhttps://u:pw@host/\nssh key abc\nkeyboard";
    let lines = ["fine", LINE, LINE, LINE, "keyboard"].join("\n");
    assert_eq!(redacted(&[], text), lines);
}

#[test]
fn every_line_of_a_private_key_is_hidden_also_where_only_a_piece_of_it_came() {
    let key = "-----BEGIN EC PRIVATE KEY-----\n\nMIIE\nabc=\n-----END EC PRIVATE KEY-----";
    let hidden = [LINE; 5].join("\n");
    assert_eq!(redacted(&[], &format!("a\n{key}\nb")), format!("a\n{hidden}\nb"));
    assert_eq!(
        redacted(&[], "a\n-----BEGIN PRIVATE KEY-----\nMIIE\nabc"),
        format!("a\n{}", [LINE; 3].join("\n"))
    );
    assert_eq!(
        redacted(&[], "MIIE\nabc\n-----END PRIVATE KEY-----\nb"),
        format!("{}\nb", [LINE; 3].join("\n"))
    );
}

#[test]
fn the_sessions_own_passwords_are_hidden_alone_so_that_the_rest_can_be_read() {
    let redactor = Redactor::standard().unwrap();
    let (login, enable, short) = (Secret::from("admin"), Secret::from("community"), Secret::from("abc"));
    let own = [&login, &enable, &short];
    let redact = |text: &str| redactor.redact_with(text.as_bytes(), &own, |_| Vec::new());
    assert_eq!(redact("admin@box> \nabc\nadminadmin"), "[REDACTED]@box> \nabc\n[REDACTED][REDACTED]");
    // A password that is itself a suspicious word must not make its line look harmless.
    assert_eq!(redact("snmp community s3cret\nadmin"), "[REDACTED LINE]\n[REDACTED]");
}

#[test]
fn line_ends_of_every_kind_and_empty_texts_are_kept_in_number() {
    assert_eq!(redacted(&["x"], ""), "");
    assert_eq!(redacted(&["x"], "\n\na\r\n"), "\n\na\n");
    assert_eq!(redacted(&["x"], "x"), LINE);
    assert_eq!(redacted(&["x"], "x\n"), format!("{LINE}\n"));
    assert_eq!(redacted(&["x"], "\nx"), format!("\n{LINE}"));
}
