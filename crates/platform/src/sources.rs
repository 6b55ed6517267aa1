//! Definitions as written, before `extends` is resolved.

use crate::compile::compile;
use crate::definition::Definition;
use crate::finder::shared_rules;
use crate::{LoadError, Platform, Redactor};
use netraven_model::Hash256;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A longer chain of `extends` is a mistake.
const MAX_CHAIN: usize = 8;

/// Definitions by name; of two with one name the later one counts.
pub(crate) struct Sources {
    all: BTreeMap<String, Source>,
    /// What all of them redact with.
    redactor: Arc<Redactor>,
}

struct Source {
    definition: Definition,
    digest: Hash256,
    file: String,
    origin: String,
    /// Place among all that were read.
    order: usize,
}

impl Sources {
    pub(crate) fn new(redactor: Arc<Redactor>) -> Self {
        Self { all: BTreeMap::new(), redactor }
    }

    pub(crate) fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }

    pub(crate) fn add(&mut self, file: &str, text: &str, origin: &str) -> Result<(), LoadError> {
        let mut definition: Definition =
            serde_saphyr::from_str(text).map_err(|error| LoadError::Definition {
                file: file.to_owned(),
                line: error.location().map_or(0, |location| location.line()),
                problem: error.to_string(),
            })?;
        definition.settle(file);
        let digest = Hash256::sha256(text.as_bytes());
        let (file, origin) = (file.to_owned(), origin.to_owned());
        let order = self.all.len();
        self.all.insert(definition.name.value.clone(), Source { definition, digest, file, origin, order });
        Ok(())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// Names, aliases and files, the files that were read last at the end.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let mut sources: Vec<_> = self.all.iter().collect();
        sources.sort_by_key(|(_, source)| source.order);
        sources.into_iter().flat_map(|(name, source)| {
            let aliases = source.definition.aliases.iter();
            aliases.map(move |alias| (name.as_str(), alias.as_str(), source.file.as_str()))
        })
    }

    /// Where a definition came from; nowhere for one that is not there.
    pub(crate) fn origin(&self, name: &str) -> &str {
        self.all.get(name).map_or("", |source| source.origin.as_str())
    }

    /// Whether a definition and all that it extends come from there.
    pub(crate) fn is_all_from(&self, name: &str, origin: &str) -> bool {
        let mut next = Some(name);
        for _ in 0..=MAX_CHAIN {
            let Some(source) = next.and_then(|name| self.all.get(name)) else { return next.is_none() };
            if source.origin != origin {
                return false;
            }
            next = source.definition.extends.as_ref().map(|base| base.value.as_str());
        }
        false
    }

    /// One definition with all that it inherits. Its digest is that of the whole chain and of the general net.
    pub(crate) fn compile(&self, name: &str) -> Result<Platform, LoadError> {
        let Some(source) = self.all.get(name) else {
            let problem = format!("no platform '{name}'");
            return Err(LoadError::Definition { file: name.to_owned(), line: 0, problem });
        };
        let wrong = |(line, problem)| LoadError::Definition { file: source.file.clone(), line, problem };
        let (mut definition, mut digests) = (source.definition.clone(), source.digest.0.to_vec());
        let mut next = source.definition.extends.clone();
        for _ in 0..MAX_CHAIN {
            let Some(wanted) = next else { break };
            let line = wanted.line;
            let base = self.all.get(&wanted.value);
            let base =
                base.ok_or_else(|| wrong((line, format!("extends: no platform '{}'", wanted.value))))?;
            definition.inherit(&base.definition);
            digests.extend_from_slice(&base.digest.0);
            next = base.definition.extends.clone();
        }
        if let Some(endless) = next {
            let problem = format!("extends: the chain over '{}' does not end", endless.value);
            return Err(wrong((endless.line, problem)));
        }
        // What every family shares reads configurations, too: a release that changes it changes all definitions.
        digests.extend_from_slice(&shared_rules().0);
        let digest = Hash256::sha256(&digests);
        compile(definition, digest, source.origin.clone(), self.redactor.clone()).map_err(wrong)
    }
}
