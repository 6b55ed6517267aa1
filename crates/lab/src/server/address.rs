use std::net::{IpAddr, Ipv4Addr};

/// Devices per third octet: .1 to .250, so that no address looks like a network or a broadcast address.
const PER_OCTET: u32 = 250;

/// Address of a device. `index` is below 64,000.
pub(super) fn address_of(index: u32) -> Ipv4Addr {
    Ipv4Addr::new(127, 66, (index / PER_OCTET) as u8, (index % PER_OCTET + 1) as u8)
}

/// The device that has this address.
pub(super) fn index_of(address: IpAddr) -> Option<u32> {
    let IpAddr::V4(address) = address else { return None };
    match address.octets() {
        [127, 66, high, low @ 1..=250] => Some(u32::from(high) * PER_OCTET + u32::from(low) - 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::settings::LabSettings;

    #[test]
    fn every_device_has_an_address_of_its_own() {
        for index in 0..LabSettings::MAX_DEVICES {
            assert_eq!(index_of(address_of(index).into()), Some(index));
        }
    }

    #[test]
    fn other_addresses_are_no_devices() {
        for address in ["127.0.0.1", "127.66.0.0", "127.66.0.251", "10.66.0.1", "::1"] {
            assert_eq!(index_of(address.parse().unwrap()), None, "{address}");
        }
    }
}
