use netraven_platform::{Platform, Platforms};
use std::sync::{Arc, LazyLock};

/// Families that differ in how they log in, page, enter contexts and end a configuration.
const NAMES: [&str; 8] = [
    "cisco_ios",
    "cisco_s300",
    "cisco_wlc",
    "juniper_junos",
    "fortinet",
    "cisco_asa",
    "hp_procurve",
    "mikrotik_routeros",
];

static ALL: LazyLock<Vec<Arc<Platform>>> = LazyLock::new(|| {
    let shipped = match Platforms::shipped() {
        Ok(shipped) => shipped,
        Err(error) => panic!("{error}"),
    };
    NAMES.iter().filter_map(|name| shipped.get(name)).collect()
});

/// One of some shipped platforms.
pub fn one(number: usize) -> Arc<Platform> {
    assert_eq!(ALL.len(), NAMES.len(), "a name is no platform's");
    ALL[number % ALL.len()].clone()
}
