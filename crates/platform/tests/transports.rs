//! What a definition says a family is spoken to over.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::Protocol;
use netraven_platform::{Platforms, Transport};

const BASE: &str = "name: acme_os
title: T
sources: [none]
comment: '! '
modes: {m: {prompt: '^\\w+# *$'}}
parts: [{name: c, command: show, kind: config, end: '^end$'}]
logout: exit
";
const HTTP: &str = "http: {parts: [{name: c, kind: config, end: '^end$', requests: [{path: /config}]}]}\n";

fn load(more: &str) -> Result<Platforms, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("acme_os.yaml"), format!("{BASE}{more}")).unwrap();
    Platforms::of_folder(folder.path()).map_err(|error| error.to_string())
}

fn transports(more: &str) -> Vec<(Protocol, u16)> {
    let platform = load(more).unwrap().get("acme_os").unwrap();
    platform.transports.iter().map(|Transport { protocol, port }| (*protocol, *port)).collect()
}

#[test]
fn transports_are_named_in_order_with_their_ports() {
    use Protocol::{Http, Ssh, Telnet};
    assert_eq!(transports(""), [(Ssh, 22), (Telnet, 23)]);
    assert_eq!(transports("transports: [telnet, {ssh: 2022}]\n"), [(Telnet, 23), (Ssh, 2022)]);
    assert_eq!(transports("transports: {ssh: 4118, telnet: }\n"), [(Ssh, 4118), (Telnet, 23)]);
    assert_eq!(transports(HTTP), [(Ssh, 22), (Telnet, 23), (Http, 443)]);
    assert_eq!(transports(&format!("transports: [{{http: 8443}}, ssh]\n{HTTP}")), [(Http, 8443), (Ssh, 22)]);
    let with_port = HTTP.replace("{parts", "{scheme: http, port: 8080, parts");
    assert_eq!(transports(&with_port)[2], (Http, 8080));
    let without_tls = HTTP.replace("{parts", "{scheme: http, parts");
    assert_eq!(transports(&without_tls)[2], (Http, 80));
}

#[test]
fn transports_that_cannot_be_are_refused_with_their_line() {
    for (more, reason) in [
        ("transports: []\n", "expected at least one"),
        ("transports: ssh\n", "a list of ssh, telnet and http"),
        ("transports: [ssh, gopher]\n", "found 'gopher'"),
        ("transports: [ssh, {ssh: 2022}]\n", "'ssh' is named twice"),
        ("transports: [{ssh: 0}]\n", "a TCP port from 1 to 65535"),
        ("transports: [{ssh: 70000}]\n", "70000"),
        ("transports: [[ssh]]\n", "one of them with its port"),
        ("transports: [http]\n", "needs the section `http`"),
    ] {
        let error = load(more).err().unwrap();
        assert!(error.contains(reason) && error.contains(":8"), "{more}: {error}");
    }
    let error = load(&format!("transports: [ssh]\n{HTTP}")).err().unwrap();
    assert!(error.contains("'http' is not named"), "{error}");
    let both = HTTP.replace("{parts", "{port: 1, parts");
    let error = load(&format!("transports: [{{http: 2}}]\n{both}")).err().unwrap();
    assert!(error.contains("one is enough"), "{error}");
}

#[test]
fn a_port_that_nobody_names_is_the_platforms_and_else_the_protocols_own() {
    let platforms = load("transports: [{ssh: 4118}]\n").unwrap();
    assert_eq!(platforms.port("acme_os", Protocol::Ssh), 4118);
    assert_eq!(platforms.port("acme_os", Protocol::Telnet), 23);
    assert_eq!((platforms.port("auto", Protocol::Ssh), platforms.port("none", Protocol::Http)), (22, 443));
    assert_eq!(Platforms::shipped().unwrap().port("watchguard_fireware", Protocol::Ssh), 4118);
}
