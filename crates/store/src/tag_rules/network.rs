use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network that a text names, as `address/length`; an address alone is the network of this one address.
///
/// # Errors
/// A sentence that says what was expected and what was found.
pub fn parse_network(text: &str) -> Result<String, String> {
    let wrong = |hint: &str| {
        Err(format!("expected a network such as 10.0.0.0/8 or 2001:db8::/32, found '{text}'{hint}"))
    };
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return wrong("") };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        // No sign and no white space, which a number would take.
        Some(length) if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) => {
            return wrong("");
        }
        Some(length) => match length.parse::<u32>() {
            Ok(length) if length <= bits => length,
            _ => return wrong(&format!(": the length is 0 to {bits}")),
        },
    };
    let network = first_address(address, length);
    if network == address {
        Ok(format!("{network}/{length}"))
    } else {
        wrong(&format!(", which is one of its addresses; did you mean {network}/{length}?"))
    }
}

/// The address with all bits behind the first `length` cleared.
fn first_address(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_with_a_length() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
        ] {
            assert_eq!(parse_network(text), Ok(network.to_owned()));
        }
    }

    #[test]
    fn what_is_no_network_is_told_what_was_expected() {
        for text in [
            "",
            "10",
            "10/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "10.0.0.0/8/8",
            "r1",
            "fe80::1%eth0",
        ] {
            let expected = format!("expected a network such as 10.0.0.0/8 or 2001:db8::/32, found '{text}'");
            assert_eq!(parse_network(text), Err(expected));
        }
        assert!(parse_network("10.0.0.0/33").unwrap_err().ends_with(": the length is 0 to 32"));
        assert!(parse_network("::/129").unwrap_err().ends_with(": the length is 0 to 128"));
        assert!(parse_network("10.1.2.3/8").unwrap_err().ends_with("did you mean 10.0.0.0/8?"));
        assert!(parse_network("2001:db8::1/32").unwrap_err().ends_with("did you mean 2001:db8::/32?"));
    }
}
