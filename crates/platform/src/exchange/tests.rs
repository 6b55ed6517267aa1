use super::*;
use crate::machine::Limits;
use crate::{Platform, Platforms};
use netraven_model::Login;
use std::sync::Arc;

const DEFINITION: &str = "\
name: x
title: X
sources: [none]
comment: '#'
modes: {m: {prompt: '>$'}}
logout: exit
rejected: ['not found$']
ssh: {channel: exec, wrap: '{command}; mark', end: '^the-end$'}
secrets: [{pattern: '^key (?<secret>\\S+)', hide: ['key «a»']}]
parts:
  - {name: state, command: show state, kind: state, optional: true}
  - {name: config, command: show config, alternatives: [show all], kind: config, end: '^end$'}
";

fn platform(text: &str) -> Result<Arc<Platform>, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), text).unwrap();
    let platforms = Platforms::of_folder(folder.path()).map_err(|error| error.to_string())?;
    Ok(platforms.get("x").unwrap())
}

fn limits() -> Limits {
    let second = Duration::from_secs(1);
    Limits { login: second, silence: second * 10, session: second * 60, logout: second, max_output: 1000 }
}

fn start(text: &str) -> (Exchange, Instant) {
    let now = Instant::now();
    let plan = Plan::backup(platform(text).unwrap(), &Login::default(), limits());
    (Exchange::new(plan, now).unwrap(), now)
}

/// Answers the commands one after the other: output, errors, exit status.
fn converse(exchange: &mut Exchange, now: Instant, answers: &[(&str, &str, Option<u32>)]) -> Vec<String> {
    let mut asked = Vec::new();
    let mut answers = answers.iter();
    loop {
        match exchange.next(now) {
            Task::Run(command) => asked.push(command),
            Task::Finished | Task::Unsuited | Task::Fetch(_) => return asked,
            Task::Wait(_) => {
                let (output, errors, status) = answers.next().expect("nothing more is asked");
                output.as_bytes().chunks(3).for_each(|piece| exchange.output(piece, now));
                exchange.errors(errors.as_bytes(), now);
                exchange.ended(*status, now);
            }
        }
    }
}

fn failure(exchange: Exchange) -> Failure {
    exchange.report().result.unwrap_err()
}

#[test]
fn every_part_is_asked_on_its_own_and_the_mark_is_taken_off() {
    let (mut exchange, now) = start(DEFINITION);
    let config = "\r\ninterface a\r\n\r\nend\r\n\nthe-end\n";
    let asked = converse(&mut exchange, now, &[("up\nthe-end\n", "", Some(0)), (config, "", Some(0))]);
    assert_eq!(asked, ["show state; mark", "show config; mark"]);
    let report = exchange.report();
    let outputs = report.result.unwrap();
    assert_eq!(outputs[0].capture.expose_bytes(), b"up\n");
    assert_eq!(outputs[1].capture.expose_bytes(), b"interface a\n\nend\n");
    assert_eq!((outputs[1].part, outputs[1].command.as_str()), (1, "show config"));
    assert!(report.dialogue.contains("> show config\n") && !report.dialogue.contains("interface"));
    assert!(report.commands.iter().all(|command| command.accepted));
}

#[test]
fn a_clean_end_of_the_channel_after_half_of_the_answer_is_truncated() {
    let whole = "interface a\nend\n\nthe-end\n";
    for cut in 0..whole.len() - 1 {
        let (mut exchange, now) = start(DEFINITION);
        converse(&mut exchange, now, &[("up\nthe-end\n", "", Some(0)), (&whole[..cut], "", Some(0))]);
        assert_eq!(failure(exchange).code, ErrorCode::Truncated, "{cut}");
    }
    let (mut exchange, now) = start(DEFINITION);
    let cut = "interface a\n\nthe-end\n";
    converse(&mut exchange, now, &[("up\nthe-end\n", "", Some(0)), (cut, "", Some(0))]);
    let failure = failure(exchange);
    assert_eq!(failure.code, ErrorCode::Truncated, "{failure}");
    assert!(!failure.message.contains("interface"), "{failure}");
}

#[test]
fn a_device_that_does_something_else_than_it_is_asked_needs_a_shell() {
    for said in ["", "Welcome\n 1) Shell\n 2) Logout\n"] {
        let (mut exchange, now) = start(DEFINITION);
        converse(&mut exchange, now, &[(said, "", Some(0))]);
        assert_eq!(exchange.next(now), Task::Unsuited);
        assert_eq!(exchange.into_plan().parts.len(), 2);
    }
}

#[test]
fn a_refused_command_is_replaced_skipped_or_told() {
    let no = ("the-end\n", "sh: show: not found\n", Some(0));
    let (mut exchange, now) = start(DEFINITION);
    let asked = converse(&mut exchange, now, &[no, no, ("end\nthe-end\n", "", Some(0))]);
    assert_eq!(asked[2], "show all; mark");
    let report = exchange.report();
    assert_eq!(report.result.unwrap().len(), 1);
    assert_eq!(report.commands.iter().filter(|command| !command.accepted).count(), 2);
    assert!(report.dialogue.contains("show: not found"));

    let (mut exchange, now) = start(DEFINITION);
    let secret = ("the-end\n", "key canary\nsh: show: not found\n", Some(127));
    converse(&mut exchange, now, &[no, no, secret]);
    let failure = failure(exchange);
    assert_eq!(failure.code, ErrorCode::CommandRejected, "{failure}");
    assert!(failure.message.contains("not found") && !failure.message.contains("canary"), "{failure}");
}

#[test]
fn a_warning_beside_the_answer_is_no_refusal_and_no_part_of_it() {
    let (mut exchange, now) = start(DEFINITION);
    let warned = ("end\nthe-end\n", "locale: not found\n", Some(1));
    converse(&mut exchange, now, &[("a\nthe-end\n", "", Some(0)), warned]);
    assert_eq!(exchange.report().result.unwrap()[1].capture.expose_bytes(), b"end\n");
}

#[test]
fn somebodys_own_commands_are_answered_with_what_a_refusal_says() {
    let now = Instant::now();
    let plan = Plan::backup(platform(DEFINITION).unwrap(), &Login::default(), limits());
    let plan = Plan { parts: [Part::command("a"), Part::command("b")].into(), ..plan };
    let mut exchange = Exchange::new(plan, now).unwrap();
    let answers = [("\nthe-end\n", "a: not found\n", Some(127)), ("1\n\nthe-end\n", "", Some(0))];
    converse(&mut exchange, now, &answers);
    let outputs = exchange.report().result.unwrap();
    assert_eq!((outputs[0].accepted, outputs[0].capture.expose_bytes()), (false, &b"a: not found\n"[..]));
    assert_eq!((outputs[1].accepted, outputs[1].capture.expose_bytes()), (true, &b"1\n"[..]));
}

#[test]
fn silence_floods_and_lost_connections_end_it() {
    let (mut exchange, now) = start(DEFINITION);
    assert!(matches!(exchange.next(now), Task::Run(_)));
    let Task::Wait(until) = exchange.next(now) else { panic!("it waits") };
    assert_eq!(until - now, Duration::from_secs(10));
    assert_eq!(exchange.next(until), Task::Finished);
    assert_eq!(failure(exchange).code, ErrorCode::Timeout);

    let (mut exchange, now) = start(DEFINITION);
    exchange.next(now);
    exchange.output(&[b'x'; 600], now);
    exchange.errors(&[b'x'; 600], now);
    assert_eq!(exchange.next(now), Task::Finished);
    assert_eq!(failure(exchange).code, ErrorCode::OutputTooLarge);

    let (mut exchange, now) = start(DEFINITION);
    exchange.next(now);
    exchange.broken(Failure::new(ErrorCode::Disconnected, Phase::Collect, "gone"), now);
    let failure = failure(exchange);
    assert_eq!(failure.code, ErrorCode::Disconnected);
    assert!(failure.message.starts_with("gone; it was at `show state`"), "{failure}");
}

#[test]
fn a_definition_that_cannot_prove_the_end_may_not_use_it() {
    let ssh = "ssh: {channel: exec, wrap: '{command}; mark', end: '^the-end$'}\n";
    for (new, old, problem) in [
        ("ssh: {channel: exec}\n", ssh, ""),
        ("ssh: {channel: exec, end: x}\n", ssh, "needs the `end`"),
        ("ssh: {channel: exec, wrap: mark, end: x}\n", ssh, "has no {command} in it"),
        ("ssh: {wrap: '{command}', end: x}\n", ssh, "belong to `channel: exec`"),
    ] {
        let loaded = platform(&DEFINITION.replace(old, new));
        match problem {
            "" => assert!(loaded.is_ok(), "the part's own end is a proof"),
            problem => assert!(loaded.unwrap_err().contains(problem), "{new}"),
        }
    }
    let unproven =
        DEFINITION.replace(ssh, "ssh: {channel: exec}\n").replace("end: '^end$'", "balanced_braces: true");
    assert!(platform(&unproven).unwrap_err().contains("part 'config'"));
}

#[test]
fn a_family_with_a_shell_only_gets_its_plan_back() {
    let shell = platform(
        &DEFINITION.replace("ssh: {channel: exec, wrap: '{command}; mark', end: '^the-end$'}\n", ""),
    );
    let plan = Plan::backup(shell.unwrap(), &Login::default(), limits());
    assert!(Exchange::new(plan, Instant::now()).is_err());
}

#[test]
fn what_broke_off_is_told_without_the_secrets_of_the_command_and_of_the_login() {
    let now = Instant::now();
    let login = Login { password: Some("canary-own".into()), ..Login::default() };
    let plan = Plan::backup(platform(DEFINITION).unwrap(), &login, limits());
    let plan = Plan { parts: [Part::command("set password canary-new")].into(), ..plan };
    let mut exchange = Exchange::new(plan, now).unwrap();
    assert!(matches!(exchange.next(now), Task::Run(_)));
    let lost = Failure::new(ErrorCode::Disconnected, Phase::Collect, "it said: bye, canary-own");
    exchange.broken(lost, now);
    let shown = format!("{:?}", exchange.report());
    assert!(shown.contains("it said: bye") && !shown.contains("canary"), "{shown}");
}

const FILE: &str = "  - {name: archive, kind: binary, command: make it, file: {path: /a, cleanup: rm /a}}\n";

#[test]
fn a_file_is_made_fetched_and_removed_on_channels_of_their_own() {
    let (mut exchange, now) = start(&format!("{DEFINITION}{FILE}"));
    let (state, config) = (("up\nthe-end\n", "", Some(0)), ("end\nthe-end\n", "", Some(0)));
    let asked = converse(&mut exchange, now, &[state, config, ("made\nthe-end\n", "", Some(0))]);
    assert_eq!(asked.last().unwrap(), "make it; mark");
    let Task::Fetch(request) = exchange.next(now) else { panic!("a file is wanted") };
    assert_eq!((request.path.as_str(), request.most), ("/a", 1000));
    exchange.fetched(crate::Fetched::Content(Capture::new(b"\x00 content\n\n".to_vec())), now);
    assert_eq!(converse(&mut exchange, now, &[("the-end\n", "", Some(0))]), ["rm /a; mark"]);
    let report = exchange.report();
    let outputs = report.result.unwrap();
    assert_eq!((outputs[2].command.as_str(), outputs[2].part), ("file /a", 2));
    assert_eq!(outputs[2].capture.expose_bytes(), b"\x00 content\n\n");
    assert!(report.dialogue.contains("made") && !report.dialogue.contains("content"), "{}", report.dialogue);
}

#[test]
fn files_alone_keep_the_places_of_their_parts_and_nothing_is_made_or_removed() {
    let plan = Plan::backup(platform(&format!("{DEFINITION}{FILE}")).unwrap(), &Login::default(), limits());
    let now = Instant::now();
    let mut exchange = Exchange::fetching(plan, &[2], now);
    assert!(matches!(exchange.next(now), Task::Fetch(_)));
    exchange.fetched(crate::Fetched::Content(Capture::new(b"x".to_vec())), now);
    assert_eq!(exchange.next(now), Task::Finished);
    assert_eq!(exchange.report().result.unwrap()[0].part, 2);
}
