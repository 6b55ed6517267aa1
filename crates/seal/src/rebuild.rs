//! A configuration that was sealed elsewhere, taken in again after its journey.

use crate::mask::significant_hash;
use crate::secrets::is_whole;
use crate::{
    Fingerprint, FingerprintKey, MaskedPart, SealError, SealedConfig, SealedPart, SealedSecrets, Sealing,
    decompress, marker,
};
use netraven_model::{Hash256, Span};
use std::collections::BTreeSet;

impl SealedConfig {
    /// Puts together what a gateway elsewhere has sealed. For the reader of a gateway's answer and nobody else: whatever was
    /// captured in this process goes through [`crate::mask()`].
    ///
    /// This is no way around sealing. What comes in is no capture but what [`SealedConfig::parts`] and
    /// [`SealedConfig::secrets`] of another process told, and all that can be proven of it is: each part has its size and
    /// digest, each fingerprint in it is counted and has its value sealed to the key that was asked for, and the significant
    /// hash, which needs the device's own key, is that of these very texts.
    ///
    /// `most` bounds the bytes of all parts together, decompressed.
    ///
    /// # Errors
    /// [`SealError::Foreign`] and [`SealError::Decompress`]; then nothing of it may be kept.
    pub fn rebuild(
        parts: Vec<SealedPart>,
        secrets: Option<SealedSecrets>,
        significant: Hash256,
        key: &FingerprintKey,
        sealing: Option<&Sealing>,
        most: u64,
    ) -> Result<Self, SealError> {
        let size = parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.size));
        if size > most {
            let reason = format!("its parts have {size} bytes, at most {most} were expected");
            return Err(SealError::Foreign(reason));
        }
        let masked = parts.into_iter().map(unpack).collect::<Result<Vec<_>, _>>()?;
        check_secrets(&masked, secrets.as_ref(), sealing)?;
        if significant_hash(masked.iter(), key) != significant {
            return Err(SealError::Foreign("its significant hash is not that of its parts".to_owned()));
        }
        Self::new(masked, significant, secrets)
    }
}

fn unpack(part: SealedPart) -> Result<MaskedPart, SealError> {
    let text = decompress(&part.content, part.size, part.digest)?;
    let foreign = |reason: String| SealError::Foreign(format!("part '{}': {reason}", part.name));
    let mut at = 0;
    for Span { start, end } in &part.volatile {
        if *start < at || end < start || *end > text.len() {
            let length = text.len();
            let reason =
                format!("the volatile span {start}..{end} does not lie in order within {length} bytes");
            return Err(foreign(reason));
        }
        at = *end;
    }
    let found = marker::markers(&text).count();
    if u32::try_from(found) != Ok(part.secrets) {
        let said = part.secrets;
        return Err(foreign(format!("{said} fingerprints were expected in it, there are {found}")));
    }
    Ok(MaskedPart {
        name: part.name,
        context: part.context,
        command: part.command,
        kind: part.kind,
        text,
        volatile: part.volatile,
        secrets: part.secrets,
    })
}

/// Where values were to be kept, each fingerprint has one, sealed to the key that was asked for.
fn check_secrets(
    parts: &[MaskedPart],
    secrets: Option<&SealedSecrets>,
    sealing: Option<&Sealing>,
) -> Result<(), SealError> {
    let foreign = |reason: &str| Err(SealError::Foreign(reason.to_owned()));
    let standing: BTreeSet<Fingerprint> = parts
        .iter()
        .flat_map(|part| marker::markers(&part.text))
        .map(|(_, fingerprint)| fingerprint)
        .collect();
    match (secrets, sealing) {
        (None, None) => Ok(()),
        (None, Some(_)) if standing.is_empty() => Ok(()),
        (None, Some(_)) => foreign("the values of its secrets are missing"),
        (Some(_), None) => foreign("it has values of secrets that were not asked for"),
        (Some(secrets), Some(sealing)) => {
            if secrets.key.number != sealing.public.number || !is_whole(secrets) {
                return foreign("the values of its secrets are not sealed to the key that was asked for");
            }
            let values: BTreeSet<_> = secrets.values.iter().map(|value| value.fingerprint).collect();
            if values != standing || values.len() != secrets.values.len() {
                return foreign("the values of its secrets are not those of the fingerprints in it");
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PublicKey, RawPart, mask};
    use netraven_model::{Capture, PartKind};
    use uuid::Uuid;

    fn key() -> FingerprintKey {
        FingerprintKey::from_bytes([7; 32])
    }

    /// A point on the curve that nobody needs to open anything with.
    fn sealing() -> Sealing {
        let mut bytes = [0; 32];
        bytes[0] = 9;
        Sealing { device: Uuid::from_u128(1), public: PublicKey { number: 3, bytes }, site: None }
    }

    fn sealed() -> SealedConfig {
        let text = b"user bob\nkey one\nuptime 5\n";
        let part = RawPart {
            name: "c".into(),
            context: None,
            command: "show".into(),
            kind: PartKind::Config,
            secrets: vec![Span { start: 13, end: 16 }],
            volatile: vec![Span { start: 17, end: 25 }],
            capture: Capture::new(text.to_vec()),
        };
        mask(vec![part], &key()).unwrap().seal(Some(&sealing())).unwrap()
    }

    fn rebuild(
        change: impl FnOnce(&mut SealedPart, &mut Option<SealedSecrets>),
    ) -> Result<SealedConfig, SealError> {
        let config = sealed();
        let (mut part, mut secrets) = (config.parts()[0].clone(), config.secrets().cloned());
        change(&mut part, &mut secrets);
        SealedConfig::rebuild(vec![part], secrets, config.significant(), &key(), Some(&sealing()), 1000)
    }

    #[test]
    fn what_was_sealed_elsewhere_is_the_same_after_its_journey() {
        let (before, after) = (sealed(), rebuild(|_, _| {}).unwrap());
        assert_eq!(after.readable(), before.readable());
        assert_eq!(after.significant(), before.significant());
        assert_eq!((after.parts()[0].digest, after.size()), (before.parts()[0].digest, before.size()));
        assert_eq!(after.secrets().unwrap().values.len(), 1);
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        type Change = fn(&mut SealedPart, &mut Option<SealedSecrets>);
        let changes: [(&str, Change); 9] = [
            ("damaged", |part, _| part.digest = Hash256([0; 32])),
            ("damaged", |part, _| part.size -= 1),
            ("at most 1000", |part, _| part.size = u64::MAX),
            ("significant hash", |part, _| part.volatile.clear()),
            ("span", |part, _| part.volatile = vec![Span { start: 3, end: 2 }]),
            ("fingerprints", |part, _| part.secrets = 0),
            ("missing", |_, secrets| *secrets = None),
            ("asked for", |_, secrets| {
                if let Some(secrets) = secrets {
                    secrets.key.number = 4;
                }
            }),
            ("those of", |_, secrets| {
                if let Some(secrets) = secrets {
                    secrets.values.clear();
                }
            }),
        ];
        for (expected, change) in changes {
            let error = rebuild(change).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn another_devices_key_does_not_prove_it() {
        let config = sealed();
        let other = FingerprintKey::from_bytes([8; 32]);
        let (parts, secrets) = (config.parts().to_vec(), config.secrets().cloned());
        let rebuilt =
            SealedConfig::rebuild(parts, secrets, config.significant(), &other, Some(&sealing()), 1000);
        assert!(matches!(rebuilt, Err(SealError::Foreign(_))), "{rebuilt:?}");
    }
}
