//! Telling a changed device from changed rules.

use crate::mask::{Values, mask_part, significant_hash};
use crate::{FingerprintKey, MaskedPart, RawPart, SealError, SealedConfig, decompress, marker};
use netraven_model::{PartKind, Span};

impl SealedConfig {
    /// Whether an earlier version means the same when it is looked at with the rules of today. `before` are its parts as
    /// they are stored, with what the finders find in them now; what was replaced by a fingerprint then stays so. Parts
    /// that only one of the two has are passed over: they came or went with the rules.
    ///
    /// # Errors
    /// Spans that do not fit their text, content that is damaged.
    pub fn means_the_same(&self, before: Vec<RawPart>, key: &FingerprintKey) -> Result<bool, SealError> {
        let before = before.into_iter().map(|part| remask(part, key)).collect::<Result<Vec<_>, _>>()?;
        let now = self.parts().iter().map(|part| {
            Ok(MaskedPart {
                name: part.name.clone(),
                context: part.context.clone(),
                command: part.command.clone(),
                kind: part.kind,
                text: decompress(&part.content, part.size, part.digest)?,
                volatile: part.volatile.clone(),
                secrets: part.secrets,
            })
        });
        let now = now.collect::<Result<Vec<_>, SealError>>()?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for part in &now {
            let same = |other: &&MaskedPart| (&other.name, &other.context) == (&part.name, &part.context);
            if let Some(earlier) = before.iter().find(same) {
                ours.push(part);
                theirs.push(earlier);
            }
        }
        let has_config = ours.iter().any(|part| part.kind == PartKind::Config);
        Ok(has_config && significant_hash(ours.into_iter(), key) == significant_hash(theirs.into_iter(), key))
    }
}

/// As for a part from the device, but what is a fingerprint already is no secret.
fn remask(mut part: RawPart, key: &FingerprintKey) -> Result<MaskedPart, SealError> {
    let text = part.capture.expose_bytes();
    let is_marked = |span: &Span| marker::read(text.get(span.range()).unwrap_or_default()).is_some();
    let secrets: Vec<Span> = part.secrets.iter().filter(|span| !is_marked(span)).copied().collect();
    part.secrets = secrets;
    mask_part(part, key, &mut Values::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask;
    use netraven_model::Capture;

    fn key() -> FingerprintKey {
        FingerprintKey::from_bytes([7; 32])
    }

    fn find(text: &str, wanted: &str) -> Vec<Span> {
        text.match_indices(wanted).map(|(start, found)| Span { start, end: start + found.len() }).collect()
    }

    fn part(name: &str, text: &str, secrets: &[&str], volatile: &[&str]) -> RawPart {
        let all =
            |wanted: &[&str]| Span::merge(wanted.iter().flat_map(|wanted| find(text, wanted)).collect());
        RawPart {
            name: name.into(),
            context: None,
            command: "show".into(),
            kind: PartKind::Config,
            secrets: all(secrets),
            volatile: all(volatile),
            capture: Capture::new(text.as_bytes().to_vec()),
        }
    }

    /// The text of the only part, as it is stored.
    fn stored(config: &SealedConfig) -> String {
        let part = &config.parts()[0];
        String::from_utf8(decompress(&part.content, part.size, part.digest).unwrap()).unwrap()
    }

    fn seal(parts: Vec<RawPart>) -> SealedConfig {
        mask(parts, &key()).unwrap().seal(None).unwrap()
    }

    #[test]
    fn new_rules_for_secrets_and_volatile_text_are_no_change_of_the_device() {
        let device = "user bob pass one\nkey two\nuptime 5 days\n";
        let before = stored(&seal(vec![part("c", device, &["one"], &[])]));
        // Today's rules also find the key, and know that the uptime means nothing.
        let rules = |text: &str| {
            let marker =
                text.find("<secret:").map(|start| text[start..].split('>').next().unwrap().to_owned() + ">");
            let first = marker.as_deref().unwrap_or("one").to_owned();
            part("c", text, &[&first, "two"], &["uptime 5 days", "uptime 9 days"])
        };
        let now = seal(vec![rules(&device.replace("5 days", "9 days"))]);
        assert!(now.means_the_same(vec![rules(&before)], &key()).unwrap());
        let changed = seal(vec![rules(&device.replace("two", "six"))]);
        assert!(
            !seal(vec![part("c", "key six\n", &["six"], &[])])
                .means_the_same(vec![rules(&before)], &key())
                .unwrap()
        );
        assert_ne!(changed.significant(), now.significant());
    }

    #[test]
    fn parts_that_came_or_went_with_the_rules_are_passed_over() {
        let now = seal(vec![part("c", "a\n", &[], &[]), part("new", "b\n", &[], &[])]);
        let same = vec![part("old", "x\n", &[], &[]), part("c", "a\n", &[], &[])];
        assert!(now.means_the_same(same, &key()).unwrap());
        assert!(!now.means_the_same(vec![part("c", "z\n", &[], &[])], &key()).unwrap());
        assert!(
            !now.means_the_same(vec![part("other", "a\n", &[], &[])], &key()).unwrap(),
            "nothing in common"
        );
    }
}
