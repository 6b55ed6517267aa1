use crate::marker::{mark, markers};
use crate::secrets::{Clear, Value};
use crate::{Fingerprint, FingerprintKey, MARKER_LENGTH, SealError, SealedConfig, Sealing};
use aws_lc_rs::hmac;
use netraven_model::{Capture, Hash256, PartKind, Secret, Span};
use std::collections::BTreeMap;

/// One part as it came from the device, with what the finders found in it.
#[derive(Debug)]
pub struct RawPart {
    /// Name of the part, e.g. `running-config`.
    pub name: String,
    /// VDOM, chassis member or the like.
    pub context: Option<String>,
    /// The command that brought it.
    pub command: String,
    /// Configuration, state or archive.
    pub kind: PartKind,
    /// The text in clear.
    pub capture: Capture,
    /// Where secrets stand; sorted and disjoint.
    pub secrets: Vec<Span>,
    /// What changes without meaning; sorted and disjoint.
    pub volatile: Vec<Span>,
}

/// A part whose secrets are gone; safe to keep.
#[derive(Debug, PartialEq, Eq)]
pub struct MaskedPart {
    pub(crate) name: String,
    pub(crate) context: Option<String>,
    pub(crate) command: String,
    pub(crate) kind: PartKind,
    pub(crate) text: Vec<u8>,
    pub(crate) volatile: Vec<Span>,
    pub(crate) secrets: u32,
}

/// A whole backup without its secrets, and the hash that says whether it means something new.
#[derive(Debug, PartialEq, Eq)]
pub struct Masked {
    parts: Vec<MaskedPart>,
    significant: Hash256,
    values: Values,
}

/// The secrets of a capture in clear, each value once.
pub(crate) type Values = BTreeMap<Fingerprint, Value>;

impl Masked {
    /// Keyed hash over all parts with their volatile spans left out: equal means "unchanged".
    pub fn significant(&self) -> Hash256 {
        self.significant
    }

    /// Size of all parts in bytes.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.text.len() as u64).sum()
    }

    /// Compresses everything for the version store and seals the secrets. Only needed when something changed. Without
    /// `sealing` the secrets are gone: nobody can give the configuration back as it was.
    ///
    /// # Errors
    /// Compression or encryption failed; then nothing may be kept.
    pub fn seal(self, sealing: Option<&Sealing>) -> Result<SealedConfig, SealError> {
        let wanted = sealing.filter(|_| !self.values.is_empty());
        let secrets = wanted.map(|sealing| sealing.seal(&self.values)).transpose()?;
        SealedConfig::new(self.parts, self.significant, secrets)
    }
}

/// Puts fingerprints in the place of secrets and computes the significant hash. What looks like a fingerprint already
/// is taken for a secret, too: so each one in a stored text stands for something, and is told from what a device sent.
///
/// # Errors
/// Spans that do not fit their text: the finder is broken, and then nothing may be kept.
pub fn mask(parts: Vec<RawPart>, key: &FingerprintKey) -> Result<Masked, SealError> {
    let mut values = Values::new();
    let masked = parts.into_iter().map(|part| mask_part(with_lookalikes(part)?, key, &mut values));
    let parts = masked.collect::<Result<Vec<_>, _>>()?;
    let significant = significant_hash(parts.iter(), key);
    Ok(Masked { parts, significant, values })
}

fn with_lookalikes(mut part: RawPart) -> Result<RawPart, SealError> {
    let mut found: Vec<_> = markers(part.capture.expose_bytes()).map(|(span, _)| span).collect();
    if !found.is_empty() {
        // Spans that do not fit must not disappear by being merged.
        check(&part, "secret", &part.secrets, part.capture.len())?;
        found.append(&mut part.secrets);
        part.secrets = Span::merge(found);
    }
    Ok(part)
}

pub(crate) fn mask_part(
    part: RawPart,
    key: &FingerprintKey,
    values: &mut Values,
) -> Result<MaskedPart, SealError> {
    let text = part.capture.expose_bytes();
    check(&part, "secret", &part.secrets, text.len())?;
    check(&part, "volatile", &part.volatile, text.len())?;
    let mut volatile = part.volatile.iter().peekable();
    let mut masked = Vec::with_capacity(text.len() + part.secrets.len() * MARKER_LENGTH);
    let mut shifts = Vec::with_capacity(part.secrets.len());
    let mut at = 0;
    for secret in &part.secrets {
        masked.extend_from_slice(&text[at..secret.start]);
        let start = masked.len();
        let fingerprint = key.fingerprint(&text[secret.range()]);
        mark(fingerprint, &mut masked);
        while volatile.next_if(|span| span.end < secret.end).is_some() {}
        let salted = volatile.peek().is_some_and(|span| span.start <= secret.start);
        keep(values, fingerprint, &text[secret.range()], salted);
        shifts.push(Shift { from: *secret, to: Span { start, end: masked.len() } });
        at = secret.end;
    }
    masked.extend_from_slice(&text[at..]);
    Ok(MaskedPart {
        volatile: shift_spans(&part.volatile, &shifts),
        secrets: u32::try_from(part.secrets.len()).unwrap_or(u32::MAX),
        text: masked,
        name: part.name,
        context: part.context,
        command: part.command,
        kind: part.kind,
    })
}

/// A value that stands somewhere else as well, where a change of it counts, is not salted.
fn keep(values: &mut Values, fingerprint: Fingerprint, secret: &[u8], salted: bool) {
    let value = || Value { secret: Clear(Secret::new(secret.to_vec())), salted };
    values.entry(fingerprint).or_insert_with(value).salted &= salted;
}

fn check(part: &RawPart, kind: &'static str, spans: &[Span], length: usize) -> Result<(), SealError> {
    let mut at = 0;
    for span in spans {
        if span.start < at || span.end < span.start || span.end > length {
            let (start, end) = (span.start, span.end);
            return Err(SealError::Span { part: part.name.clone(), kind, start, end, length });
        }
        at = span.end;
    }
    Ok(())
}

/// A secret's place in the raw text and its marker's place in the masked one.
struct Shift {
    from: Span,
    to: Span,
}

/// Carries volatile spans over to the masked text. A border inside a secret moves to the marker's
/// outer border, since a marker is never split.
fn shift_spans(spans: &[Span], shifts: &[Shift]) -> Vec<Span> {
    let mut next = 0;
    let mut moved = Vec::with_capacity(spans.len());
    for span in spans {
        while shifts.get(next).is_some_and(|shift| shift.from.end <= span.start) {
            next += 1;
        }
        let behind = |offset: usize, index: usize| match index.checked_sub(1).map(|i| &shifts[i]) {
            Some(shift) => shift.to.end + (offset - shift.from.end),
            None => offset,
        };
        let start = match shifts.get(next) {
            Some(shift) if shift.from.start <= span.start => shift.to.start,
            _ => behind(span.start, next),
        };
        let mut last = next;
        while shifts.get(last).is_some_and(|shift| shift.from.end <= span.end) {
            last += 1;
        }
        let end = match shifts.get(last) {
            Some(shift) if shift.from.start < span.end => shift.to.end,
            _ => behind(span.end, last),
        };
        moved.push(Span { start, end });
    }
    Span::merge(moved)
}

pub(crate) fn significant_hash<'a>(
    parts: impl Iterator<Item = &'a MaskedPart>,
    key: &FingerprintKey,
) -> Hash256 {
    let mut context = key.context(b"significant");
    for part in parts {
        for field in [&part.name, part.context.as_deref().unwrap_or(""), part.kind.as_str()] {
            update(&mut context, field.as_bytes());
        }
        // What is volatile leaves no trace, so that a line which comes and goes is no change either.
        let (mut at, mut length) = (0, 0);
        let ends = [Span { start: part.text.len(), end: part.text.len() }];
        for span in part.volatile.iter().chain(&ends) {
            context.update(&part.text[at..span.start]);
            length += span.start - at;
            at = span.end;
        }
        context.update(&(length as u64).to_le_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.sign().as_ref());
    Hash256(hash)
}

/// The length in front keeps two neighbouring pieces from running into one another.
fn update(context: &mut hmac::Context, piece: &[u8]) {
    context.update(&(piece.len() as u64).to_le_bytes());
    context.update(piece);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> FingerprintKey {
        FingerprintKey::from_bytes([byte; 32])
    }

    fn part(text: &[u8], secrets: &[(usize, usize)], volatile: &[(usize, usize)]) -> RawPart {
        let spans = |list: &[(usize, usize)]| list.iter().map(|&(start, end)| Span { start, end }).collect();
        RawPart {
            name: "running-config".into(),
            context: None,
            command: "show running-config".into(),
            kind: PartKind::Config,
            capture: Capture::new(text.to_vec()),
            secrets: spans(secrets),
            volatile: spans(volatile),
        }
    }

    fn text(part: RawPart, key: &FingerprintKey) -> String {
        String::from_utf8(mask(vec![part], key).unwrap().parts.remove(0).text).unwrap()
    }

    #[test]
    fn a_secret_is_replaced_by_a_stable_keyed_fingerprint() {
        let shown = text(part(b"key hunter2 end", &[(4, 11)], &[]), &key(1));
        assert!(shown.starts_with("key <secret:") && shown.ends_with("> end"), "{shown}");
        assert!(!shown.contains("hunter2"));
        assert_eq!(shown, text(part(b"key hunter2 end", &[(4, 11)], &[]), &key(1)));
        assert_ne!(shown, text(part(b"key hunter3 end", &[(4, 11)], &[]), &key(1)));
        assert_ne!(shown, text(part(b"key hunter2 end", &[(4, 11)], &[]), &key(2)));
    }

    #[test]
    fn only_a_change_outside_volatile_spans_is_significant() {
        let hash = |raw: RawPart| mask(vec![raw], &key(1)).unwrap().significant();
        let before = hash(part(b"up 1 day\nx", &[], &[(3, 4)]));
        assert_eq!(before, hash(part(b"up 999 day\nx", &[], &[(3, 6)])));
        assert_eq!(before, hash(part(b"new\nup  day\nx", &[], &[(0, 4)])));
        assert_ne!(before, hash(part(b"up 1 day\ny", &[], &[(3, 4)])));
        assert_ne!(before, hash(part(b"up 1 day\nx", &[], &[])));
        assert_ne!(hash(part(b"pw a", &[(3, 4)], &[])), hash(part(b"pw b", &[(3, 4)], &[])));
    }

    #[test]
    fn a_volatile_span_keeps_its_place_when_secrets_before_it_grow() {
        let masked = mask(vec![part(b"a SECRET b 12:34 c", &[(2, 8)], &[(11, 16)])], &key(1)).unwrap();
        let part = &masked.parts[0];
        assert_eq!(&part.text[part.volatile[0].range()], b"12:34");
    }

    #[test]
    fn a_volatile_span_that_cuts_a_secret_takes_the_whole_marker() {
        let masked = mask(vec![part(b"abcdefgh", &[(2, 5)], &[(3, 7)])], &key(1)).unwrap();
        let part = &masked.parts[0];
        let covered = String::from_utf8_lossy(&part.text[part.volatile[0].range()]).into_owned();
        assert!(covered.starts_with("<secret:") && covered.ends_with(">fg"), "{covered}");
    }

    #[test]
    fn spans_that_do_not_fit_are_an_error_and_nothing_is_kept() {
        for (secrets, volatile) in
            [(vec![(3, 99)], vec![]), (vec![(5, 4)], vec![]), (vec![], vec![(2, 4), (3, 5)])]
        {
            let error = mask(vec![part(b"0123456789", &secrets, &volatile)], &key(1)).unwrap_err();
            assert!(matches!(error, SealError::Span { .. }), "{error}");
        }
    }

    proptest! {
        #[test]
        fn text_outside_secrets_survives_and_volatile_text_keeps_its_content(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cuts in proptest::collection::vec((0usize..200, 0usize..20, any::<bool>()), 0..12),
        ) {
            let spans = |wanted: bool| Span::merge(
                cuts.iter().filter(|cut| cut.2 == wanted)
                    .map(|&(start, len, _)| Span { start: start.min(bytes.len()), end: (start + len).min(bytes.len()) })
                    .collect());
            let (secrets, volatile) = (spans(true), spans(false));
            let raw = RawPart { secrets: secrets.clone(), volatile: volatile.clone(), ..part(&bytes, &[], &[]) };
            let masked = mask(vec![raw], &key(9)).unwrap();
            let out = &masked.parts[0];
            let mut expected = Vec::new();
            let mut at = 0;
            for secret in &secrets {
                expected.extend_from_slice(&bytes[at..secret.start]);
                mark(key(9).fingerprint(&bytes[secret.range()]), &mut expected);
                at = secret.end;
            }
            expected.extend_from_slice(&bytes[at..]);
            prop_assert_eq!(&out.text, &expected);
            // Spans that touch no secret are carried over one to one.
            if secrets.iter().all(|s| volatile.iter().all(|v| s.end <= v.start || v.end <= s.start)) {
                let content = |text: &[u8], spans: &[Span]| spans.iter().flat_map(|s| text[s.range()].to_vec()).collect::<Vec<u8>>();
                prop_assert_eq!(content(&out.text, &out.volatile), content(&bytes, &volatile));
            }
        }
    }
}
