//! Each shipped session's device is asked of which family it is, as a device of platform `auto` would be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::DateTime;
use netraven_lab::{Clock, Emulator, ManualClock, Personality, SessionFile, embedded};
use netraven_model::Login;
use netraven_platform::{Fetched, Limits, Machine, Next, NotRecognised, Plan, Platforms};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(30),
    session: Duration::from_secs(600),
    logout: Duration::from_secs(2),
    max_output: 8 << 20,
};

/// The answers to the first so many questions; nothing where the session does not come to its end.
fn ask(platforms: &Platforms, session: &Arc<SessionFile>, count: usize) -> Option<Vec<(String, Vec<u8>)>> {
    let platform = platforms.questions(session.ssh_version(), 0..count).unwrap();
    let personality = Personality::new(session, 7, 3);
    let clock: Arc<dyn Clock> =
        Arc::new(ManualClock::new(DateTime::from_timestamp(1_777_622_400, 0).unwrap()));
    let mut device = Emulator::new(session.clone(), personality.clone(), clock);
    let mut now = Instant::now();
    let (username, password) = (personality.username.clone(), Some("x".into()));
    let plan = Plan::backup(platform, &Login { username, password, ..Login::default() }, LIMITS);
    let mut machine = Machine::new(plan, now);
    let mut output = device.start();
    loop {
        machine.receive(&output.to_vec(), now);
        if output.closes() {
            machine.closed(now);
        }
        output = loop {
            match machine.next(now) {
                Next::Send(bytes) => break device.input(&bytes),
                Next::Fetch(_) => machine.fetched(Fetched::Refused(String::new()), now),
                Next::Wait(until) => now = until,
                Next::Finished => {
                    let outputs = machine.report().result.ok()?;
                    let answer = |output: netraven_platform::Output| {
                        (output.command, output.capture.expose_bytes().to_vec())
                    };
                    return Some(outputs.into_iter().map(answer).collect());
                }
            }
        };
    }
}

#[test]
fn no_device_is_taken_for_another_and_most_are_recognised() {
    let platforms = Platforms::shipped().unwrap();
    let (mut right, mut open, mut wrong) = (0, Vec::new(), Vec::new());
    for session in embedded().unwrap().into_iter().map(Arc::new) {
        let name = format!("{} {}", session.platform(), session.hardware());
        let found = [1, 9, 41].into_iter().find_map(|count| {
            let answers = ask(&platforms, &session, count)?;
            let texts: Vec<_> =
                answers.iter().map(|(command, text)| (command.as_str(), text.as_slice())).collect();
            match platforms.recognise(session.ssh_version(), &texts) {
                Err(NotRecognised::None) => None,
                other => Some(other.map(|platform| platform.name.clone())),
            }
        });
        match found {
            Some(Ok(platform)) if platform == session.platform() => right += 1,
            Some(found) => wrong.push(format!("{name}: {found:?}")),
            None => open.push(name),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    // The others land in menus, ask something else first or answer another command.
    assert!(right * 4 >= (right + open.len()) * 3, "{right} recognised, not: {open:#?}");
}
