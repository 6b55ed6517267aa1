use super::*;
use proptest::prelude::*;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";

fn parse(content: &str) -> KnownHosts {
    KnownHosts::parse(content.as_bytes()).unwrap()
}

fn blobs(known: &KnownHosts, host: &str, port: u16) -> Vec<String> {
    known.keys_of(host, port).into_iter().map(|key| format!("{} {}", key.algorithm, key.key)).collect()
}

/// As `ssh-keygen -H` writes it.
fn hashed(name: &str, salt: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
    let hash = hmac::sign(&key, name.as_bytes());
    format!("{HASHED}{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

#[test]
fn names_ports_patterns_and_hashes_are_found() {
    let salted = hashed("r3", &[7; 20]);
    let known = parse(&format!(
        "# comment\n\n r1,192.0.2.1 {ED25519} a comment\r\n[r2]:2222 {ED25519}\n{salted} {OTHER}\n*.lab,!x.lab {OTHER}\n"
    ));
    assert_eq!((known.len(), known.skipped()), (4, &[][..]));
    for (host, port) in [("r1", 22), ("R1", 22), ("192.0.2.1", 22), ("r2", 2222), ("[r2]", 2222)] {
        assert_eq!(blobs(&known, host, port), [ED25519], "{host}");
    }
    for (host, port) in [("r3", 22), ("a.lab", 22)] {
        assert_eq!(blobs(&known, host, port), [OTHER], "{host}");
    }
    for (host, port) in [("r2", 22), ("r1", 2222), ("r", 22), ("x.lab", 22), ("lab", 22), ("r3", 2222)] {
        assert!(blobs(&known, host, port).is_empty(), "{host}");
    }
    let fingerprint = &known.keys_of("r1", 22)[0].fingerprint;
    assert!(fingerprint.starts_with("SHA256:") && fingerprint.len() == 50, "{fingerprint}");
}

#[test]
fn revoked_keys_are_none_and_other_keys_of_the_host_stay() {
    let known = parse(&format!("r1 {ED25519}\nr1 {OTHER}\n@revoked * {ED25519}\nr1 {OTHER}\n"));
    assert_eq!(blobs(&known, "r1", 22), [OTHER]);
}

#[test]
fn lines_that_cannot_be_used_are_told_and_cost_no_other() {
    let cut = &ED25519[..60];
    let wrong = ED25519.replacen("ssh-ed25519", "ssh-rsa", 1);
    let long = "x".repeat(20_000);
    let content = format!(
        "r1 1024 35 123456\n@cert-authority *.lab {ED25519}\n@new r1 {ED25519}\nr1\nr1 {cut}\nr1 {wrong}\n\
         |1|x|y {ED25519}\n{long} {ED25519}\nr9 {ED25519}"
    );
    let known = parse(&content);
    let told: Vec<String> = known.skipped().iter().map(ToString::to_string).collect();
    let expected = [
        "version 1",
        "certificate authorities",
        "marker",
        "were expected",
        "cannot be read",
        "another type",
        "hashed name",
        "at most 16384",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (index, (told, words)) in told.iter().zip(expected).enumerate() {
        assert!(told.starts_with(&format!("line {}: ", index + 1)) && told.contains(words), "{told}");
    }
    assert_eq!(blobs(&known, "r9", 22), [ED25519]);
}

#[test]
fn patterns_match_as_in_a_shell() {
    for (pattern, name, expected) in [
        ("*", "", true),
        ("*", "r1", true),
        ("r?", "r1", true),
        ("r?", "r", false),
        ("a*b*c", "axxbyyc", true),
        ("a*b*c", "axxbyy", false),
        ("", "r1", false),
        ("*.*.x", "a.b.x", true),
    ] {
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
    }
    let (pattern, name) = ("*a".repeat(2000), "a".repeat(1000) + "b");
    assert!(!matches(pattern.as_bytes(), name.as_bytes()), "in bounded time");
}

proptest! {
    #[test]
    fn whatever_a_file_holds_it_is_read(content in prop::collection::vec(any::<u8>(), 0..2000), host in "[ -~]{0,20}") {
        let known = KnownHosts::parse(&content).unwrap();
        prop_assert!(known.keys_of(&host, 22).is_empty());
    }

    #[test]
    fn every_host_that_is_written_is_found_plain_or_hashed(
        hosts in prop::collection::btree_set("[a-z0-9][a-z0-9.-]{0,30}", 1..20),
        port in prop_oneof![Just(22_u16), any::<u16>()],
        salt in prop::collection::vec(any::<u8>(), 20),
    ) {
        let line = |host: &String, hash: bool| {
            let name = name_of(host, port);
            let name = if hash { hashed(&name, &salt) } else { name };
            format!("{name} {ED25519}\n")
        };
        let content: String =
            hosts.iter().enumerate().map(|(index, host)| line(host, index % 2 == 0)).collect();
        let known = parse(&content);
        prop_assert_eq!((known.len(), known.skipped().len()), (hosts.len(), 0));
        for host in &hosts {
            prop_assert_eq!(blobs(&known, host, port), vec![ED25519.to_owned()]);
            prop_assert!(blobs(&known, host, port ^ 1).is_empty());
        }
    }
}
