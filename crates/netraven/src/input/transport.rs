//! Whether a device can be spoken to as somebody wants: which protocols its platform knows.

use netraven_model::Protocol;
use netraven_platform::Platforms;

/// Whether devices of a platform are spoken to over a protocol; nothing is said of a platform that is not known.
///
/// # Errors
/// What was expected instead.
pub fn check(platform: &str, protocol: Protocol, platforms: &Platforms) -> Result<(), String> {
    let Some(platform) = platforms.get(platform) else { return Ok(()) };
    if platform.port_over(protocol).is_some() {
        return Ok(());
    }
    let known: Vec<_> = platform.transports.iter().map(|known| known.protocol.as_str()).collect();
    let (name, wanted) = (&platform.name, protocol.as_str());
    Err(format!("platform '{name}' is not spoken to over {wanted}, only over {}", known.join(", ")))
}

/// What a new device is spoken to over when nobody says it: the first of its platform's transports. `None` stands for the
/// inventory's own default.
pub fn usual(platform: &str, platforms: &Platforms) -> Option<Protocol> {
    let first = platforms.get(platform)?.transports.first()?.protocol;
    Some(first).filter(|first| *first != Protocol::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_that_the_platform_does_not_know_is_refused_with_those_it_knows() {
        let platforms = Platforms::shipped().unwrap();
        assert_eq!(check("cisco_ios", Protocol::Telnet, &platforms), Ok(()));
        assert_eq!(check("auto", Protocol::Telnet, &platforms), Ok(()));
        let refused = check("aruba_aoscx", Protocol::Telnet, &platforms).unwrap_err();
        assert_eq!(refused, "platform 'aruba_aoscx' is not spoken to over telnet, only over ssh");
        assert!(check("linux", Protocol::Http, &platforms).is_err());
        assert_eq!((usual("cisco_ios", &platforms), usual("auto", &platforms)), (None, None));
    }
}
