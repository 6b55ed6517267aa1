//! Which pattern of which definition it is that fires: for people who write one.

use crate::definition::{Definition, Text};
use crate::finder::GENERAL;
use netraven_model::Span;
use std::sync::Arc;

/// A definition that a text stands in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Name of the platform.
    pub platform: String,
    /// Its file.
    pub file: String,
}

/// A pattern that can fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The pattern as it is written; for a private key, which no single pattern finds, words.
    pub pattern: String,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose rule it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A definition's: the platform's own, or one that it extends.
    Definition {
        /// Name of the platform whose definition has it.
        platform: String,
        /// Whether another platform inherits it.
        inherited: bool,
        /// The definition's file.
        file: String,
        /// Line in it, from 1.
        line: u64,
    },
    /// The general net beneath all platforms.
    General,
}

/// A rule that fired, and where.
pub type Fired = (Span, Arc<Rule>);

/// The rules of a platform, each list in the order of the compiled patterns.
#[derive(Debug)]
pub(crate) struct RuleBook {
    pub pagers: Vec<Arc<Rule>>,
    pub rejected: Vec<Arc<Rule>>,
    /// The general net's behind the platform's.
    pub secrets: Vec<Arc<Rule>>,
    pub volatile: Vec<Arc<Rule>>,
    /// For private keys, which take several lines.
    pub keys: Arc<Rule>,
}

impl RuleBook {
    pub(crate) fn of(definition: &Definition) -> Self {
        let name = definition.name.value.as_str();
        let rule = |text: &Text| Arc::new(Rule::of(text, name));
        let general = |pattern: &str| Arc::new(Rule { pattern: pattern.to_owned(), owner: Owner::General });
        let pagers = definition.pager.iter().flat_map(|pagers| &pagers.0);
        let secrets = definition.secrets.iter().map(|secret| rule(&secret.pattern));
        Self {
            pagers: pagers.map(|pager| rule(&pager.pattern)).collect(),
            rejected: definition.rejected.iter().map(rule).collect(),
            secrets: secrets.chain(GENERAL.iter().map(|pattern| general(pattern))).collect(),
            volatile: definition.volatile.iter().map(rule).collect(),
            keys: general("private key"),
        }
    }
}

impl Rule {
    fn of(text: &Text, platform: &str) -> Self {
        let owner = match &text.home {
            Some(home) => Owner::Definition {
                platform: home.platform.clone(),
                inherited: home.platform != platform,
                file: home.file.clone(),
                line: text.line,
            },
            None => Owner::General,
        };
        Self { pattern: text.value.clone(), owner }
    }
}
