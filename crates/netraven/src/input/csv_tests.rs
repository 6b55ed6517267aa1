use super::*;
use proptest::prelude::*;
use std::sync::OnceLock;

/// Compiling the definitions once is enough for all cases.
fn platforms() -> &'static Platforms {
    static SHIPPED: OnceLock<Platforms> = OnceLock::new();
    SHIPPED.get_or_init(|| Platforms::shipped().unwrap())
}

fn devices(content: &str) -> Vec<NewDevice> {
    read(content.as_bytes(), platforms()).unwrap()
}

fn problems(content: &[u8]) -> Vec<String> {
    let problems = read(content, platforms()).unwrap_err();
    problems.iter().map(Problem::to_string).collect()
}

#[test]
fn columns_may_come_in_any_order_and_optional_ones_may_be_missing() {
    let read = devices("device_type,Tags,hostname,ip_address\ncisco_ios, core;dc1 ; ,r1,192.0.2.1\n");
    let device = &read[0];
    assert_eq!((device.hostname.as_str(), device.address.as_str()), ("r1", "192.0.2.1"));
    assert_eq!((device.tags.as_slice(), device.port), (&["core".to_owned(), "dc1".to_owned()][..], None));
    assert_eq!((&device.site, &device.description), (&None, &None));
}

#[test]
fn byte_order_mark_carriage_returns_quotes_and_a_missing_last_line_end_are_understood() {
    let text = "\u{feff}hostname,ip_address,device_type,port,site,description\r\n\
                r1,192.0.2.1,cisco_ios,,\"Paris, France\",\"says \"\"hi\"\"\"\r\n\r\n\
                r2,2001:db8::2,frr,2222,,";
    let read = devices(text);
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].site.as_deref(), Some("Paris, France"));
    assert_eq!(read[0].description.as_deref(), Some("says \"hi\""));
    assert_eq!((read[1].port, read[1].site.as_deref()), (Some(2222), None));
}

#[test]
fn every_wrong_line_is_named_with_its_field() {
    let mut text = String::from("hostname,ip_address,device_type,port,tags\n");
    for number in 2..=9 {
        text += &match number {
            4 => "r4,192.0.2.4,cisco_iso,22,\n".to_owned(),
            5 => "r 5,192.0.2.5,cisco_ios,0,a b\n".to_owned(),
            6 => "r6,192.0.2.6\n".to_owned(),
            7 => "r7,192.0.2.777,cisco_ios,22,\n".to_owned(),
            8 => "r2,192.0.2.8,cisco_ios,22,\n".to_owned(),
            n => format!("r{n},192.0.2.{n},cisco_ios,22,core\n"),
        };
    }
    assert_eq!(
        problems(text.as_bytes()),
        [
            "line 4: device_type: unknown platform 'cisco_iso', did you mean 'cisco_ios'?",
            "line 5: hostname: 'r 5' cannot be a device name: ' ' is not a letter, digit, '.', '-' or '_' (nor may it start with '-' or '.')",
            "line 5: port: expected a TCP port from 1 to 65535, found '0'",
            "line 5: tags: expected a tag of 1 to 100 characters without white space, ',' or ';', found 'a b'",
            "line 6: expected 5 fields as in the first line, found 2",
            "line 7: ip_address: expected an IPv4 address such as 192.0.2.1, found '192.0.2.777'",
            "line 8: hostname: 'r2' stands in line 2 already",
        ]
    );
}

#[test]
fn a_protocol_that_the_platform_does_not_know_is_a_wrong_field() {
    let text = "hostname,ip_address,device_type,protocol\nr1,192.0.2.1,frr,telnet\nr2,192.0.2.2,frr,http\n";
    let wrong = "line 3: protocol: platform 'frr' is not spoken to over http, only over ssh, telnet";
    assert_eq!(problems(text.as_bytes()), [wrong]);
}

#[test]
fn lines_are_counted_through_quoted_line_ends() {
    let text = "hostname,ip_address,device_type,site\nr1,192.0.2.1,frr,\"two\nlines\"\nr2,300.1.1.1,frr,x\n";
    assert_eq!(
        problems(text.as_bytes()),
        [
            "line 2: site: expected a text on one line, found control characters",
            "line 4: ip_address: expected an IPv4 address such as 192.0.2.1, found '300.1.1.1'",
        ]
    );
}

#[test]
fn the_first_line_must_name_known_columns_once() {
    assert_eq!(
        problems(b"hostname,ip_adress,device_type,hostname\n"),
        [
            "line 1: unknown column 'ip_adress', did you mean 'ip_address'? (known: hostname, ip_address, device_type, port, site, description, tags, protocol, ssh_profile, jump_host)",
            "line 1: hostname: the column stands there twice",
            "line 1: ip_address: the column is missing in the first line, which names the columns",
        ]
    );
    assert_eq!(problems(b"").len(), 3);
    assert_eq!(problems(b"r1,192.0.2.1,cisco_ios\n").len(), 6);
}

#[test]
fn bytes_that_are_no_utf_8_are_named_with_their_line() {
    let text = b"hostname,ip_address,device_type,site\nr1,192.0.2.1,frr,x\nr2,192.0.2.2,frr,M\xfcnchen\n";
    assert_eq!(problems(text), ["line 3: expected UTF-8 text, found other bytes"]);
}

#[test]
fn ten_thousand_lines_are_read() {
    let mut text = String::from("hostname,ip_address,device_type\n");
    for n in 0..10_000 {
        text += &format!("sw-{n},10.0.{}.{},arista_eos\n", n / 250, n % 250 + 1);
    }
    let read = devices(&text);
    assert_eq!((read.len(), read[9_999].hostname.as_str()), (10_000, "sw-9999"));
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_as_the_same(
        hostname in "[a-z0-9_][a-z0-9.-]{0,20}",
        port in proptest::option::of(1u16..),
        site in proptest::option::of("[!-~é][ -~é]{0,20}[!-~]"),
        tags in proptest::collection::vec("[a-z]{1,5}", 0..4),
        protocol in proptest::option::of(proptest::sample::select(Protocol::ALL)),
        profile in proptest::option::of(proptest::sample::select(SshProfile::ALL)),
        jump_host in proptest::option::of("[a-z][a-z0-9]{0,9}"),
    ) {
        let new = NewDevice {
            hostname: fields::device_name(&hostname).unwrap(), address: "192.0.2.1".into(), port,
            device_type: "arista_eos".into(), site: site.clone(), description: site, tags,
            reach: Reach {
                protocol,
                ssh_profile: profile.map(Some),
                jump_host: jump_host.clone(),
                ..Reach::default()
            },
        };
        let again = read(&write([&new]).unwrap(), platforms()).unwrap();
        prop_assert_eq!(format!("{:?}", again), format!("{:?}", vec![new]));
    }

    #[test]
    fn nonsense_is_refused_and_breaks_nothing(content in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut text = b"hostname,ip_address,device_type\n".to_vec();
        text.extend(content);
        let _ = read(&text, platforms());
    }
}
