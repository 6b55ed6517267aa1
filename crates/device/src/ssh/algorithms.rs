//! What is offered in the negotiation (RFC 4253, section 7.1).

use netraven_model::{HostKey, SshProfile};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Names, Preferred, cipher, compression, kex, mac};
use std::borrow::Cow;

/// Key exchanges, the cheapest that is safe first: a finite-field exchange of 4096 bits costs a
/// hundred times what a curve costs. Group exchange comes behind the fixed groups because it takes
/// one round trip more and because old devices answer it with groups that are refused here. The
/// `EXTENSION` names are markers for RFC 8308 and strict key exchange, which the library takes out of
/// this list.
const KEX: &[kex::Name] = &[
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::MLKEM768X25519_SHA256,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G14_SHA256,
    kex::DH_GEX_SHA256,
    kex::DH_G15_SHA512,
    kex::DH_G16_SHA512,
    kex::DH_G17_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA1,
    kex::DH_G1_SHA1,
    kex::DH_GEX_SHA1,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    Algorithm::Rsa { hash: None },
    Algorithm::Dsa,
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
    cipher::AES_256_CBC,
    cipher::AES_192_CBC,
    cipher::AES_128_CBC,
    cipher::TRIPLE_DES_CBC,
];

const MACS: &[mac::Name] = &[
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
    mac::HMAC_SHA1_ETM,
    mac::HMAC_SHA1,
];

/// Compression costs more than a line in a data centre: it is there for a device that insists.
const COMPRESSION: &[compression::Name] = &[compression::NONE, compression::ZLIB_LEGACY, compression::ZLIB];

/// The lists for one connection. Host key algorithms for which a key is stored come first, so that a
/// device with keys of several algorithms shows the one that can be compared.
pub(super) fn preferred(weakest: SshProfile, known: &[HostKey]) -> Preferred {
    Preferred {
        kex: allowed(weakest, KEX),
        key: stored_first(allowed(weakest, HOST_KEYS), known),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: allowed(weakest, CIPHERS),
        mac: allowed(weakest, MACS),
        compression: Cow::Borrowed(COMPRESSION),
    }
}

fn allowed<N: AsRef<str> + Clone>(weakest: SshProfile, names: &'static [N]) -> Cow<'static, [N]> {
    match weakest {
        SshProfile::Legacy => Cow::Borrowed(names),
        _ => names.iter().filter(|name| profile_of(name.as_ref()) <= weakest).cloned().collect(),
    }
}

/// The safest profile that has an algorithm. A group exchange with SHA-1 is no worse than a fixed group of 2048 bits: smaller
/// groups are refused here.
pub(super) fn profile_of(name: &str) -> SshProfile {
    match name {
        "diffie-hellman-group1-sha1" | "ssh-dss" | "3des-cbc" => SshProfile::Legacy,
        // RSA with SHA-1.
        "ssh-rsa" => SshProfile::Compatible,
        _ if name.contains("sha1") || name.ends_with("-cbc") => SshProfile::Compatible,
        _ => SshProfile::Modern,
    }
}

/// What was agreed on. A cipher that authenticates by itself leaves the MAC that was chosen beside it unused.
pub(super) fn agreed(names: &Names) -> Vec<String> {
    let cipher = names.cipher.as_ref();
    let mut agreed = vec![names.kex.as_ref(), names.key.as_str(), cipher];
    if !cipher.contains("gcm") && !cipher.contains("poly1305") {
        agreed.extend([names.client_mac.as_ref(), names.server_mac.as_ref()]);
    }
    agreed.dedup();
    agreed.into_iter().map(str::to_owned).collect()
}

fn stored_first(offered: Cow<'static, [Algorithm]>, known: &[HostKey]) -> Cow<'static, [Algorithm]> {
    if known.is_empty() {
        return offered;
    }
    let is_stored =
        |algorithm: &&Algorithm| known.iter().any(|key| key.algorithm == key_type(algorithm).as_str());
    let (stored, others): (Vec<_>, Vec<_>) = offered.iter().partition(is_stored);
    stored.into_iter().chain(others).cloned().collect()
}

/// The type of the key behind a signature algorithm: one RSA key signs under three names (RFC 8332).
pub(super) fn key_type(algorithm: &Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash: None },
        other => other.clone(),
    }
}

/// Whether an algorithm of that name can be spoken at all.
pub(super) fn spoken(name: &str) -> bool {
    fn has<N: AsRef<str>>(names: &[N], name: &str) -> bool {
        names.iter().any(|known| known.as_ref() == name)
    }
    has(KEX, name) || has(HOST_KEYS, name) || has(CIPHERS, name) || has(MACS, name) || has(COMPRESSION, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(algorithm: &str) -> HostKey {
        HostKey { algorithm: algorithm.into(), key: String::new(), fingerprint: String::new() }
    }

    fn names(preferred: &Preferred) -> Vec<String> {
        preferred.key.iter().map(|algorithm| algorithm.as_str().to_owned()).collect()
    }

    #[test]
    fn stored_host_key_algorithms_come_first_and_none_is_lost() {
        let plain = names(&preferred(SshProfile::Legacy, &[]));
        assert_eq!(plain[0], "ssh-ed25519");
        let rsa = names(&preferred(SshProfile::Legacy, &[stored("ssh-rsa")]));
        assert_eq!(rsa[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
        assert_eq!(rsa.len(), plain.len());
        let two = names(&preferred(SshProfile::Legacy, &[stored("ssh-dss"), stored("ssh-ed25519")]));
        assert_eq!(two[..2], ["ssh-ed25519", "ssh-dss"]);
    }

    #[test]
    fn the_modern_profile_leaves_out_what_is_weak_and_no_stored_key_brings_it_back() {
        let modern = preferred(SshProfile::Modern, &[stored("ssh-dss"), stored("ssh-rsa")]);
        assert_eq!(names(&modern)[..2], ["rsa-sha2-512", "rsa-sha2-256"]);
        assert_eq!(names(&modern).len(), HOST_KEYS.len() - 2);
        assert_eq!(modern.kex.len(), KEX.len() - 3);
        assert!(modern.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT));
        assert_eq!(modern.cipher.len(), CIPHERS.len() - 4);
        assert_eq!(modern.mac.len(), MACS.len() - 2);
    }

    #[test]
    fn the_compatible_profile_leaves_out_only_what_breaks_with_little_effort() {
        let compatible = preferred(SshProfile::Compatible, &[]);
        let gone = |all: usize, left: usize| all - left;
        assert_eq!(gone(KEX.len(), compatible.kex.len()), 1);
        assert!(!compatible.kex.contains(&kex::DH_G1_SHA1));
        assert_eq!(gone(HOST_KEYS.len(), compatible.key.len()), 1);
        assert!(!compatible.key.contains(&Algorithm::Dsa));
        assert_eq!(gone(CIPHERS.len(), compatible.cipher.len()), 1);
        assert!(!compatible.cipher.contains(&cipher::TRIPLE_DES_CBC));
        assert_eq!(compatible.mac.len(), MACS.len());
    }

    #[test]
    fn the_full_profile_offers_everything_that_the_library_speaks_and_protects() {
        let all = kex::ALL_KEX_ALGORITHMS.iter().map(|name| name.as_ref());
        let all = all.chain(mac::ALL_MAC_ALGORITHMS.iter().map(|name| name.as_ref()));
        let all = all.chain(cipher::ALL_CIPHERS.iter().map(|name| name.as_ref()));
        let missing: Vec<&str> = all.filter(|name| !spoken(name)).collect();
        assert!(missing.iter().all(|name| matches!(*name, "none" | "clear")), "{missing:?}");
        assert!(!spoken("none-such"));
    }
}
