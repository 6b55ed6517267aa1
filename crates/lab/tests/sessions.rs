//! Session files: the shipped ones are whole, broken ones are refused with file and line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use netraven_lab::{
    DeviceState, Emulator, ManualClock, Personality, Problem, SessionError, SessionFile, embedded,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{answer, noon, ready, shipped};

fn platforms_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platforms")
}

#[test]
fn every_session_folder_is_shipped_in_the_program_and_cites_its_sources() {
    let shipped = embedded().unwrap();
    let mut folders = 0;
    for platform in std::fs::read_dir(platforms_folder()).unwrap() {
        let Ok(sessions) = std::fs::read_dir(platform.unwrap().path().join("sessions")) else { continue };
        for folder in sessions {
            let loaded = SessionFile::from_dir(&folder.unwrap().path()).unwrap();
            let same = |s: &&SessionFile| s.platform() == loaded.platform() && s.name() == loaded.name();
            assert_eq!(shipped.iter().filter(same).count(), 1, "{}", loaded.name());
            assert!(!loaded.source().documents.is_empty(), "{}", loaded.name());
            folders += 1;
        }
    }
    assert_eq!(folders, shipped.len());
}

#[test]
fn what_a_backup_must_find_is_in_what_the_device_sends() {
    for session in shipped() {
        let personality = Personality::new(session, 1, 3);
        let expected = session.expect(&personality, personality.initial_state());
        let mut emulator = ready(session);
        let mut all = String::new();
        for part in &expected.parts {
            let lines = answer(&mut emulator, &part.command);
            for wanted in &part.contains {
                assert!(lines.contains(wanted), "`{wanted}` in `{}` of {}", part.command, session.hardware());
            }
            for start in &part.volatile {
                assert!(
                    lines.iter().any(|line| line.starts_with(start)),
                    "{start} in {}",
                    session.hardware()
                );
            }
            all.push_str(&lines.join("\n"));
        }
        for secret in &expected.secrets {
            assert_eq!(all.matches(secret.as_str()).count(), 1, "`{secret}` in {}", session.hardware());
        }
        let facts = [&expected.facts.model, &expected.facts.serial_number, &expected.facts.software_version];
        for fact in facts.into_iter().flatten() {
            assert!(all.contains(fact.as_str()), "`{fact}` in {}", session.hardware());
        }
    }
}

#[test]
fn without_a_change_only_volatile_lines_vary_from_poll_to_poll() {
    for session in shipped() {
        let clock = Arc::new(ManualClock::new(noon()));
        let personality = Personality::new(session, 1, 3);
        let expected = session.expect(&personality, personality.initial_state());
        let poll = || -> Vec<Vec<String>> {
            let mut emulator = Emulator::new(session.clone(), personality.clone(), clock.clone());
            emulator.start();
            if emulator.mode() == "user" {
                emulator.input(b"enable\renable-lab\r");
            }
            emulator.input(b"terminal length 0\rset cli screen-length 0\r");
            expected.parts.iter().map(|part| answer(&mut emulator, &part.command)).collect()
        };
        let first = poll();
        clock.advance_seconds(3600);
        for ((before, after), part) in first.iter().zip(&poll()).zip(&expected.parts) {
            let volatile = |line: &str| part.volatile.iter().any(|start| line.starts_with(start));
            for (one, other) in before.iter().zip(after).filter(|(one, other)| one != other) {
                assert!(volatile(one) && volatile(other), "`{one}` -> `{other}` in {}", session.hardware());
            }
            assert_eq!(before.len(), after.len());
        }
    }
}

#[test]
fn uptime_and_clock_do_vary() {
    let session = support::session("C9300");
    let clock = Arc::new(ManualClock::new(noon()));
    let mut emulator = Emulator::new(session.clone(), Personality::new(&session, 1, 3), clock.clone());
    emulator.input(b"terminal length 0\r");
    let uptime = |lines: Vec<String>| lines.into_iter().find(|line| line.contains("uptime is")).unwrap();
    let before = uptime(answer(&mut emulator, "show version"));
    clock.advance_seconds(60);
    assert_ne!(before, uptime(answer(&mut emulator, "show version")));
}

#[test]
fn devices_differ_in_name_serial_and_every_secret() {
    for session in shipped() {
        let of = |index| {
            let personality = Personality::new(session, 1, index);
            let state = DeviceState { revision: 0, changed_at: noon() };
            (personality.serial(), personality.hostname.clone(), session.expect(&personality, state).secrets)
        };
        let (one, other) = (of(1), of(2));
        assert!(one.0 != other.0 && one.1 != other.1);
        assert!(one.2.iter().zip(&other.2).all(|(a, b)| a != b), "{}", session.hardware());
        assert_eq!(one, of(1));
    }
}

#[test]
fn filler_brings_the_configuration_to_the_size_asked_for() {
    for session in shipped() {
        for size in [64 * 1024, 1024 * 1024] {
            let filler = session.filler(size, 1);
            let mut personality = Personality::new(session, 1, 3);
            personality.filler = filler;
            let mut emulator =
                Emulator::new(session.clone(), personality, Arc::new(ManualClock::new(noon())));
            emulator.input(b"enable\renable-lab\rterminal length 0\rset cli screen-length 0\r");
            let longest = session.commands().map(str::to_string).collect::<Vec<_>>();
            let closing = ["exit", "logout", "quit"];
            let longest = longest.iter().filter(|command| !closing.contains(&command.as_str()));
            let bytes =
                longest.map(|c| emulator.input(format!("{c}\r").as_bytes()).to_vec().len()).max().unwrap();
            assert!(bytes.abs_diff(size) < 1024, "{bytes} for {size} in {}", session.hardware());
        }
    }
}

#[test]
fn the_size_that_ios_announces_is_the_size_of_what_follows() {
    let lines = answer(&mut ready(&support::session("C9300")), "show running-config");
    let at = lines.iter().position(|line| line.starts_with("Current configuration : ")).unwrap();
    let announced: usize = lines[at].split(' ').nth(3).unwrap().parse().unwrap();
    let following: usize = lines[at + 1..].iter().map(|line| line.len() + 1).sum();
    assert_eq!(announced, following);
}

const GOOD: &str = "platform: cisco_ios
hardware: none
source: {kind: written, documents: [none]}
ssh_version: SSH-2.0-none
hostname: sw{{n}}
login: {mode: user}
modes:
  user: '{{hostname}}>'
error: unknown
commands:
  - {command: show version, file: version.txt}
changes:
  - {command: show version, line: one, with: [two]}
expect:
  parts: [{command: show version, contains: [one]}]
";

/// Loads the session after replacing `from` by `to` in it; `version` is its text file.
fn load(from: &str, to: &str, version: &str) -> Result<SessionFile, SessionError> {
    assert!(GOOD.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("session.yaml"), GOOD.replacen(from, to, 1)).unwrap();
    std::fs::write(folder.path().join("version.txt"), version).unwrap();
    SessionFile::from_dir(folder.path())
}

#[test]
fn a_good_session_loads_from_a_folder() {
    let session = load("", "", "one\n").unwrap();
    assert_eq!((session.platform(), session.login_mode()), ("cisco_ios", "user"));
    assert_eq!(session.commands().collect::<Vec<_>>(), ["show version"]);
}

#[test]
fn a_broken_session_is_refused_with_file_and_line() {
    let cases = [
        ("hardware: none", "hardware: none\ncolour: red", "session.yaml:3", "colour"),
        ("platform: cisco_ios\n", "", "session.yaml", "platform"),
        ("{mode: user}", "{mode: root}", "session.yaml:6", "mode `root` is not defined; `modes` has: user"),
        ("sw{{n}}", "sw{{serial}}", "session.yaml:5", "placeholder `{{serial}}`"),
        ("error: unknown", "error: '{{filler}}'", "session.yaml:9", "placeholder `{{filler}}`"),
        ("version.txt", "versions.txt", "session.yaml:11", "versions.txt"),
        ("file: version.txt", "file: version.txt, text: x", "session.yaml:11", "both `text` and `file`"),
        ("file: version.txt", "file: version.txt, enter: x", "session.yaml:11", "mode `x` is not defined"),
        ("line: one", "line: three", "session.yaml:13", "stands 0 times"),
        ("with: [two]", "with: []", "session.yaml:13", "at least one text"),
        ("- {command: show version, line", "- {command: show clock, line", "session.yaml:13", "`show clock`"),
        ("[{command: show version", "[{command: show clock", "session.yaml:15", "`show clock`"),
        ("contains: [one]", "contains: ['{{now_ios}}']", "session.yaml:15", "`{{now_ios}}`"),
        (
            "error:",
            "pager: {prompt: a, erase: b, screen: 1}\nerror:",
            "session.yaml:9",
            "1 lines is too small",
        ),
        ("{mode: user}", "{mode: user, questions: [{text: 'Go on?'}]}", "session.yaml:6", "`answer`"),
        (
            "{mode: user}",
            "{mode: user, questions: [{text: a, answer: n, key: n}]}",
            "session.yaml:6",
            "`key`",
        ),
        ("{mode: user}", "{mode: user, questions: [{text: a, key: ä}]}", "session.yaml:6", "ASCII"),
        ("commands:", "commands:\n  - {command: show version}", "session.yaml:12", "answered twice"),
    ];
    for (from, to, place, problem) in cases {
        let error = load(from, to, "one\n").unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(problem), "{to}: {error}");
    }
}

#[test]
fn an_unknown_placeholder_in_a_text_file_is_refused_with_its_line() {
    let error = load("", "", "one\nserial {{serial}}\nuptime {{uptime}}\n").unwrap_err();
    assert_eq!(error.place.line, Some(3));
    assert!(error.place.file.ends_with("version.txt"));
    assert!(matches!(error.problem, Problem::Placeholder(name) if name == "uptime"));
}

#[test]
fn a_line_to_change_that_stands_twice_is_refused() {
    let error = load("", "", "one\none\n").unwrap_err();
    assert!(matches!(error.problem, Problem::ChangedLine { found: 2, .. }), "{error}");
}

#[test]
fn a_missing_session_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = SessionFile::from_dir(folder.path()).unwrap_err().to_string();
    assert!(error.contains("session.yaml: cannot be read"), "{error}");
}
