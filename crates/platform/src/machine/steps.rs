//! What a session has to ask, one step after the other: parts, and the ways into and out of contexts.

use super::Machine;
use crate::compile::CONTEXT;
use crate::platform::{Context, Part, Platform};
use std::collections::VecDeque;
use std::sync::Arc;

/// More contexts than any device has.
const MAX_CONTEXTS: usize = 1024;
/// A longer text is no name.
const MAX_NAME: usize = 128;

/// One thing to ask.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The names of a kind of context, which is given by its index.
    List(usize),
    /// A command on the way into or out of a context.
    Move(String),
    /// A part in each context of its kind, whose names are listed first.
    Each { part: usize, context: usize },
    /// What removes the file of a part.
    Cleanup(usize),
    /// A part.
    Part { part: usize, context: Option<Arc<str>> },
}

/// The steps that are left, and the one under way.
#[derive(Debug)]
pub(super) struct Steps {
    left: VecDeque<Step>,
    current: Option<Step>,
    /// Names by kind of context; `None` where they have not been asked for.
    names: Vec<Option<Vec<Arc<str>>>>,
}

impl Steps {
    pub(super) fn of(parts: &[Part], contexts: usize) -> Self {
        let step = |(part, wanted): (usize, &Part)| match wanted.for_each {
            Some(context) => Step::Each { part, context },
            None => Step::Part { part, context: None },
        };
        Self {
            left: parts.iter().enumerate().map(step).collect(),
            current: None,
            names: vec![None; contexts],
        }
    }

    pub(super) fn current(&self) -> Option<&Step> {
        self.current.as_ref()
    }

    /// Goes on to the next step; `None` behind the last one.
    pub(super) fn advance(&mut self, platform: &Platform) -> Option<&Step> {
        self.current = loop {
            match self.left.pop_front() {
                Some(Step::Each { part, context }) => self.expand(part, context, &platform.contexts[context]),
                step => break step,
            }
        };
        self.current.as_ref()
    }

    /// Takes this step next.
    pub(super) fn push(&mut self, step: Step) {
        self.left.push_front(step);
    }

    fn expand(&mut self, part: usize, index: usize, context: &Context) {
        let Self { left, names, .. } = self;
        match names[index].as_deref() {
            None => {
                left.push_front(Step::Each { part, context: index });
                left.push_front(Step::List(index));
            }
            Some([]) => left.push_front(Step::Part { part, context: None }),
            Some(names) => {
                // Pushed in front, so that the last one comes first.
                for name in names.iter().rev() {
                    let way = |command: &String| Step::Move(command.replace(CONTEXT, name));
                    context.leave.iter().rev().map(way).for_each(|step| left.push_front(step));
                    left.push_front(Step::Part { part, context: Some(name.clone()) });
                    context.enter.iter().rev().map(way).for_each(|step| left.push_front(step));
                }
            }
        }
    }

    /// Notes the names that a list of contexts has, in its order.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn learn(&mut self, index: usize, context: &Context, list: &[u8]) -> Result<(), String> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for group in context.pattern.captures_iter(list).filter_map(|groups| groups.get(1)) {
            let name = String::from_utf8_lossy(group.as_bytes());
            // It goes into commands: what is no name must not become one.
            let fits =
                name.len() <= MAX_NAME && !name.trim().is_empty() && !name.chars().any(char::is_control);
            if !fits {
                let found: String = name.chars().take(MAX_NAME).collect();
                return Err(format!(
                    "a name of at most {MAX_NAME} printable characters was expected, found {found:?}"
                ));
            }
            if !names.iter().any(|known| **known == *name) {
                names.push(name.into());
            }
            if names.len() > MAX_CONTEXTS {
                return Err(format!("at most {MAX_CONTEXTS} were expected, more were listed"));
            }
        }
        self.names[index] = Some(names);
        Ok(())
    }
}

impl Machine {
    /// The part that is being asked for.
    pub(super) fn wanted(&self) -> Option<&Part> {
        match self.steps.current() {
            Some(Step::Part { part, .. }) => self.plan.parts.get(*part),
            _ => None,
        }
    }

    /// The command of the step under way.
    pub(super) fn step_command(&self, alternative: usize) -> Option<&str> {
        let platform = &self.plan.platform;
        match self.steps.current()? {
            Step::List(context) => platform.contexts.get(*context).map(|context| context.list.as_str()),
            Step::Move(command) => Some(command),
            Step::Each { .. } => None,
            Step::Cleanup(part) => {
                let part = self.plan.parts.get(*part)?;
                part.cleanup_commands().get(alternative).map(String::as_str)
            }
            Step::Part { part, .. } => {
                self.plan.parts.get(*part)?.commands.get(alternative).map(String::as_str)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    fn vdom() -> Context {
        Context {
            name: "vdom".into(),
            list: "list".into(),
            pattern: Regex::new(r"(?m)^name: (.*)$").unwrap(),
            enter: vec!["edit {context}".into()],
            leave: vec!["end".into()],
        }
    }

    #[test]
    fn names_are_kept_once_and_in_order_and_what_is_none_is_refused() {
        let mut steps = Steps { left: VecDeque::new(), current: None, names: vec![None] };
        steps.learn(0, &vdom(), b"name: root\nname: lab\nname: root\n").unwrap();
        assert_eq!(steps.names[0].as_deref().unwrap(), [Arc::from("root"), Arc::from("lab")]);
        assert!(steps.learn(0, &vdom(), b"name: a\x1b[2J\n").unwrap_err().contains("printable"));
        let many: String = (0..2000).map(|n| format!("name: v{n}\n")).collect();
        assert!(steps.learn(0, &vdom(), many.as_bytes()).unwrap_err().contains("1024"));
    }
}
