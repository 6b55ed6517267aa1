//! Where the gateway may connect to.

use ipnet::IpNet;
use netraven_model::{ErrorCode, Failure, Phase};
use std::net::IpAddr;
use thiserror::Error;

/// Where devices never are: the cloud's metadata service, "this network", multicast and broadcast (RFC 6890, RFC 3927).
const NEVER: &[&str] =
    &["169.254.169.254/32", "0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8"];

/// The networks that may be connected to. Every address is looked up here before its connection, whoever named it: a
/// device, a jump host, a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
}

/// Where a connection may lead and one login may be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reachable<'a> {
    /// The networks of the whole installation.
    pub(crate) all: &'a Networks,
    /// Those of the login.
    pub(crate) login: &'a Networks,
}

impl Reachable<'_> {
    /// As [`Networks::are_restricted`].
    pub(crate) fn are_restricted(&self) -> bool {
        self.all.are_restricted() || self.login.are_restricted()
    }

    /// As [`Networks::check`]; `credential_not_allowed` where only the login stands in the way.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Failure> {
        self.all.check(address)?;
        self.login.check(address).map_err(|_| {
            let networks: Vec<_> = self.login.allowed.iter().map(IpNet::to_string).collect();
            let message =
                format!("the credential is limited to {} and not shown to {address}", networks.join(", "));
            Failure::new(ErrorCode::CredentialNotAllowed, Phase::Connect, message)
        })
    }
}

/// A text that is no network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected a network such as 10.0.0.0/8 or an address such as 192.0.2.1, found '{0}'")]
pub struct NotANetwork(String);

impl Default for Networks {
    fn default() -> Self {
        Self { allowed: Vec::new(), denied: NEVER.iter().filter_map(|text| text.parse().ok()).collect() }
    }
}

impl Networks {
    /// Those allowed (none named: all), except for those denied and those in which no device can be.
    ///
    /// # Errors
    /// The first text that is neither an address nor a network.
    pub fn new(allowed: &[String], denied: &[String]) -> Result<Self, NotANetwork> {
        let mut networks = Self { allowed: list(allowed)?, ..Self::default() };
        networks.denied.extend(list(denied)?);
        Ok(networks)
    }

    /// The same as texts, allowed and denied ones, for [`Networks::from_texts`].
    pub fn texts(&self) -> (Vec<String>, Vec<String>) {
        let texts = |networks: &[IpNet]| networks.iter().map(IpNet::to_string).collect();
        (texts(&self.allowed), texts(&self.denied))
    }

    /// What [`Networks::texts`] told. Those in which no device can be are only denied where they are named: they come from
    /// somewhere that named them.
    ///
    /// # Errors
    /// The first text that is neither an address nor a network.
    pub fn from_texts(allowed: &[String], denied: &[String]) -> Result<Self, NotANetwork> {
        Ok(Self { allowed: list(allowed)?, denied: list(denied)? })
    }

    /// No address at all.
    pub fn none() -> Self {
        let all = ["0.0.0.0/0", "::/0"];
        Self { allowed: Vec::new(), denied: all.iter().filter_map(|text| text.parse().ok()).collect() }
    }

    /// Whether only some addresses may be connected to, so that a name must be looked up before somebody else does.
    pub fn are_restricted(&self) -> bool {
        *self != Self::default()
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// `address_not_allowed`, which names the setting.
    pub fn check(&self, address: IpAddr) -> Result<(), Failure> {
        // `::ffff:10.0.0.1` reaches 10.0.0.1.
        let address = address.to_canonical();
        let within = |networks: &[IpNet]| networks.iter().find(|network| network.contains(&address)).copied();
        let why = match within(&self.denied) {
            Some(network) => format!("{network} is denied"),
            None if self.allowed.is_empty() || within(&self.allowed).is_some() => return Ok(()),
            None => "it is in none of the allowed networks".to_owned(),
        };
        let message = format!("no connection to {address} may be made: {why}");
        Err(Failure::new(ErrorCode::AddressNotAllowed, Phase::Connect, message))
    }
}

fn list(texts: &[String]) -> Result<Vec<IpNet>, NotANetwork> {
    texts.iter().map(|text| parse(text)).collect()
}

fn parse(text: &str) -> Result<IpNet, NotANetwork> {
    let text = text.trim();
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|network| network.trunc()).map_err(|_| NotANetwork(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(allowed: &[&str], denied: &[&str]) -> Networks {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Networks::new(&texts(allowed), &texts(denied)).unwrap()
    }

    fn reaches(networks: &Networks, address: &str) -> bool {
        networks.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn without_settings_everything_is_reached_but_what_is_no_device() {
        let all = Networks::default();
        assert!(reaches(&all, "10.1.2.3") && reaches(&all, "127.0.0.1") && reaches(&all, "2001:db8::1"));
        for never in ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.5", "ff02::1"] {
            assert!(!reaches(&all, never), "{never}");
        }
        assert!(!all.are_restricted());
        for some in [all, Networks::none(), networks(&["10.0.0.0/8"], &["10.1.0.0/16"])] {
            let (allowed, denied) = some.texts();
            assert_eq!(Networks::from_texts(&allowed, &denied), Ok(some), "nothing is lost on the way");
        }
        assert!(!["10.1.2.3", "::1"].iter().any(|address| reaches(&Networks::none(), address)));
    }

    #[test]
    fn denied_networks_win_over_allowed_ones_in_whatever_notation() {
        let some = networks(&["10.0.0.0/8", "2001:db8::/32"], &["10.9.0.0/16", "10.8.0.1"]);
        assert!(
            reaches(&some, "10.1.2.3") && reaches(&some, "::ffff:10.1.2.3") && reaches(&some, "2001:db8::5")
        );
        for no in ["10.9.1.1", "::ffff:10.9.1.1", "10.8.0.1", "192.0.2.1", "2001:db9::1"] {
            assert!(!reaches(&some, no), "{no}");
        }
        assert!(some.are_restricted());
        let failure = some.check("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(failure.code, ErrorCode::AddressNotAllowed);
        assert!(failure.message.contains("192.0.2.1") && failure.message.contains("allowed"), "{failure}");
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["10.0.0.0/33", "r1.example.net", "", "10.0.0/8"] {
            let error = Networks::new(&[text.to_owned()], &[]).unwrap_err();
            assert_eq!(error, NotANetwork(text.to_owned()));
        }
        assert!(reaches(&networks(&["10.1.2.3/8"], &[]), "10.200.0.1"), "host bits are forgiven");
    }
}
