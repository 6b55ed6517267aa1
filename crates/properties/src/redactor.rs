use crate::pieces::{Pieces, cut, without_a_letter};
use crate::platforms;
use netraven_platform::{Redactor, Terminal};
use std::sync::LazyLock;

const CANARY: &str = "c4nary";

/// Lines with a secret in them; `@` stands for it.
const PLANTED: [&str; 8] = [
    "password @",
    "the TOKEN is @",
    "snmp-server community @ RO",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n@\nabc=\n-----END RSA PRIVATE KEY-----",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n@\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\n@\nPrivate-MAC: 0",
    "get https://user:@@host/path",
    "root:$6$salt$@:19000:",
];

static STANDARD: LazyLock<Redactor> = LazyLock::new(|| match Redactor::standard() {
    Ok(redactor) => redactor,
    Err(error) => panic!("{error}"),
});

/// Something that redacts.
type Hide<'a> = &'a dyn Fn(&[u8]) -> String;

/// The redactor, of a platform and without one: a planted secret is never to be seen, however the bytes were cut; what comes
/// out is bounded, printable, and does not change when it is redacted again.
pub fn redactor(input: &[u8]) {
    let mut pieces = Pieces(input);
    let platform = platforms::one(pieces.byte());
    let secret = pieces.one_of(&PLANTED).replacen('@', CANARY, 1);
    let lengths = pieces.take(2);
    let noise = without_a_letter(pieces.0, CANARY);
    let (before, behind) = noise.split_at(noise.len() / 2);
    let text = [before, b"\n", secret.as_bytes(), b"\n", behind].concat();
    let hide: [Hide<'_>; 2] = [&|text| platform.redact(text), &|text| STANDARD.redact(text)];
    for redact in hide {
        let shown = redact(&text);
        assert!(!shown.contains(CANARY), "{:?} shows {:?}", String::from_utf8_lossy(&text), shown);
        assert!(shown.len() <= 16 * (text.len() + 1));
        assert!(shown.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()));
        assert_eq!(redact(shown.as_bytes()), shown, "redacted twice");
        assert_eq!(shown.matches('\n').count(), text.iter().filter(|byte| **byte == b'\n').count());
    }

    // As it comes from a device: through a terminal, in pieces.
    let (mut whole, mut parts) = (Terminal::default(), Terminal::default());
    whole.feed(&text);
    cut(&text, lengths).into_iter().for_each(|piece| parts.feed(piece));
    assert_eq!(platform.redact(parts.text()), platform.redact(whole.text()));
    if !before.contains(&0x1b) && !behind.contains(&0x1b) {
        assert!(!platform.redact(parts.text()).contains(CANARY));
    }
}
