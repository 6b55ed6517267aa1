//! One login on a simulated device behaves like one on the real thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{DeviceState, Emulator, SessionFile};
use proptest::prelude::*;
use std::sync::Arc;
use support::{answer, login, noon, ready, session, type_in};

#[test]
fn a_switch_greets_with_banner_and_user_prompt() {
    let mut emulator = login(&session("C9300"));
    let greeting = String::from_utf8(emulator.start().to_vec()).unwrap();
    assert!(greeting.starts_with("\r\n****"), "{greeting}");
    assert!(greeting.contains("Zugriff nur für Berechtigte"));
    assert!(greeting.ends_with("***\r\ndub-acc-sw0003>"), "{greeting}");
}

#[test]
fn enable_with_the_right_password_leads_to_privileged_mode() {
    let mut emulator = login(&session("C9300"));
    assert_eq!(type_in(&mut emulator, "enable\r"), "enable\r\nPassword: ");
    assert_eq!(type_in(&mut emulator, "enable-lab\r"), "\r\ndub-acc-sw0003#");
    assert_eq!(emulator.mode(), "privileged");
    assert!(emulator.unexpected().is_empty());
}

#[test]
fn a_wrong_enable_password_is_asked_for_three_times() {
    let mut emulator = login(&session("C9300"));
    type_in(&mut emulator, "enable\r");
    assert_eq!(type_in(&mut emulator, "wrong\r"), "\r\nPassword: ");
    assert_eq!(type_in(&mut emulator, "enable-lab2\r"), "\r\nPassword: ");
    assert_eq!(type_in(&mut emulator, "\r"), "\r\n% Bad secrets\r\n\r\ndub-acc-sw0003>");
    assert_eq!(emulator.mode(), "user");
    assert_eq!(emulator.unexpected().len(), 3);
    assert!(emulator.unexpected().iter().all(|what| !what.contains("enable-lab")));
}

#[test]
fn the_running_configuration_needs_privileged_mode() {
    let mut emulator = login(&session("C9300"));
    let shown = type_in(&mut emulator, "show running-config\r");
    // The caret stands under the `r`: `show` was understood.
    let expected =
        "show running-config\r\n                    ^\r\n% Invalid input detected at '^' marker.\r\n";
    assert_eq!(shown, format!("{expected}dub-acc-sw0003>"));
    assert_eq!(emulator.unexpected(), ["`show running-config` in mode user"]);
}

#[test]
fn each_platform_refuses_an_unknown_command_in_its_own_words() {
    let refusals = [
        ("ISR4331", "                   ^\r\n% Invalid input detected at '^' marker.\r\n"),
        ("7050SX3", "% Invalid input\r\n"),
        ("MX204", "                         ^\r\nunknown command.\r\n"),
        ("FRRouting", "% Unknown command: frobnicate it\r\n"),
        ("Debian", "-bash: frobnicate: command not found\r\n"),
    ];
    for (hardware, refusal) in refusals {
        let mut emulator = ready(&session(hardware));
        let shown = type_in(&mut emulator, "frobnicate  it\r");
        let prompt = type_in(&mut emulator, "\r").trim_start().to_string();
        let column = prompt.chars().count();
        let refusal = refusal.trim_start();
        let caret = if refusal.starts_with('^') { " ".repeat(column) } else { String::new() };
        assert_eq!(shown, format!("frobnicate  it\r\n{caret}{refusal}{prompt}"), "{hardware}");
        assert!(
            emulator.unexpected()[0].starts_with("`frobnicate it` in mode"),
            "{:?}",
            emulator.unexpected()
        );
    }
}

#[test]
fn an_empty_line_gives_the_prompt_again() {
    let mut emulator = login(&session("FRRouting"));
    assert_eq!(type_in(&mut emulator, "\r\n\n"), "\r\ndub-rr0003# \r\ndub-rr0003# ");
    assert_eq!(emulator.commands(), 0);
}

#[test]
fn exit_ends_the_session_and_nothing_is_answered_after_it() {
    for hardware in ["C9300", "ISR4331", "7050SX3", "MX204", "FRRouting", "Debian"] {
        let mut emulator = ready(&session(hardware));
        let last = emulator.input(b"exit\rshow version\r");
        assert!(last.closes(), "{hardware}");
        assert!(!String::from_utf8(last.to_vec()).unwrap().contains("show version"));
        assert!(emulator.input(b"show version\r").to_vec().is_empty());
    }
}

#[test]
fn ios_stops_at_the_end_of_the_screen_and_erases_its_prompt() {
    let mut emulator = login(&session("ISR4331"));
    let page = type_in(&mut emulator, "show version\r");
    let text = page.strip_prefix("show version\r\n").unwrap();
    assert_eq!(text.matches("\r\n").count(), 23);
    assert!(text.ends_with("\r\n --More-- "), "{text:?}");
    let erase = format!("{0}        {0}", "\u{8}".repeat(9));
    let line = type_in(&mut emulator, "\r");
    assert!(line.starts_with(&erase) && line.ends_with("\r\n --More-- "), "{line:?}");
    assert_eq!(line.matches("\r\n").count(), 1);
    assert_eq!(type_in(&mut emulator, "q"), format!("{erase}dub-br-rtr0003#"));
}

#[test]
fn junos_tells_how_much_was_shown() {
    let mut emulator = login(&session("MX204"));
    assert!(type_in(&mut emulator, "show configuration\r").ends_with("---(more)---"));
    let next = type_in(&mut emulator, " ");
    let percent = next.rsplit("---(more ").next().unwrap().strip_suffix("%)---").unwrap();
    assert!((1..100).contains(&percent.parse::<u32>().unwrap()), "{percent}");
}

#[test]
fn pages_put_together_are_the_text_without_pager() {
    for (hardware, command) in [("C9300", "show version"), ("7050SX3", "show running-config")] {
        let session = session(hardware);
        let whole = answer(&mut ready(&session), command).join("\r\n");
        let mut emulator = login(&session);
        let mut shown = type_in(&mut emulator, &format!("{command}\r"));
        while shown.ends_with(" --More-- ") {
            shown.truncate(shown.len() - " --More-- ".len());
            let next = type_in(&mut emulator, " ");
            let next = next.trim_start_matches(['\u{8}', ' ']).trim_start_matches('\u{8}');
            shown.push_str(next.strip_prefix("\r\u{1b}[K").unwrap_or(next));
        }
        assert!(shown.contains(&whole), "{hardware}");
        assert!(emulator.unexpected().is_empty());
    }
}

#[test]
fn configuration_mode_is_not_for_collectors() {
    let mut emulator = ready(&session("C9300"));
    assert!(type_in(&mut emulator, "configure terminal\r").ends_with("(config)#"));
    type_in(&mut emulator, "end\r");
    assert_eq!(emulator.mode(), "privileged");
    assert_eq!(emulator.unexpected().len(), 2, "{:?}", emulator.unexpected());
}

#[test]
fn what_is_kept_of_unexpected_input_is_bounded() {
    let mut emulator = ready(&session("Debian"));
    for _ in 0..500 {
        type_in(&mut emulator, &format!("{}\r", "x".repeat(900)));
    }
    assert_eq!(emulator.unexpected_count(), 500);
    assert_eq!(emulator.unexpected().len(), 50);
    assert!(emulator.unexpected().iter().all(|what| what.len() <= 200));
}

#[test]
fn a_change_is_shown_with_its_author_and_time() {
    let mut emulator = ready(&session("C9300"));
    let before = answer(&mut emulator, "show running-config");
    emulator.set_state(DeviceState { revision: 1, changed_at: noon() });
    let after = answer(&mut emulator, "show running-config");
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(new.iter().any(|line| line.contains("(NET-")), "{new:?}");
    assert!(
        new.iter()
            .any(|line| line.contains("! Last configuration change at 12:00:00 UTC Sun Mar 1 2026 by "))
    );
    assert_eq!(new.len(), 4, "size, two time stamps, description: {new:?}");
}

#[test]
fn consecutive_changes_never_give_the_same_configuration() {
    for hardware in ["C9300", "ISR4331", "7050SX3", "MX204", "FRRouting", "Debian"] {
        let session = session(hardware);
        let mut emulator = ready(&session);
        let commands: Vec<String> = session.commands().map(String::from).filter(|c| c != "exit").collect();
        let read_all = |emulator: &mut Emulator| -> Vec<Vec<String>> {
            let closing = ["exit", "logout", "quit"];
            commands.iter().filter(|c| !closing.contains(&c.as_str())).map(|c| answer(emulator, c)).collect()
        };
        let changed_at = noon();
        let mut last = read_all(&mut emulator);
        for revision in 1..=12 {
            emulator.set_state(DeviceState { revision, changed_at });
            let next = read_all(&mut emulator);
            assert_ne!(last, next, "{hardware} at {revision}");
            last = next;
        }
    }
}

/// Keys as a collector or a person would send them, with edits, line ends and pager keys in between.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "enable\r",
        "enable-lab\r\n",
        "wrong\n",
        "show version\r",
        "show running-config\r\n",
        " ",
        "q",
        "\r",
        "\n",
        "\r\n",
        "\x7f",
        "\x03",
        "\x15",
        "sh\x08\x08",
        "terminal length 0\n",
        "é\x7f",
        "exit",
        "disable\r",
    ]);
    prop::collection::vec(words, 1..12).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn input_split_anywhere_gives_the_same_bytes(keys in keys(), cut in any::<prop::sample::Index>()) {
        let session = session("C9300");
        let mut whole = login(&session);
        let expected = whole.input(&keys).to_vec();
        let mut split = login(&session);
        let cut = cut.index(keys.len() + 1);
        let mut shown = split.input(&keys[..cut]).to_vec();
        shown.extend(split.input(&keys[cut..]).to_vec());
        prop_assert_eq!(&shown, &expected);
        let mut bytewise = login(&session);
        let single: Vec<u8> = keys.iter().flat_map(|key| bytewise.input(&[*key]).to_vec()).collect();
        prop_assert_eq!(&single, &expected);
        prop_assert_eq!(whole.unexpected(), bytewise.unexpected());
    }

    #[test]
    fn any_bytes_are_survived_and_echo_ends(keys in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut emulator = login(&session("MX204"));
        let shown = emulator.input(&keys).to_vec();
        prop_assert!(shown.len() < 400 * 4000);
    }
}

/// A session with these lines in its `session.yaml`, besides the least it must have.
fn small(lines: &str) -> Emulator {
    const REST: &str = "platform: cisco_ios
hardware: none
source: {kind: written, documents: [none]}
ssh_version: SSH-2.0-none
hostname: sw{{n}}
modes: {user: '{{hostname}}>'}
error: unknown
commands:
  - {command: show clock, text: \"noon\\n\"}
expect: {parts: []}
";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("session.yaml"), format!("{REST}{lines}\n")).unwrap();
    login(&Arc::new(SessionFile::from_dir(folder.path()).unwrap()))
}

fn greeting(emulator: &mut Emulator) -> String {
    String::from_utf8(emulator.start().to_vec()).unwrap()
}

#[test]
fn a_device_that_waits_for_a_key_takes_any_and_shows_its_prompt() {
    for key in [" ", "\n", "\r\n", "x"] {
        let mut device = small("login: {mode: user, banner: \"Hello\\n\", press: Press any key to continue}");
        assert_eq!(greeting(&mut device), "Hello\r\nPress any key to continue");
        assert_eq!(type_in(&mut device, key), "\r\nsw3>", "{key:?}");
        assert_eq!(type_in(&mut device, "show clock\r"), "show clock\r\nnoon\r\nsw3>");
        assert!(device.unexpected().is_empty(), "{:?}", device.unexpected());
    }
}

#[test]
fn a_key_that_nothing_asked_for_is_unexpected() {
    let mut device = small("login: {mode: user}");
    assert_eq!(greeting(&mut device), "sw3>");
    type_in(&mut device, "\r show clock\r");
    assert_eq!(device.unexpected_count(), 2);
    assert!(device.unexpected()[0].contains("empty line"), "{:?}", device.unexpected());
    assert!(device.unexpected()[1].contains("a blank before `show clock`"), "{:?}", device.unexpected());
}

#[test]
fn questions_after_the_login_are_asked_until_they_are_answered_as_expected() {
    let mut device = small(
        "login: {mode: user, press: Any key, questions: [{text: 'Licence? [Y/n]: ', key: n}, {text: 'Site? ', answer: hq}]}",
    );
    assert_eq!(greeting(&mut device), "Any key");
    assert_eq!(type_in(&mut device, "\r"), "\r\nLicence? [Y/n]: ");
    assert_eq!(type_in(&mut device, "n"), "\r\nSite? ");
    assert_eq!(type_in(&mut device, "hq\r\n"), "hq\r\nsw3>");
    assert!(device.unexpected().is_empty(), "{:?}", device.unexpected());

    let mut device =
        small("login: {mode: user, questions: [{text: 'Sure? ', key: n}, {text: 'Site? ', answer: hq}]}");
    device.start();
    assert_eq!(type_in(&mut device, "y"), "");
    assert_eq!(type_in(&mut device, "nhr\r"), "\r\nSite? hr\r\nSite? ");
    assert_eq!(device.unexpected_count(), 2);
}

#[test]
fn braces_of_the_device_are_no_placeholder() {
    let mut device = small("login: {mode: user, banner: \"template {{braces}} x }}\\n\"}");
    assert_eq!(greeting(&mut device), "template {{ x }}\r\nsw3>");
}

#[test]
fn a_device_without_echo_shows_answers_only() {
    let mut device = small("echo: false\nlogin: {mode: user}");
    assert_eq!(greeting(&mut device), "sw3>");
    assert_eq!(type_in(&mut device, "show clockk\x7f\r"), "\r\nnoon\r\nsw3>");
}
