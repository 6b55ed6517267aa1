//! What a device tells about itself.

use super::{Problem, line, pattern};
use crate::definition::{FactRule, FactRules};
use crate::platform::{Fact, Part};
use netraven_model::Facts;

/// `parts` are those of all protocols: what a device tells about itself does not depend on how it is asked.
pub(super) fn compile_facts(rules: &FactRules, parts: &[&Part]) -> Result<Vec<Fact>, Problem> {
    type Slot = fn(&mut Facts) -> &mut Option<String>;
    let slots: [(&[FactRule], Slot); 6] = [
        (&rules.hostname, |facts| &mut facts.hostname),
        (&rules.model, |facts| &mut facts.model),
        (&rules.serial_number, |facts| &mut facts.serial_number),
        (&rules.software_version, |facts| &mut facts.software_version),
        (&rules.changed_by, |facts| &mut facts.changed_by),
        (&rules.changed_at, |facts| &mut facts.changed_at),
    ];
    let mut facts = Vec::new();
    for (rules, slot) in slots {
        for rule in rules {
            let part = rule.part.value.clone();
            if !parts.iter().any(|known| known.name == part) {
                return Err((line(&rule.part), format!("facts: no part '{part}'")));
            }
            let pattern = pattern(&rule.pattern)?;
            if pattern.captures_len() < 2 {
                return Err((
                    line(&rule.pattern),
                    "facts: the pattern needs a group for the fact".to_owned(),
                ));
            }
            facts.push(Fact { slot, part, pattern });
        }
    }
    Ok(facts)
}
