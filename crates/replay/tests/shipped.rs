//! Every shipped definition against every session of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_lab::embedded;
use netraven_platform::Platforms;
use netraven_replay::{Case, check_all};
use std::fmt::Write as _;
use std::sync::Arc;

#[test]
fn every_session_proves_its_definition() {
    let platforms = Platforms::shipped().unwrap();
    let cases: Vec<Case> = embedded()
        .unwrap()
        .into_iter()
        .map(|session| Case {
            platform: platforms.get(session.platform()).unwrap_or_else(|| panic!("{}", session.platform())),
            session: Arc::new(session),
        })
        .collect();
    let mut failures = String::new();
    for (case, findings) in cases.iter().zip(check_all(&cases)) {
        for finding in findings {
            let (platform, session) = (case.session.platform(), case.session.name());
            writeln!(failures, "{platform}/{session}: {finding}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_platform_has_a_session() {
    let sessions = embedded().unwrap();
    let platforms = Platforms::shipped().unwrap();
    let without = platforms.names().into_iter().filter(|name| sessions.iter().all(|s| s.platform() != *name));
    assert_eq!(without.collect::<Vec<_>>(), Vec::<&str>::new());
}
