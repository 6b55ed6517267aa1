//! The families that are spoken to over HTTP, against servers that behave as the vendors' documents say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod http_common;

use http_common::{
    Got, Reply, changed, collect, execute, failure, json, platform, raw, reply, serve, settings, text,
};
use netraven_device::LoginResult;
use netraven_model::{ErrorCode, Event, Phase};
use serde_json::json as value;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `ops:canary-"pass`, as RFC 7617 wants it.
const BASIC: &str = "Basic b3BzOmNhbmFyeS0icGFzcw==";
const PASSWORD: &str = "canary-\"pass";

fn unauthorized() -> Reply {
    reply("401 Unauthorized", "text/plain", "Unable to authenticate user: Bad username/password combination")
}

fn eapi(got: &Got) -> Reply {
    assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/command-api"));
    assert_eq!(got.header("content-type"), "application/json");
    if got.header("authorization") != BASIC {
        return unauthorized();
    }
    let asked = got.json();
    assert_eq!((&asked["jsonrpc"], &asked["method"]), (&value!("2.0"), &value!("runCmds")));
    assert_eq!(
        (&asked["params"]["format"], &asked["params"]["cmds"][0]),
        (&value!("text"), &value!("enable"))
    );
    let output = match asked["params"]["cmds"][1].as_str().unwrap() {
        "show version" => {
            "Arista DCS-7050SX3-48YC8-F\nSerial number:     SSJ1\nSoftware image version: 4.30.5M\n"
        }
        "show running-config" => {
            "! Command: show running-config\nhostname sw1\nsnmp-server community canary-snmp ro\n!\nend\n"
        }
        command => {
            let message = format!("CLI command 2 of 2 '{command}' failed: invalid command");
            let data = value!([{"output": ""}, {"errors": ["Invalid input (at token 1: 'x')"]}]);
            let error = value!({"code": 1002, "message": message, "data": data});
            return json("200 OK", &value!({"jsonrpc": "2.0", "id": asked["id"], "error": error}));
        }
    };
    let result = value!([{"output": ""}, {"output": output}]);
    json("200 OK", &value!({"jsonrpc": "2.0", "id": asked["id"], "result": result}))
}

#[tokio::test]
async fn arista_is_collected_through_eapi_like_over_its_command_line() {
    let server = serve(eapi).await;
    let outcome = collect(server.access("ops", PASSWORD), platform("arista_eos"), settings()).await;
    assert_eq!(outcome.login, LoginResult::Accepted);
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    assert!(outcome.dialogue.contains("POST /command-api `show running-config`"), "{}", outcome.dialogue);
    let skipped =
        |event: &Event| matches!(event, Event::CommandSkipped { command } if command == "show inventory");
    assert!(outcome.events.iter().any(|event| skipped(&event.event)));
    let (config, facts) = changed(outcome);
    let running = text(&config, "running-config");
    assert!(running.ends_with("!\nend\n") && running.contains("community <secret:"), "{running}");
    assert!(!config.readable().contains("canary"));
    assert_eq!(facts.hostname.as_deref(), Some("sw1"));
    assert_eq!(facts.software_version.as_deref(), Some("4.30.5M"));
}

#[tokio::test]
async fn a_wrong_password_is_refused_once_and_never_repeated() {
    let server = serve(eapi).await;
    let outcome = collect(server.access("ops", "canary-wrong"), platform("arista_eos"), settings()).await;
    assert_eq!(outcome.login, LoginResult::Refused);
    assert!(outcome.events.iter().any(|event| matches!(event.event, Event::CredentialRefused { .. })));
    assert_eq!(failure(outcome).code, ErrorCode::AuthFailed);
    assert_eq!(server.targets().len(), 1);
}

#[tokio::test]
async fn commands_of_somebodys_own_are_answered_and_a_refusal_is_an_answer() {
    let server = serve(eapi).await;
    let access = server.access("ops", PASSWORD);
    let outcome = execute(access, platform("arista_eos"), &["show version", "show \"nonsense\""]).await;
    let answers = outcome.result.unwrap();
    assert!(answers[0].accepted && answers[0].text.expose_bytes().starts_with(b"Arista DCS"));
    assert!(!answers[1].accepted);
    let words = String::from_utf8_lossy(answers[1].text.expose_bytes()).into_owned();
    assert!(words.contains("invalid command") && words.contains("nonsense"), "{words}");

    let outcome = execute(server.access("ops", PASSWORD), platform("juniper_junos"), &["show version"]).await;
    let failure = outcome.result.unwrap_err();
    assert_eq!(failure.code, ErrorCode::Unsupported);
    let outcome = execute(server.access("ops", PASSWORD), platform("linux"), &["uname"]).await;
    assert_eq!(outcome.result.unwrap_err().code, ErrorCode::Unsupported);
}

#[tokio::test]
async fn nexus_is_collected_through_nx_api() {
    let server = serve(|got| {
        assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/ins"));
        if got.header("authorization") != BASIC {
            return unauthorized();
        }
        let asked = got.json();
        assert_eq!(asked["ins_api"]["type"], "cli_show_ascii");
        assert_eq!(asked["ins_api"]["version"], "1.0");
        let input = asked["ins_api"]["input"].as_str().unwrap();
        let output = match input {
            "show version" => value!({"input": input, "code": "200", "msg": "Success",
                "body": "Cisco Nexus Operating System (NX-OS) Software\n  NXOS: version 9.3(8)\n  Device name: n9k\n"}),
            "show running-config" => value!({"input": input, "code": "200", "msg": "Success",
                "body": "\n!Command: show running-config\n!Time: now\n\nhostname n9k\nsnmp-server community canary-snmp group network-operator\n"}),
            _ => value!({"input": input, "code": "400", "msg": "Input CLI command error",
                "clierror": "% Invalid command\n"}),
        };
        json("200 OK", &value!({"ins_api": {"sid": "eoc", "type": "cli_show_ascii", "version": "1.0",
            "outputs": {"output": output}}}))
    })
    .await;
    let (config, facts) =
        changed(collect(server.access("ops", PASSWORD), platform("cisco_nxos"), settings()).await);
    assert!(text(&config, "running-config").contains("community <secret:"));
    assert!(!config.readable().contains("canary"));
    assert_eq!((facts.hostname.as_deref(), facts.software_version.as_deref()), (Some("n9k"), Some("9.3(8)")));
    // Both ways to ask for the boot variables were tried.
    let bodies: Vec<_> = server.got.lock().unwrap().iter().map(|got| got.body.clone()).collect();
    assert!(bodies.iter().any(|body| body.contains("show boot variables")), "{bodies:?}");
}

#[tokio::test]
async fn ios_xe_is_collected_through_restconf() {
    let native = value!({"Cisco-IOS-XE-native:native": {
        "version": "17.9", "hostname": "xe1",
        "username": [{"name": "admin", "privilege": 15, "secret": {"encryption": "9", "secret": "canary-$9$x"}}],
        "snmp-server": {"Cisco-IOS-XE-snmp:community-config": [{"name": "canary-snmp", "permission": "ro"}]}}});
    let server = serve(move |got| {
        assert_eq!(got.header("accept"), "application/yang-data+json");
        match (got.header("authorization") == BASIC, got.target.as_str()) {
            (false, _) => unauthorized(),
            (_, "/restconf/data/Cisco-IOS-XE-native:native?content=config") => json("200 OK", &native),
            _ => json(
                "404 Not Found",
                &value!({"ietf-restconf:errors": {"error": [{"error-type": "application",
                "error-tag": "invalid-value", "error-message": "uri keypath not found"}]}}),
            ),
        }
    })
    .await;
    let (config, facts) =
        changed(collect(server.access("ops", PASSWORD), platform("cisco_xe"), settings()).await);
    let native = text(&config, "native-config");
    assert!(native.contains("\n    \"hostname\": \"xe1\""), "{native}");
    assert!(!native.contains("canary") && !config.readable().contains("canary"), "{native}");
    assert_eq!(facts.hostname.as_deref(), Some("xe1"));
    assert_eq!(config.parts().len(), 1, "the optional part is not there");
}

#[tokio::test]
async fn fortios_is_collected_with_its_token_by_the_method_that_it_knows() {
    let server = serve(|got| {
        if got.header("authorization") != "Bearer canary-token" {
            return json("401 Unauthorized", &value!({"http_status": 401, "status": "error"}));
        }
        match (got.method.as_str(), got.target.as_str()) {
            ("GET", "/api/v2/monitor/system/status") => json("200 OK", &value!({"http_method": "GET",
                "results": {"model_name": "FortiGate", "model": "FG60F", "hostname": "fw1"},
                "serial": "FGT60F1", "version": "v7.2.8", "build": 1639})),
            ("GET", "/api/v2/monitor/system/config/backup?destination=file&scope=global") => reply("200 OK",
                "application/octet-stream",
                "#config-version=FGT60F-7.2.8\n#conf_file_ver=1\nconfig system global\n    set hostname \"fw1\"\nend\n\
                 config system admin\n    edit \"admin\"\n        set password ENC canary-enc==\n    next\nend\n"),
            _ => json("405 Method Not Allowed", &value!({"http_status": 405, "status": "error"})),
        }
    })
    .await;
    let outcome = collect(server.access("", "canary-token"), platform("fortinet"), settings()).await;
    let (config, facts) = changed(outcome);
    assert!(text(&config, "configuration").contains("set password ENC <secret:"));
    assert!(!config.readable().contains("canary"));
    assert_eq!((facts.model.as_deref(), facts.software_version.as_deref()), (Some("FG60F"), Some("7.2.8")));
    assert_eq!(facts.serial_number.as_deref(), Some("FGT60F1"));

    let expired = collect(server.access("", "canary-old"), platform("fortinet"), settings()).await;
    assert_eq!(failure(expired).code, ErrorCode::AuthFailed);
}

/// PAN-OS with a key that is good for so many requests.
fn panos(good_for: usize) -> impl Fn(&Got) -> Reply + Send + Sync {
    let used = AtomicUsize::new(0);
    move |got| {
        assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/api/"));
        assert_eq!(got.header("content-type"), "application/x-www-form-urlencoded");
        let xml = |status: &str, body: &str| reply(status, "application/xml; charset=UTF-8", body);
        if got.body.contains("type=keygen") {
            if got.body != "password=canary-%22pass&type=keygen&user=ops" {
                return xml(
                    "403 Forbidden",
                    "<response status = 'error' code = '403'><result><msg>Invalid Credential</msg></result></response>",
                );
            }
            used.store(0, Ordering::SeqCst);
            return xml(
                "200 OK",
                "<response status = 'success'><result><key>canary-key==</key></result></response>",
            );
        }
        let known = got.header("x-pan-key") == "canary-key==";
        if !known || used.fetch_add(1, Ordering::SeqCst) >= good_for {
            return xml(
                "401 Unauthorized",
                "<response status='error' code='16'><msg><line>Unauthorized request</line></msg></response>",
            );
        }
        if got.body.contains("pushed") || got.body.contains("license") {
            return xml(
                "200 OK",
                "<response status=\"error\"><msg><line>No such node</line></msg></response>",
            );
        }
        match got.body.contains("running") {
            true => xml(
                "200 OK",
                "<response status=\"success\"><result><config version=\"10.2.0\">\n  <mgt-config>\n    \
                <phash>canary-$5$x</phash>\n  </mgt-config>\n</config></result></response>",
            ),
            false => xml(
                "200 OK",
                "<response status=\"success\"><result><system><hostname>pa1</hostname>\
                <serial>0123</serial><sw-version>10.2.4</sw-version></system></result></response>",
            ),
        }
    }
}

#[tokio::test]
async fn panos_gives_a_key_for_the_login_and_a_new_one_when_it_is_no_longer_good() {
    for good_for in [usize::MAX, 1] {
        let server = serve(panos(good_for)).await;
        let outcome = collect(server.access("ops", PASSWORD), platform("paloalto_panos"), settings()).await;
        assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
        if good_for == 1 {
            // The second key is used up, too: a third is not asked for.
            assert_eq!(failure(outcome).code, ErrorCode::AuthFailed);
            let keygens = server.got.lock().unwrap().iter().filter(|got| got.body.contains("keygen")).count();
            assert_eq!(keygens, 2);
            continue;
        }
        let (config, facts) = changed(outcome);
        let running = text(&config, "configuration");
        assert!(
            running.starts_with("<config version=\"10.2.0\">") && running.ends_with("</config>\n"),
            "{running}"
        );
        assert!(!config.readable().contains("canary"), "{running}");
        assert_eq!((facts.hostname.as_deref(), facts.serial_number.as_deref()), (Some("pa1"), Some("0123")));
    }
    let server = serve(panos(3)).await;
    changed(collect(server.access("ops", PASSWORD), platform("paloalto_panos"), settings()).await);
}

#[tokio::test]
async fn panos_refuses_a_wrong_password_and_its_words_are_shown_without_it() {
    let server = serve(panos(9)).await;
    let failure =
        failure(collect(server.access("ops", "canary-x"), platform("paloalto_panos"), settings()).await);
    assert_eq!((failure.code, failure.phase), (ErrorCode::AuthFailed, Phase::Authenticate));
    assert!(failure.message.contains("403") && failure.message.contains("Invalid Credential"), "{failure}");
    assert_eq!(server.targets(), ["POST /api/"]);
}

#[tokio::test]
async fn junos_is_collected_through_its_rest_api_and_an_open_block_is_truncated() {
    const CONFIG: &str = "## Last commit: 2026-01-01 by ops\nsystem {\n    host-name r1;\n    root-authentication {\n        \
        encrypted-password \"canary-$6$x\"; ## SECRET-DATA\n    }\n}\n";
    let answer = |config: &'static str| {
        move |got: &Got| {
            assert_eq!((got.method.as_str(), got.header("accept")), ("GET", "text/plain"));
            match (got.header("authorization") == BASIC, got.target.as_str()) {
                (false, _) => unauthorized(),
                (_, "/rpc/get-configuration") => reply("200 OK", "text/plain", config),
                (_, "/rpc/get-software-information") => {
                    reply("200 OK", "text/plain", "\nHostname: r1\nModel: mx204\nJunos: 21.4R3\n")
                }
                _ => {
                    reply("200 OK", "text/plain", "<rpc-error><error-message>no</error-message></rpc-error>")
                }
            }
        }
    };
    let server = serve(answer(CONFIG)).await;
    let (config, facts) =
        changed(collect(server.access("ops", PASSWORD), platform("juniper_junos"), settings()).await);
    assert!(!config.readable().contains("canary"));
    assert_eq!((facts.hostname.as_deref(), facts.model.as_deref()), (Some("r1"), Some("mx204")));

    let cut = serve(answer(&CONFIG[..CONFIG.len() - 2])).await;
    let outcome = collect(cut.access("ops", PASSWORD), platform("juniper_junos"), settings()).await;
    assert_eq!(failure(outcome).code, ErrorCode::Truncated);
}

#[tokio::test]
async fn an_answer_that_is_no_http_and_one_that_breaks_off_are_told_apart() {
    for (bytes, code) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], ErrorCode::HttpProtocol),
        (b"", ErrorCode::Disconnected),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\"", ErrorCode::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"jso\r\n", ErrorCode::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{\"jso", ErrorCode::Truncated),
        (b"HTTP/1.1 200 OK\r\n\r\n{\"jsonrpc\": \"2.0\", \"result\": [{}, {\"output\": \"host", ErrorCode::Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", ErrorCode::OutputTooLarge),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", ErrorCode::DeviceBusy),
        (b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/?token=canary\r\nContent-Length: 0\r\n\r\n", ErrorCode::HttpProtocol),
    ] {
        let server = serve(move |_| raw(bytes)).await;
        let outcome = collect(server.access("ops", PASSWORD), platform("arista_eos"), settings()).await;
        assert_eq!(failure(outcome).code, code, "{}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn a_device_that_closes_after_each_answer_is_connected_to_again() {
    let server = serve(|got| Reply { close: true, ..eapi(got) }).await;
    changed(collect(server.access("ops", PASSWORD), platform("arista_eos"), settings()).await);
    assert!(server.targets().len() > 3);
}
