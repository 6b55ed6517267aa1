//! Parts that are files, through the session machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_model::{Capture, ErrorCode, Failure, Login, PartKind, Phase, Span};
use netraven_platform::{Fetched, Limits, Machine, Next, Plan, Platforms, Report};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(60),
    session: Duration::from_secs(600),
    logout: Duration::from_secs(2),
    max_output: 1 << 20,
};

/// A device with an archive and a text file.
fn definition(more: &str) -> String {
    format!(
        "name: box\ntitle: Box\nsources: [none]\ncomment: '# '\nmodes: {{cli: {{prompt: '^box> $'}}}}\n\
         rejected: ['^Error']\nlogout: quit\nparts:\n\
         \x20 - {{name: config, command: show config, kind: config, end: '^end$'}}\n\
         \x20 - name: archive\n    kind: binary\n    command: save archive\n    timeout_seconds: 100\n\
         \x20   file: {{path: /a.bin, cleanup: [rm /a.bin, delete /a.bin]}}\n{more}"
    )
}

const TEXT_FILE: &str =
    "  - {name: startup, kind: config, file: {path: /etc/conf, over: [scp]}, end: '^end$'}\n";

struct Script {
    machine: Machine,
    now: Instant,
}

impl Script {
    fn new(more: &str, files: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("box.yaml"), definition(more)).unwrap();
        let platform = Platforms::load(Some(folder.path())).unwrap().get("box").unwrap();
        let now = Instant::now();
        let plan = Plan { files, ..Plan::backup(platform, &Login::default(), LIMITS) };
        let mut script = Self { machine: Machine::new(plan, now), now };
        script.machine.receive(b"box> ", now);
        script
    }

    /// The next command must be this one; it is answered so.
    fn expect(&mut self, command: &str, answer: &str) {
        loop {
            match self.machine.next(self.now) {
                Next::Wait(until) => self.now = until,
                Next::Send(sent) => {
                    assert_eq!(String::from_utf8_lossy(&sent), format!("{command}\n"));
                    break;
                }
                other => panic!("`{command}` was expected: {other:?}"),
            }
        }
        self.machine.receive(format!("{command}\r\n{answer}box> ").as_bytes(), self.now);
    }

    /// The next thing must be that this file is fetched.
    fn fetch(&mut self, path: &str, fetched: Fetched) {
        match self.machine.next(self.now) {
            Next::Fetch(request) => {
                assert_eq!(request.path, path);
                assert!(request.until <= self.now + LIMITS.session && request.most == LIMITS.max_output);
            }
            other => panic!("{path}: {other:?}"),
        }
        self.machine.fetched(fetched, self.now);
    }

    fn finish(mut self) -> Report {
        loop {
            match self.machine.next(self.now) {
                Next::Finished => return self.machine.report(),
                Next::Wait(until) => self.now = until,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn content(bytes: &[u8]) -> Fetched {
    Fetched::Content(Capture::new(bytes.to_vec()))
}

#[test]
fn a_file_is_made_fetched_and_removed_and_only_its_content_is_kept() {
    let mut script = Script::new(TEXT_FILE, true);
    script.expect("show config", "hostname box\r\nend\r\n");
    script.expect("save archive", "saving...\r\ndone\r\n");
    script.fetch("/a.bin", content(b"\x00\xff\r\n archive \n\n"));
    script.expect("rm /a.bin", "Error: unknown command\r\n");
    script.expect("delete /a.bin", "");
    script.fetch("/etc/conf", content(b"\r\nline\r\nend\r\n\r\n"));
    script.expect("quit", "");
    let report = script.finish();
    let outputs = report.result.unwrap();
    let kept: Vec<_> = outputs.iter().map(|out| (out.command.as_str(), out.capture.expose_bytes())).collect();
    let archive: &[u8] = b"\x00\xff\r\n archive \n\n";
    assert_eq!(
        kept,
        [
            ("show config", &b"hostname box\nend\n"[..]),
            ("file /a.bin", archive),
            ("file /etc/conf", b"line\nend\n")
        ]
    );
    assert!(
        report.dialogue.contains("saving...") && report.dialogue.contains("[15 bytes]"),
        "{}",
        report.dialogue
    );
    assert!(!report.dialogue.contains("archive \n"), "{}", report.dialogue);
}

#[test]
fn a_file_that_is_not_given_fails_the_session_only_where_it_is_not_optional() {
    for (more, optional) in [("", false), ("    optional: true\n", true)] {
        let mut script = Script::new(more, true);
        script.expect("show config", "end\r\n");
        script.expect("save archive", "done\r\n");
        script.fetch("/a.bin", Fetched::Refused("over scp: no such file\nsecret is hunter2".to_owned()));
        script.expect("rm /a.bin", "");
        if optional {
            script.expect("quit", "");
        }
        let report = script.finish();
        assert!(
            !report.dialogue.contains("hunter2") && report.dialogue.contains("no such file"),
            "{}",
            report.dialogue
        );
        let skipped = report.commands.iter().find(|record| record.command == "file /a.bin").unwrap();
        assert!(!skipped.accepted);
        match report.result {
            Ok(outputs) => assert!(optional && outputs.len() == 1),
            Err(failure) => {
                assert!(!optional && failure.code == ErrorCode::CommandRejected, "{failure}");
                assert!(
                    failure.message.contains("no such file") && !failure.message.contains("hunter2"),
                    "{failure}"
                );
            }
        }
    }
}

#[test]
fn a_file_that_broke_off_is_removed_from_the_device_before_the_session_fails() {
    let mut script = Script::new("    optional: true\n", true);
    script.expect("show config", "end\r\n");
    script.expect("save archive", "done\r\n");
    let failure = Failure::new(ErrorCode::Truncated, Phase::Collect, "3 of 9 bytes");
    script.fetch("/a.bin", Fetched::Failed(failure.clone()));
    script.expect("rm /a.bin", "");
    assert_eq!(script.finish().result.unwrap_err(), failure);
}

#[test]
fn what_makes_the_file_may_be_refused() {
    let mut script = Script::new("    optional: true\n", true);
    script.expect("show config", "end\r\n");
    script.expect("save archive", "Error: no licence\r\n");
    script.expect("quit", "");
    assert_eq!(script.finish().result.unwrap().len(), 1);
}

#[test]
fn a_text_file_has_to_show_its_end_like_an_answer() {
    for (text, whole) in [(&b"line\nend\n"[..], true), (b"line\n", false), (b"\n", false)] {
        let mut script = Script::new(&format!("    optional: true\n{TEXT_FILE}"), true);
        script.expect("show config", "end\r\n");
        script.expect("save archive", "Error\r\n");
        script.fetch("/etc/conf", content(text));
        if whole {
            script.expect("quit", "");
        }
        match script.finish().result {
            Ok(_) => assert!(whole),
            Err(failure) => assert!(!whole && failure.code == ErrorCode::Truncated, "{failure}"),
        }
    }
}

#[test]
fn where_no_files_can_be_fetched_nothing_is_made_for_them() {
    let mut script = Script::new("    optional: true\n", false);
    script.expect("show config", "end\r\n");
    script.expect("quit", "");
    let report = script.finish();
    assert_eq!(report.result.unwrap().len(), 1);
    assert!(report.dialogue.contains("over SSH only"), "{}", report.dialogue);
    let mut script = Script::new("", false);
    script.expect("show config", "end\r\n");
    assert_eq!(script.finish().result.unwrap_err().code, ErrorCode::Unsupported);
}

#[test]
fn a_device_without_a_second_channel_is_asked_for_the_file_later() {
    let mut script = Script::new("", true);
    script.expect("show config", "end\r\n");
    script.expect("save archive", "done\r\n");
    let none = Failure::new(ErrorCode::Disconnected, Phase::Collect, "no session left");
    script.fetch("/a.bin", Fetched::NoChannel(none));
    script.expect("quit", "");
    let report = script.finish();
    assert_eq!((report.result.unwrap().len(), report.later), (1, vec![1]));
}

#[test]
fn an_archive_is_one_secret_as_a_whole_and_its_change_means_something_only_where_it_is_told() {
    for (compare, volatile) in [("", 1), ("    compare: bytes\n", 0)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("box.yaml"), definition(compare)).unwrap();
        let platform = Platforms::load(Some(folder.path())).unwrap().get("box").unwrap();
        let spans = platform.find_spans("archive", PartKind::Binary, b"some bytes");
        assert_eq!(spans.secrets, [Span { start: 0, end: 10 }]);
        assert_eq!(spans.volatile.len(), volatile, "{compare}");
        assert_eq!(platform.find_spans("archive", PartKind::Binary, b""), Default::default());
    }
}

#[test]
fn definitions_that_do_not_fit_together_are_refused_with_their_line() {
    let name = "parts:\n  - name: archive\n    ";
    for (part, problem) in [
        ("kind: binary\n    command: save", "give its `file`"),
        ("kind: state", "a command or a file"),
        ("kind: config\n    file: {path: /a}\n    alternatives: [b]", "alternatives"),
        ("kind: binary\n    file: {path: /a}\n    end: x", "no lines"),
        ("kind: config\n    file: {path: /a}\n    compare: bytes", "compare"),
        ("kind: binary\n    file: {path: '-rf'}", "no path"),
        ("kind: binary\n    file: {path: ''}", "no path"),
        ("kind: binary\n    file: {path: /a, over: []}", "over"),
        ("kind: binary\n    file: {path: /a, over: [ftp]}", "ftp"),
        ("kind: binary\n    file: {path: /a, cleanup: \"a\\nb\"}", "not one command"),
        ("kind: binary\n    file: {path: /a, cleanup: [x, '']}", "not one command"),
        ("kind: binary\n    compare: size\n    file: {path: /a}", "size"),
    ] {
        let text = definition("");
        let head = &text[..text.find("parts:").unwrap()];
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("box.yaml"), format!("{head}{name}{part}\n")).unwrap();
        let error = Platforms::load(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains(problem) && error.contains("box.yaml:"), "{part}: {error}");
    }
}

#[test]
fn a_variant_adds_parts_behind_those_it_inherits() {
    let folder = tempfile::tempdir().unwrap();
    let variant = "name: variant\nextends: cisco_ios\ntitle: V\nsources: [none]\nmore_parts:\n\
                   \x20 - {name: vlans, kind: binary, file: {path: 'flash:vlan.dat'}, optional: true}\n";
    std::fs::write(folder.path().join("variant.yaml"), variant).unwrap();
    let platforms = Platforms::load(Some(folder.path())).unwrap();
    let (base, variant) = (platforms.get("cisco_ios").unwrap(), platforms.get("variant").unwrap());
    let names = |parts: &[netraven_platform::Part]| parts.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    let expected = [names(&base.parts), vec!["vlans".to_owned()]].concat();
    assert_eq!(names(&variant.parts), expected);
}
