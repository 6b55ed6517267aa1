//! Fields of a device, checked alike on the command line and in CSV files. Errors say what was expected and found.

use crate::nearest::{nearest, suggestion};
use netraven_model::{DeviceName, Protocol, SshProfile};
use netraven_platform::{AUTO, Platforms};
use std::net::IpAddr;

/// A device's name.
pub fn device_name(text: &str) -> Result<DeviceName, String> {
    DeviceName::parse(text).map_err(|error| error.to_string())
}

/// An IPv4 or IPv6 address, or a DNS name.
pub fn address(text: &str) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("expected {what}, found '{text}'"));
    // A link-local IPv6 address carries its interface behind a percent sign (RFC 4007, section 11).
    let without_zone = text.split('%').next().unwrap_or_default();
    let is_address = text.parse::<IpAddr>().is_ok()
        || without_zone.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
    if is_address {
        return Ok(text.to_owned());
    }
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return wrong("an IPv4 address such as 192.0.2.1");
    }
    if text.contains(':') {
        return wrong("an IPv6 address such as 2001:db8::1 (the port has a field of its own)");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        wrong("an IP address or a DNS name")
    }
}

/// A TCP port.
pub fn port(text: &str) -> Result<u16, String> {
    let port = text.parse::<u16>().ok().filter(|port| *port > 0 && !text.starts_with('+'));
    port.ok_or_else(|| format!("expected a TCP port from 1 to 65535, found '{text}'"))
}

/// What is spoken to a device.
pub fn protocol(text: &str) -> Result<Protocol, String> {
    let known = || Protocol::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ");
    Protocol::from_name(text).ok_or_else(|| format!("expected one of {}, found '{text}'", known()))
}

/// The weakest SSH algorithms a device may be spoken to with; `auto` learns them at the next contact.
pub fn ssh_profile(text: &str) -> Result<Option<SshProfile>, String> {
    let known = || SshProfile::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ");
    match (text, SshProfile::from_name(text)) {
        ("auto", _) => Ok(None),
        (_, Some(profile)) => Ok(Some(profile)),
        _ => Err(format!("expected auto or one of {}, found '{text}'", known())),
    }
}

/// Whom to believe over HTTPS.
pub fn tls(text: &str) -> Result<String, String> {
    let digest = text.strip_prefix("sha256:").map(|digest| digest.replace(':', "").to_ascii_lowercase());
    match (text, digest) {
        ("verify" | "insecure", _) => Ok(text.to_owned()),
        (_, Some(digest)) if digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()) => {
            Ok(format!("sha256:{digest}"))
        }
        _ => Err(format!("expected verify, insecure or sha256: and 64 hexadecimal digits, found '{text}'")),
    }
}

/// A tag's name.
pub fn tag(text: &str) -> Result<String, String> {
    let fits = (1..=100).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("expected a tag of 1 to 100 characters without white space, ',' or ';', found '{text}'"))
    }
}

/// A network, as `address/length`.
pub fn network(text: &str) -> Result<String, String> {
    netraven_store::tag_rules::parse_network(text)
}

/// A user's name.
pub fn username(text: &str) -> Result<String, String> {
    netraven_store::users::check_username(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

/// A text on one line, e.g. a site.
pub fn line(text: &str) -> Result<String, String> {
    if text.contains(char::is_control) {
        return Err("expected a text on one line, found control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// The name of the platform that is found under this name or alias; `auto` is for a device to be recognised.
pub fn platform(text: &str, platforms: &Platforms) -> Result<String, String> {
    if text == AUTO {
        return Ok(text.to_owned());
    }
    if let Some(platform) = platforms.get(text) {
        return Ok(platform.name.clone());
    }
    let names = platforms.names();
    let near = nearest(text, names.iter().copied());
    let known = if near.is_some() { String::new() } else { format!(" (known: {})", names.join(", ")) };
    Err(format!("unknown platform '{text}'{}{known}", suggestion(near)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_ip_addresses_or_dns_names() {
        for good in
            ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "r1", "core_1.example.net", "r1.example.net."]
        {
            assert_eq!(address(good), Ok(good.to_owned()));
        }
        for (bad, expected) in [
            ("192.0.2.256", "an IPv4 address such as 192.0.2.1"),
            ("10.0.0", "an IPv4 address such as 192.0.2.1"),
            ("192.0.2.1:22", "an IPv6 address such as 2001:db8::1 (the port has a field of its own)"),
            ("", "an IP address or a DNS name"),
            ("r1 r2", "an IP address or a DNS name"),
            ("-oProxyCommand=x", "an IP address or a DNS name"),
            ("192.0.2.1%eth0", "an IP address or a DNS name"),
            ("a..b", "an IP address or a DNS name"),
        ] {
            assert_eq!(address(bad), Err(format!("expected {expected}, found '{bad}'")));
        }
    }

    #[test]
    fn ports_are_1_to_65535() {
        assert_eq!((port("1"), port("65535")), (Ok(1), Ok(65_535)));
        for bad in ["0", "65536", "-1", "+22", "ssh", ""] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn platforms_are_found_by_name_and_unknown_ones_get_the_nearest_or_all() {
        let platforms = Platforms::shipped().unwrap();
        assert_eq!(platform("cisco_ios", &platforms), Ok("cisco_ios".into()));
        assert_eq!(platform("auto", &platforms), Ok("auto".into()));
        assert_eq!(
            platform("cisco_iso", &platforms),
            Err("unknown platform 'cisco_iso', did you mean 'cisco_ios'?".into())
        );
        let far = platform("toaster", &platforms).unwrap_err();
        assert!(far.contains("known: ") && far.contains("juniper_junos"), "{far}");
    }

    #[test]
    fn ways_to_a_device_are_words_and_digests() {
        assert_eq!(protocol("telnet"), Ok(Protocol::Telnet));
        assert_eq!((ssh_profile("auto"), ssh_profile("legacy")), (Ok(None), Ok(Some(SshProfile::Legacy))));
        let digest = "AB".repeat(32);
        assert_eq!(tls(&format!("sha256:{digest}")), Ok(format!("sha256:{}", digest.to_lowercase())));
        assert_eq!(
            tls(&format!("sha256:{}", vec!["ab"; 32].join(":"))),
            Ok(format!("sha256:{}", "ab".repeat(32)))
        );
        for wrong in [protocol("SSH").err(), ssh_profile("").err(), tls("sha256:abc").err(), tls("yes").err()]
        {
            assert!(wrong.is_some_and(|message| message.starts_with("expected")));
        }
    }

    #[test]
    fn tags_have_no_separators() {
        assert_eq!(tag("core"), Ok("core".into()));
        for bad in ["", "a b", "a,b", "a;b", "a\u{7}"] {
            assert!(tag(bad).is_err(), "{bad:?}");
        }
    }
}
