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
pub(super) fn preferred(profile: AlgorithmProfile, known: &[HostKey]) -> Preferred {
    Preferred {
        kex: allowed(profile, KEX),
        key: stored_first(allowed(profile, HOST_KEYS), known),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: allowed(profile, CIPHERS),
        mac: allowed(profile, MACS),
        compression: Cow::Borrowed(COMPRESSION),
    }
}

fn allowed<N: AsRef<str> + Clone>(profile: AlgorithmProfile, names: &'static [N]) -> Cow<'static, [N]> {
    match profile {
        AlgorithmProfile::Auto => Cow::Borrowed(names),
        AlgorithmProfile::Modern => names.iter().filter(|name| !is_weak(name.as_ref())).cloned().collect(),
    }
}

/// SHA-1 in any place, CBC, DSA; `ssh-rsa` is RSA with SHA-1.
fn is_weak(name: &str) -> bool {
    name.contains("sha1") || name.ends_with("-cbc") || name == "ssh-rsa" || name == "ssh-dss"
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

/// Whether the profile `Auto` offers an algorithm of that name.
pub(super) fn auto_offers(name: &str) -> bool {
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
        let plain = names(&preferred(AlgorithmProfile::Auto, &[]));
        assert_eq!(plain[0], "ssh-ed25519");
        let rsa = names(&preferred(AlgorithmProfile::Auto, &[stored("ssh-rsa")]));
        assert_eq!(rsa[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
        assert_eq!(rsa.len(), plain.len());
        let two = names(&preferred(AlgorithmProfile::Auto, &[stored("ssh-dss"), stored("ssh-ed25519")]));
        assert_eq!(two[..2], ["ssh-ed25519", "ssh-dss"]);
    }

    #[test]
    fn the_modern_profile_leaves_out_what_is_weak_and_no_stored_key_brings_it_back() {
        let modern = preferred(AlgorithmProfile::Modern, &[stored("ssh-dss"), stored("ssh-rsa")]);
        assert_eq!(names(&modern)[..2], ["rsa-sha2-512", "rsa-sha2-256"]);
        assert_eq!(names(&modern).len(), HOST_KEYS.len() - 2);
        assert_eq!(modern.kex.len(), KEX.len() - 3);
        assert!(modern.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT));
        assert_eq!(modern.cipher.len(), CIPHERS.len() - 4);
        assert_eq!(modern.mac.len(), MACS.len() - 2);
    }

    #[test]
    fn the_full_profile_offers_everything_that_the_library_speaks_and_protects() {
        let all = kex::ALL_KEX_ALGORITHMS.iter().map(|name| name.as_ref());
        let all = all.chain(mac::ALL_MAC_ALGORITHMS.iter().map(|name| name.as_ref()));
        let all = all.chain(cipher::ALL_CIPHERS.iter().map(|name| name.as_ref()));
        let missing: Vec<&str> = all.filter(|name| !auto_offers(name)).collect();
        assert!(missing.iter().all(|name| matches!(*name, "none" | "clear")), "{missing:?}");
        assert!(!auto_offers("none-such"));
    }
}
