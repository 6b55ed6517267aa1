//! What is offered in the negotiation (RFC 4253, section 7.1).

use super::settings::AlgorithmProfile;
use netraven_model::HostKey;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};
use std::borrow::Cow;

/// Key exchanges, the cheapest that is safe first: a finite-field exchange of 4096 bits costs a
/// hundred times what a curve costs. Group exchange comes behind the fixed groups because it takes
/// one round trip more and because old devices answer it with groups that are refused here. The
/// `EXTENSION` names are markers for RFC 8308 and strict key exchange, which the library takes out of
/// this list.
const AUTO_KEX: &[kex::Name] = &[
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

const MODERN_KEX: &[kex::Name] = &[
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
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const AUTO_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    Algorithm::Rsa { hash: None },
    Algorithm::Dsa,
];

const MODERN_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

const AUTO_CIPHERS: &[cipher::Name] = &[
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

const MODERN_CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

const AUTO_MACS: &[mac::Name] = &[
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256,
    mac::HMAC_SHA512,
    mac::HMAC_SHA1_ETM,
    mac::HMAC_SHA1,
];

const MODERN_MACS: &[mac::Name] =
    &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// Compression costs more than a line in a data centre: it is there for a device that insists.
const AUTO_COMPRESSION: &[compression::Name] =
    &[compression::NONE, compression::ZLIB_LEGACY, compression::ZLIB];

const MODERN_COMPRESSION: &[compression::Name] = &[compression::NONE];

/// The lists for one connection. Host key algorithms for which a key is stored come first, so that a
/// device with keys of several algorithms shows the one that can be compared.
pub(super) fn preferred(profile: AlgorithmProfile, known: &[HostKey]) -> Preferred {
    let (kex, keys, cipher, mac, compression) = match profile {
        AlgorithmProfile::Auto => (AUTO_KEX, AUTO_KEYS, AUTO_CIPHERS, AUTO_MACS, AUTO_COMPRESSION),
        AlgorithmProfile::Modern => {
            (MODERN_KEX, MODERN_KEYS, MODERN_CIPHERS, MODERN_MACS, MODERN_COMPRESSION)
        }
    };
    Preferred {
        kex: Cow::Borrowed(kex),
        key: host_keys(keys, known),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(cipher),
        mac: Cow::Borrowed(mac),
        compression: Cow::Borrowed(compression),
    }
}

fn host_keys(offered: &'static [Algorithm], known: &[HostKey]) -> Cow<'static, [Algorithm]> {
    if known.is_empty() {
        return Cow::Borrowed(offered);
    }
    let is_stored =
        |algorithm: &&Algorithm| known.iter().any(|key| key.algorithm == key_type(algorithm).as_str());
    let (stored, others): (Vec<_>, Vec<_>) = offered.iter().partition(is_stored);
    Cow::Owned(stored.into_iter().chain(others).cloned().collect())
}

/// The type of the key behind a signature algorithm: one RSA key signs under three names (RFC 8332).
pub(super) fn key_type(algorithm: &Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::Rsa { .. } => Algorithm::Rsa { hash: None },
        other => other.clone(),
    }
}

/// Whether the legacy lists know an algorithm of that name.
pub(super) fn auto_knows(name: &str) -> bool {
    AUTO_KEX.iter().any(|known| known.as_ref() == name)
        || AUTO_KEYS.iter().any(|known| known.as_str() == name)
        || AUTO_CIPHERS.iter().any(|known| known.as_ref() == name)
        || AUTO_MACS.iter().any(|known| known.as_ref() == name)
        || AUTO_COMPRESSION.iter().any(|known| known.as_ref() == name)
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
        let plain = names(&preferred(AlgorithmProfile::Auto, &[]));
        assert_eq!(plain[0], "ssh-ed25519");
        let rsa = names(&preferred(AlgorithmProfile::Auto, &[stored("ssh-rsa")]));
        assert_eq!(rsa[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
        assert_eq!(rsa.len(), plain.len());
        let two = names(&preferred(AlgorithmProfile::Auto, &[stored("ssh-dss"), stored("ssh-ed25519")]));
        assert_eq!(two[..2], ["ssh-ed25519", "ssh-dss"]);
    }

    #[test]
    fn the_modern_profile_offers_nothing_weak_and_no_stored_key_brings_it_back() {
        let modern = preferred(AlgorithmProfile::Modern, &[stored("ssh-dss"), stored("ssh-rsa")]);
        let mut offered = names(&modern);
        offered.extend(modern.kex.iter().map(|name| name.as_ref().to_owned()));
        offered.extend(modern.cipher.iter().map(|name| name.as_ref().to_owned()));
        offered.extend(modern.mac.iter().map(|name| name.as_ref().to_owned()));
        for name in &offered {
            let weak = name.ends_with("sha1") || name.contains("sha1-") || name.ends_with("cbc");
            assert!(!weak && name != "ssh-dss" && name != "ssh-rsa", "{name}");
            assert!(auto_knows(name), "the full lists lack {name}");
        }
    }
}
