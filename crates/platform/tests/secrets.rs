//! Finding secrets: what the one pass over a text must never lose.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_platform::Platforms;
use proptest::prelude::*;

/// Lines with a secret, the secret between « and », for every shipped platform that knows the line.
const LINES: &[(&str, &str)] = &[
    ("cisco_ios", "enable secret 9 «$9$nhEmQVczB7dqsO$X.HsgL6x1il0RxkOSS»"),
    ("cisco_ios", "snmp-server community «verysecret» RO 10"),
    ("cisco_ios", " neighbor 192.0.2.7 password 7 «02050D480809»"),
    ("cisco_ios", "tacacs-server host 10.0.0.1 key 7 «094F471A1A0A»"),
    ("arista_eos", "username admin role network-admin secret sha512 «$6$abc$def»"),
    ("arista_eos", "   neighbor 10.0.0.1 password 7 «Xyz12=»"),
    ("juniper_junos", "            encrypted-password \"«$6$abc$def»\"; ## SECRET-DATA"),
    ("juniper_junos", "    community «verysecret» {"),
    ("frr", " neighbor 10.0.0.1 password «verysecret»"),
    ("linux", "PrivateKey = «yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=»"),
];

fn found(platform: &str, text: &str) -> Vec<String> {
    let platform = Platforms::shipped().unwrap().get(platform).unwrap();
    let spans = platform.find_secrets(text.as_bytes());
    spans.iter().map(|span| String::from_utf8_lossy(&text.as_bytes()[span.range()]).into_owned()).collect()
}

#[test]
fn each_line_is_found_alone() {
    for (platform, line) in LINES {
        let secret = line.split(['«', '»']).nth(1).unwrap();
        assert_eq!(found(platform, &line.replace(['«', '»'], "")), [secret], "{platform}: {line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn secrets_are_found_wherever_they_stand_among_other_lines(
        order in proptest::collection::vec((0usize..LINES.len(), "[ -~]{0,30}", "\n{1,3}"), 1..20),
        platform in 0usize..5,
    ) {
        let name = ["cisco_ios", "arista_eos", "juniper_junos", "frr", "linux"][platform];
        let mut text = String::new();
        let mut expected = Vec::new();
        for (index, noise, gap) in &order {
            let (owner, line) = LINES[*index];
            // A quote or semicolon in the noise cannot reach the next line.
            text += &format!("! {noise}{gap}");
            if owner == name {
                expected.push(line.split(['«', '»']).nth(1).unwrap().to_owned());
                text += &format!("{}{gap}", line.replace(['«', '»'], ""));
            }
        }
        let found = found(name, &text);
        for secret in expected {
            prop_assert!(found.contains(&secret), "{secret} not in {found:?}\n{text}");
        }
    }
}

#[test]
fn a_megabyte_on_one_line_and_a_megabyte_of_secrets_are_searched_to_the_end() {
    let mut line = "x".repeat(1 << 20);
    line += " $1$abcd$efgh";
    assert_eq!(found("cisco_ios", &line), ["$1$abcd$efgh"]);
    let many = "snmp-server community verysecret RO\n".repeat(30_000);
    assert_eq!(found("cisco_ios", &many).len(), 30_000);
}
