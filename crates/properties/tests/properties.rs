//! The properties with a bounded number of random inputs. `make fuzz` looks longer and cleverer.

use netraven_properties::{machine, redactor, telnet, terminal};
use proptest::collection::vec;
use proptest::prelude::*;
use std::path::Path;

/// What devices send more often than chance would have it.
fn talk(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\r\n",
            "\r",
            "\x08",
            "\x1b[K",
            "\x1b[2D",
            "\x1b[24;1H",
            "\x1b]0;t\x07",
            "Password: ",
            "SW1#",
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----END RSA PRIVATE KEY-----",
            "://a:b@",
            "$1$a$b",
            " key 7 ",
            "\u{202e}",
            "\x0b",
            "secret",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        vec(any::<u8>(), 0..8),
        "[ -~]{0,12}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..length).prop_map(|pieces| pieces.concat())
}

/// Mostly steps of a session that goes well.
fn steps() -> impl Strategy<Value = Vec<u8>> {
    let step = prop_oneof![
        4 => Just(vec![1]),
        4 => (0u8..8).prop_map(|prompt| vec![2, prompt]),
        1 => Just(vec![3]),
        1 => any::<u8>().prop_map(|time| vec![4, time]),
        2 => (6u8..13, any::<u8>()).prop_map(|(kind, which)| vec![kind, which]),
        1 => vec(any::<u8>(), 0..20),
    ];
    (any::<u8>(), any::<u8>(), vec(step, 0..60))
        .prop_map(|(platform, own, steps)| [vec![platform, own], steps.concat()].concat())
}

/// Telnet commands and options, most of them whole.
fn negotiation() -> impl Strategy<Value = Vec<u8>> {
    let option = prop::sample::select(vec![0u8, 1, 3, 24, 31, 34, 255]);
    let piece = prop_oneof![
        (251u8..=254, option.clone()).prop_map(|(verb, option)| vec![255, verb, option]),
        (option, vec(any::<u8>(), 0..4))
            .prop_map(|(option, text)| { [vec![255, 250, option], text, vec![255, 240]].concat() }),
        vec(prop::sample::select(vec![255u8, 250, 240, 13, 10, 0, 65]), 0..6),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_terminal_reads_the_same_however_its_input_is_cut(lengths in any::<[u8; 4]>(), text in talk(60)) {
        terminal(&[&lengths[..], &text].concat());
    }

    #[test]
    fn a_telnet_line_reads_the_same_however_it_is_cut(lengths in any::<[u8; 4]>(), line in negotiation()) {
        telnet(&[&lengths[..], &line].concat());
    }

    #[test]
    fn a_session_ends_keeps_only_what_is_complete_and_tells_no_secret(input in steps()) {
        machine(&input);
    }

    #[test]
    fn a_planted_secret_is_never_shown(head in any::<[u8; 4]>(), text in talk(40)) {
        redactor(&[&head[..], &text].concat());
    }
}

/// The inputs that are kept in the tree: found by the fuzzer, some of them by an error that is mended.
#[test]
fn every_kept_input_holds() {
    for (name, property) in [
        ("terminal", terminal as fn(&[u8])),
        ("machine", |input| {
            machine(input);
        }),
        ("redactor", redactor),
        ("telnet", telnet),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        files.sort_by_key(std::fs::DirEntry::path);
        assert!(!files.is_empty(), "{} has no inputs", folder.display());
        for file in files {
            property(&std::fs::read(file.path()).unwrap_or_default());
        }
    }
}

#[test]
fn the_made_up_device_can_be_backed_up() {
    for name in ["ios-whole", "own-command"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/machine").join(name);
        assert!(machine(&std::fs::read(file).unwrap_or_default()), "{name}");
    }
}
