use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a part of a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Configuration text: what is restored.
    Config,
    /// State that explains the configuration: versions, inventory.
    State,
    /// An archive, kept byte by byte.
    Binary,
}

impl PartKind {
    /// The word stored in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::State => "state",
            Self::Binary => "binary",
        }
    }

    /// The kind of a stored word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Config, Self::State, Self::Binary].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A range of bytes in a text, `start..end`. Lists of spans are sorted and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// First byte behind it.
    pub end: usize,
}

impl Span {
    /// As a range, to slice with.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Sorts spans and joins those that touch or overlap, so that each byte is in one span at most.
    pub fn merge(mut spans: Vec<Span>) -> Vec<Span> {
        spans.retain(|span| span.start < span.end);
        spans.sort_unstable();
        let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        merged
    }
}

/// What a session tells about the device itself; each is `None` where the device did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The name the device gives itself.
    pub hostname: Option<String>,
    /// Hardware model.
    pub model: Option<String>,
    /// Chassis serial number.
    pub serial_number: Option<String>,
    /// Version of the operating system.
    pub software_version: Option<String>,
    /// Who changed the configuration last, in the device's own words.
    pub changed_by: Option<String>,
    /// When that was, in the device's own words.
    pub changed_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_spans_are_sorted_disjoint_and_cover_the_same_bytes(
            raw in proptest::collection::vec((0usize..200, 0usize..20), 0..30)
        ) {
            let spans: Vec<_> = raw.iter().map(|&(start, len)| Span { start, end: start + len }).collect();
            let merged = Span::merge(spans.clone());
            prop_assert!(merged.windows(2).all(|pair| pair[0].end <= pair[1].start));
            for byte in 0..230 {
                let inside = |list: &[Span]| list.iter().any(|s| s.range().contains(&byte));
                prop_assert_eq!(inside(&spans), inside(&merged));
            }
        }
    }
}
