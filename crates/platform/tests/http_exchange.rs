//! A session over HTTP without IO: which request comes next, and what its answer means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_model::{ErrorCode, Failure, Login, PartKind, Phase, Span};
use netraven_platform::{
    HttpAnswer, HttpExchange, HttpNext, HttpRequest, Limits, Plan, Platform, Platforms, Report,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

const ACME: &str = "
name: acme
title: Acme
sources: [none]
comment: '#'
modes: {m: {prompt: '>$'}}
parts: [{name: c, command: show, kind: config}]
logout: exit
http:
  base: /api
  login: {method: POST, path: /session, json: {user: '{username}', password: '{password}'}, answer: {cookie: sid}}
  headers: {Cookie: 'sid={token}'}
  parts:
    - {name: archive, kind: binary, optional: true, requests: [{path: /archive}]}
    - {name: config, kind: config, end: '^end$', requests: [{path: /new}, {path: /old, query: {a b: '{username}'}}]}
  logout: {method: DELETE, path: /session}
";

fn acme() -> Arc<Platform> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme.yaml"), ACME).unwrap();
    Platforms::of_folder(folder.path()).unwrap().get("acme").unwrap()
}

fn exchange() -> HttpExchange {
    let limits = Limits {
        login: Duration::from_secs(1),
        silence: Duration::from_secs(2),
        session: Duration::from_secs(60),
        logout: Duration::from_secs(1),
        max_output: 1000,
    };
    let login = Login { username: "o p".into(), password: Some("canary".into()), ..Login::default() };
    let platform = acme();
    let parts = platform.http.as_ref().unwrap().parts.clone();
    HttpExchange::new(Plan { parts, ..Plan::backup(platform, &login, limits) }, Instant::now())
}

fn answer(status: u16, body: &str) -> HttpAnswer {
    let cookie = Zeroizing::new("sid=\"canary-token\"; Path=/; Secure".to_owned());
    HttpAnswer {
        status,
        headers: vec![("Set-Cookie".into(), cookie)],
        body: Zeroizing::new(body.as_bytes().to_vec()),
    }
}

/// Plays a session; the requests as they were asked, and what became of it.
fn play(mut answers: impl FnMut(&HttpRequest) -> HttpAnswer) -> (Vec<String>, Report) {
    let (mut exchange, mut asked) = (exchange(), Vec::new());
    while let HttpNext::Send(request) = exchange.next(Instant::now()) {
        asked.push(format!("{} {}", request.method, request.target));
        assert!(asked.len() < 20, "{asked:?}");
        exchange.answer(answers(&request), Instant::now());
    }
    let report = exchange.report();
    assert!(!report.dialogue.contains("canary"), "{}", report.dialogue);
    (asked, report)
}

fn failure(report: Report) -> Failure {
    let failure = report.result.unwrap_err();
    assert!(!failure.message.contains("canary"), "{failure}");
    failure
}

#[test]
fn a_session_logs_in_asks_for_each_part_and_gives_its_session_back() {
    let (asked, report) = play(|request| match request.target.as_str() {
        "/api/session" if request.method.as_str() == "POST" => {
            assert_eq!(*request.body, b"{\"password\":\"canary\",\"user\":\"o p\"}");
            assert!(request.headers.iter().all(|(name, _)| name != "Cookie"));
            answer(200, "")
        }
        target => {
            let cookie = request.headers.iter().find(|(name, _)| name == "Cookie").unwrap();
            assert_eq!(cookie.1.as_slice(), b"sid=canary-token");
            match target {
                "/api/archive" => answer(200, "\r\n\0\r\n"),
                "/api/old?a%20b=o%20p" => answer(200, "\r\nhostname x\r\nend\r\n"),
                _ => answer(404, "no"),
            }
        }
    });
    let wanted = [
        "POST /api/session",
        "GET /api/archive",
        "GET /api/new",
        "GET /api/old?a%20b=o%20p",
        "DELETE /api/session",
    ];
    assert_eq!(asked, wanted);
    assert!(report.login_time.is_some());
    let accepted: Vec<bool> = report.commands.iter().map(|command| command.accepted).collect();
    assert_eq!(accepted, [true, false, true]);
    let outputs = report.result.unwrap();
    assert_eq!(outputs[0].capture.expose_bytes(), b"\r\n\0\r\n", "an archive is kept byte by byte");
    assert_eq!(outputs[1].capture.expose_bytes(), b"hostname x\nend\n");
    assert_eq!((outputs[1].part, outputs[1].command.as_str()), (1, "GET /api/old?a%20b=o%20p (config)"));
}

#[test]
fn each_status_has_its_code_and_the_session_is_given_back_all_the_same() {
    for (at_login, status, body, code) in [
        (true, 401, "bad password canary", ErrorCode::AuthFailed),
        (true, 403, "", ErrorCode::AuthFailed),
        (true, 500, "", ErrorCode::CommandRejected),
        (true, 503, "", ErrorCode::DeviceBusy),
        (false, 429, "", ErrorCode::DeviceBusy),
        (false, 500, "error for canary-token", ErrorCode::CommandRejected),
        (false, 200, "hostname x\n", ErrorCode::Truncated),
        (false, 200, "", ErrorCode::Truncated),
    ] {
        let (asked, report) = play(|request| match request.target.contains("session") {
            true if at_login && request.method.as_str() == "POST" => answer(status, body),
            true => answer(200, ""),
            false => answer(status, body),
        });
        let given_back = asked.last().is_some_and(|last| last == "DELETE /api/session");
        assert_eq!(given_back, !at_login, "{status}: {asked:?}");
        assert_eq!(failure(report).code, code, "{status}");
    }
}

#[test]
fn a_login_without_its_token_is_refused_and_the_answer_is_not_quoted() {
    let (_, report) = play(|_| HttpAnswer { headers: Vec::new(), ..answer(200, "welcome, secret-thing") });
    let failure = failure(report);
    assert_eq!((failure.code, failure.phase), (ErrorCode::AuthFailed, Phase::Authenticate));
    assert!(failure.message.contains("no cookie sid") && !failure.message.contains("thing"), "{failure}");
}

#[test]
fn a_token_that_is_no_longer_good_is_renewed_once() {
    let mut refusals = 1;
    let (asked, report) = play(|request| match request.target.contains("session") {
        false if refusals > 0 => {
            refusals -= 1;
            answer(401, "")
        }
        _ => answer(200, "end\n"),
    });
    // Nothing had been accepted with the first one but the login itself.
    assert_eq!(
        asked[..4],
        ["POST /api/session", "GET /api/archive", "POST /api/session", "GET /api/archive"]
    );
    assert!(report.result.is_ok());
    let (asked, report) = play(|request| match request.target.contains("session") {
        false => answer(401, ""),
        true => answer(200, ""),
    });
    assert_eq!(asked.iter().filter(|line| line.starts_with("POST")).count(), 2);
    assert_eq!(failure(report).code, ErrorCode::AuthFailed);
}

#[test]
fn a_broken_connection_ends_the_session_and_nothing_is_kept() {
    let mut exchange = exchange();
    let now = Instant::now();
    assert!(matches!(exchange.next(now), HttpNext::Send(_)));
    exchange.broken(Failure::new(ErrorCode::Disconnected, Phase::Authenticate, "gone"), now);
    assert!(matches!(exchange.next(now), HttpNext::Finished));
    assert_eq!(failure(exchange.report()).code, ErrorCode::Disconnected);

    let mut late = self::exchange();
    assert!(matches!(late.next(now + Duration::from_secs(61)), HttpNext::Finished));
    assert_eq!(failure(late.report()).code, ErrorCode::Timeout);
}

#[test]
fn an_archive_comes_byte_by_byte_and_is_one_secret_as_a_whole() {
    let bytes = b"\r\n\x1f\x8b\0 archive with a password canary \xff\r\n\r\n";
    let (_, report) = play(|request| match request.target.as_str() {
        "/api/archive" => HttpAnswer { body: Zeroizing::new(bytes.to_vec()), ..answer(200, "") },
        _ => answer(200, "x\nend"),
    });
    let outputs = report.result.unwrap();
    assert_eq!(outputs[0].capture.expose_bytes(), bytes);
    let spans = acme().find_spans("archive", PartKind::Binary, bytes);
    assert_eq!(spans.secrets, [Span { start: 0, end: bytes.len() }]);
    assert_eq!(spans.volatile, spans.secrets);
}
