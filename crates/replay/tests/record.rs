//! Sessions with simulated devices, recorded and played again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_lab::{Emulator, ManualClock, Personality, SessionFile, embedded};
use netraven_model::{Capture, Login, Secret};
use netraven_platform::{Fetched, Limits, Machine, Next, Output, Plan, Platform, Platforms};
use netraven_replay::check;
use netraven_replay::record::{Exchange, File, RecordError, Recorded, Sent, record};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(300),
    session: Duration::from_secs(3600),
    logout: Duration::from_secs(2),
    max_output: 8 << 20,
};

/// What was said in a session, and the parts it brought.
type Said = (Vec<Exchange>, Vec<Output>);

/// One session with a simulated device, as it was said.
fn exchanges(platform: &Arc<Platform>, session: &Arc<SessionFile>, who: &Personality) -> Said {
    let mut now = Instant::now();
    let mut device = Emulator::new(
        session.clone(),
        who.clone(),
        Arc::new(ManualClock::new("2026-05-01T08:00:00Z".parse().unwrap())),
    );
    let (username, enable) = (who.username.clone(), Some(who.enable.clone()));
    let plan = Plan::backup(platform.clone(), &Login { username, enable, ..Login::default() }, LIMITS);
    let mut machine = Machine::new(plan, now);
    let mut all = vec![Exchange { sent: Sent::Nothing, received: device.start().to_vec() }];
    loop {
        machine.receive(&all.last().unwrap().received, now);
        let sent = loop {
            match machine.next(now) {
                Next::Send(bytes) => break bytes,
                Next::Fetch(file) => {
                    let content = device.file(&file.path).expect("a file of the session");
                    machine.fetched(Fetched::Content(Capture::new(content.to_vec())), now);
                }
                Next::Wait(until) => now = until,
                Next::Finished => {
                    let result = machine.report().result;
                    let told = |failure| panic!("{}: {failure}", session.hardware());
                    return (all, result.unwrap_or_else(told));
                }
            }
        };
        let secret = sent.trim_ascii() == who.enable.expose_bytes();
        let keys = if secret { Sent::Secret } else { Sent::Keys(sent.to_vec()) };
        all.push(Exchange { sent: keys, received: device.input(&sent).to_vec() });
    }
}

fn recorded<'a>(platform: &'a Platform, said: &'a Said, anonymise: bool) -> Recorded<'a> {
    let (exchanges, outputs) = (&said.0[..], &said.1[..]);
    let (ssh_version, username) = ("SSH-2.0-test", "netraven");
    Recorded { platform, ssh_version, username, secrets: Vec::new(), exchanges, outputs, anonymise, seed: 1 }
}

fn load(files: &[File]) -> Arc<SessionFile> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    Arc::new(SessionFile::from_dir(folder.path()).unwrap_or_else(|error| panic!("{error}\n{}", files[0].1)))
}

#[test]
fn a_recording_of_each_device_proves_its_definition_and_holds_none_of_its_secrets() {
    let platforms = Platforms::shipped().unwrap();
    let mut failures = String::new();
    for session in embedded().unwrap().into_iter().map(Arc::new) {
        let platform = platforms.get(session.platform()).unwrap();
        let who = Personality::new(&session, 5, 11);
        let said = exchanges(&platform, &session, &who);
        let expected = session.expect(&who, who.initial_state());
        let (secrets, named) = (expected.secrets, expected.facts.hostname.is_some());
        for anonymise in [false, true] {
            let files = record(&recorded(&platform, &said, anonymise)).unwrap();
            let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
            for secret in secrets.iter().filter(|secret| all.contains(secret.as_str())) {
                writeln!(failures, "{}: {secret} is in the recording", session.name()).unwrap();
            }
            for line in all.lines().filter(|line| named && anonymise && line.contains(&who.hostname)) {
                writeln!(failures, "{}: the device's name is in {line:?}", session.name()).unwrap();
            }
            for finding in check(&platform, &load(&files)) {
                writeln!(failures, "{} anonymise={anonymise}: {finding}", session.name()).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn ios() -> (Arc<Platform>, Said, Personality) {
    let platform = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
    let session = embedded().unwrap().into_iter().find(|session| session.hardware().starts_with("C9300-24T"));
    let session = Arc::new(session.unwrap());
    let who = Personality::new(&session, 5, 11);
    let said = exchanges(&platform, &session, &who);
    (platform, said, who)
}

#[test]
fn a_secret_of_the_credential_in_the_text_is_refused_with_its_place() {
    let (platform, said, who) = ios();
    let secret = Secret::from("Authorised staff");
    let with = |secret| Recorded { secrets: vec![secret], ..recorded(&platform, &said, false) };
    let error = record(&with(&secret)).unwrap_err();
    assert!(
        matches!(&error, RecordError::Secret { file, line } if file == "session.yaml" && *line > 5),
        "{error}"
    );
    assert!(!error.to_string().contains("Authorised"), "{error}");
    assert!(record(&with(&who.enable)).is_ok(), "the enable secret was typed, but never shown");
}

#[test]
fn a_session_without_its_end_is_refused() {
    let (platform, (mut exchanges, _), _) = ios();
    exchanges.pop();
    for (keep, problem) in [(exchanges.len(), "a logout was expected"), (1, "no prompt"), (0, "no prompt")] {
        exchanges.truncate(keep);
        let said = (std::mem::take(&mut exchanges), Vec::new());
        let error = record(&recorded(&platform, &said, false)).unwrap_err();
        assert!(error.to_string().contains(problem), "{keep}: {error}");
        exchanges = said.0;
    }
}
