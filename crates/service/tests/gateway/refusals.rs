use crate::client::{get, send};
use crate::place::{Place, command, lab, settings};
use netraven_device::{DeviceSettings, Gateway};
use netraven_platform::Platforms;
use netraven_service::Definitions;
use netraven_service::gateway::ApiServer;
use serde_json::json;
use std::sync::Arc;
use tempfile::TempDir;

#[tokio::test]
async fn a_bad_request_names_the_field_and_does_not_quote_it() {
    let (place, lab) = (Place::new().await, lab(&["frr"], |_| {}));
    let good = command(&lab.device(0).unwrap(), "show version");
    let cases = [
        ("/ip", json!("a b; canary"), "ip: expected an IP address or a DNS name"),
        ("/ip", json!(7), "ip: expected a string"),
        ("/port", json!(0), "port: expected a number from 1 to 65535"),
        ("/port", json!("canary"), "port: expected u16"),
        ("/timeout", json!(0), "timeout: expected 1 to 600 seconds"),
        ("/timeout", json!(601), "timeout: expected 1 to 600 seconds"),
        ("/device_type", json!("canary_os"), "device_type: there is no platform of that name"),
        ("/device_id", json!([1]), "device_id: expected a number, a UUID or a name"),
        ("/command", json!("show a\nreload"), "command: expected one command on one line"),
        ("/command", json!("  "), "command: expected one command on one line"),
        ("/credential/password", json!(12345), "credential.password: expected a string"),
        (
            "/credential/method",
            json!("canary"),
            "credential.method: expected one of `ssh`, `telnet`, `http`, `rest`",
        ),
        ("/credential/username", json!("a\u{7}canary"), "credential.username: expected at most"),
        ("/commands", json!(["show version"]), "commands: expected either this or `command`"),
    ];
    for (pointer, value, detail) in cases {
        let mut request = good.clone();
        if pointer == "/commands" {
            request["commands"] = value;
        } else {
            *request.pointer_mut(pointer).unwrap() = value;
        }
        let reply = place.post("/execute-command", &request).await;
        assert_eq!(reply.status, 422, "{pointer}: {}", reply.text());
        assert!(reply.detail().starts_with(detail), "{pointer}: {}", reply.detail());
        assert!(!reply.text().contains("canary") && !reply.text().contains("12345"), "{}", reply.text());
    }
    for (missing, detail) in [
        ("ip", "the body: missing field `ip`"),
        ("credential", "the body: missing field `credential`"),
        ("command", "command: expected this or `commands`"),
    ] {
        let mut request = good.clone();
        request.as_object_mut().unwrap().remove(missing);
        let reply = place.post("/execute-command", &request).await;
        assert_eq!((reply.status, reply.detail().as_str()), (422, detail));
    }
    let mut request = good.clone();
    request["comand"] = json!("x");
    let detail = place.post("/execute-command", &request).await.detail();
    assert!(detail.starts_with("comand: unknown field `comand`"), "{detail}");
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn every_refusal_has_the_same_shape() {
    let place = Place::with(None, |settings| settings.limits.body = 2000).await;
    let key = ("x-api-key", place.key.as_str());
    let json_type = ("content-type", "application/json");
    let large = vec![b' '; 2001];
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16, &'a str);
    let cases: [Case<'_>; 7] = [
        ("GET", "/nothing", &[], Vec::new(), 404, "there is no such path"),
        ("DELETE", "/health", &[], Vec::new(), 405, "this path does not take that method"),
        ("GET", "/execute-command", &[key], Vec::new(), 405, "this path does not take that method"),
        ("POST", "/execute-command", &[key], b"{}".to_vec(), 415, "expected a body with the header"),
        ("POST", "/execute-command", &[key, json_type], b"{\"ip\":".to_vec(), 400, "the body is no JSON"),
        ("POST", "/execute-command", &[key, json_type], b"\xff".to_vec(), 400, "the body is no JSON"),
        ("POST", "/execute-command", &[key, json_type], large, 413, "a body may have 2000 bytes"),
    ];
    for (method, path, headers, body, status, detail) in cases {
        let reply = send(place.address, method, path, headers, body).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        assert!(reply.detail().starts_with(detail), "{}", reply.detail());
        assert!(reply.header("x-request-id").is_some(), "{method} {path}");
    }
    // Without a length the bytes are counted as they come.
    let mut head = format!(
        "POST /execute-command HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        place.key
    );
    head.push_str(&format!("{:x}\r\n{}\r\n0\r\n\r\n", 3000, " ".repeat(3000)));
    assert!(raw(&place, &head).await.starts_with("HTTP/1.1 413"));
    place.stop().await;
}

#[tokio::test]
async fn the_callers_request_id_comes_back_where_it_is_plain() {
    let place = Place::new().await;
    let reply = get(place.address, "/health", &[("x-request-id", "abc-1.2_3")]).await;
    assert_eq!(reply.header("x-request-id"), Some("abc-1.2_3"));
    for bad in ["a b", &"x".repeat(65), "a\"b"] {
        let reply = get(place.address, "/health", &[("x-request-id", bad)]).await;
        let id = reply.header("x-request-id").unwrap();
        assert!(id != bad && id.len() == 36, "{id}");
    }
    place.stop().await;
}

#[tokio::test]
async fn a_caller_who_sends_slowly_is_sent_away() {
    let place = Place::with(None, |settings| {
        settings.limits.slowest_request = std::time::Duration::from_millis(300);
    })
    .await;
    let head = format!(
        "POST /execute-command HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        place.key
    );
    let said = raw(&place, &head).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("the body was expected within"), "{said}");
    // A head that never ends is answered with the end of the connection.
    let said = raw(&place, "GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
    assert!(!said.contains("200 OK"), "{said}");
    place.stop().await;
}

#[tokio::test]
async fn beyond_this_machine_it_is_not_served_in_clear() {
    let folder = TempDir::new().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8001"] {
        let mut settings = settings(&folder);
        settings.listen = listen.parse().unwrap();
        let definitions = Definitions::new(Arc::new(Platforms::shipped().unwrap()));
        let gateway = Arc::new(Gateway::new(DeviceSettings::default()));
        let error = ApiServer::start(gateway, definitions, None, settings).await.unwrap_err().to_string();
        assert!(error.contains("gateway.tls_cert_file"), "{error}");
    }
}

/// Sends bytes and reads until the server closes the connection.
async fn raw(place: &Place, text: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(place.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(3), stream.read_to_end(&mut said)).await;
    assert!(read.is_ok() || !said.is_empty(), "the server says nothing and keeps the connection");
    String::from_utf8_lossy(&said).into_owned()
}
