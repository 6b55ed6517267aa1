//! Which family a device belongs to: by how its SSH server introduces itself and what it answers to harmless commands.

use crate::platform::Part;
use crate::{LoadError, Platform, Platforms};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The name of a device's platform that is to be found out.
pub const AUTO: &str = "auto";

const AUTO_TEXT: &str = include_str!("auto.yaml");

/// Why no family was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRecognised {
    /// Nothing fits.
    None,
    /// These fit equally well.
    Several(Vec<String>),
}

impl Platforms {
    /// How to ask a device of which family it is, once its SSH server has introduced itself: with so many commands from
    /// the given place on. Those are asked about first whose servers introduce themselves so; the commands that most
    /// definitions name come first. Without parts where all has been asked.
    ///
    /// # Errors
    /// The program's own text is broken, which a test excludes.
    pub fn questions(&self, ssh_version: &str, asked: Range<usize>) -> Result<Arc<Platform>, LoadError> {
        let mut platform = self.parse_alone(AUTO_TEXT, "auto.yaml")?;
        let likely = self.iter().filter(|platform| platform.introduces_itself(ssh_version)).count();
        let mut commands: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for known in self.iter() {
            let Some(command) = &known.detect.command else { continue };
            let votes = commands.entry(command).or_default();
            votes.0 += usize::from(known.introduces_itself(ssh_version));
            votes.1 += 1;
        }
        let mut commands: Vec<_> = commands.into_iter().collect();
        commands.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
        if likely > 0 {
            commands.retain(|(_, (likely, _))| *likely > 0);
        }
        let wanted = commands.iter().skip(asked.start).take(asked.len());
        platform.parts = wanted.map(|(command, _)| question(command)).collect();
        Ok(Arc::new(platform))
    }

    /// The family that the answers speak for; pairs of a command and its answer.
    pub fn recognise(
        &self,
        ssh_version: &str,
        answers: &[(&str, &[u8])],
    ) -> Result<Arc<Platform>, NotRecognised> {
        let answered = |platform: &Platform| {
            let asked =
                answers.iter().filter(|(command, _)| platform.detect.command.as_deref() == Some(command));
            asked
                .into_iter()
                .any(|(_, text)| platform.detect.answer.iter().any(|pattern| pattern.is_match(text)))
        };
        // 2: it says so in words; 1 more: its server introduces itself so.
        let score = |platform: &Platform| {
            let introduced = platform.introduces_itself(ssh_version);
            let silent = platform.detect.command.is_none() && introduced;
            2 * usize::from(answered(platform)) + usize::from(silent || answered(platform) && introduced)
        };
        let best = self.iter().map(|platform| score(platform)).max().unwrap_or(0);
        let found: Vec<_> = self.iter().filter(|platform| best > 0 && score(platform) == best).collect();
        match found.as_slice() {
            [] => Err(NotRecognised::None),
            [platform] => Ok((*platform).clone()),
            several => {
                Err(NotRecognised::Several(several.iter().map(|platform| platform.name.clone()).collect()))
            }
        }
    }
}

impl Platform {
    fn introduces_itself(&self, ssh_version: &str) -> bool {
        self.detect.ssh_version.iter().any(|pattern| pattern.is_match(ssh_version.as_bytes()))
    }
}

fn question(command: &str) -> Part {
    Part { keep_refusal: false, ..Part::command(command) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, detect: &str) -> String {
        format!(
            "name: {name}\ntitle: T\nsources: [none]\ncomment: \"#\"\nmodes: {{m: {{prompt: '>$'}}}}\n\
             parts: [{{name: c, command: show, kind: config}}]\nlogout: exit\ndetect: {detect}\n"
        )
    }

    fn platforms() -> Platforms {
        let folder = tempfile::tempdir().unwrap();
        for (name, detect) in [
            ("ios", "{ssh_version: [Cisco], command: show version, answer: ['^Cisco IOS Software']}"),
            ("xr", "{ssh_version: [Cisco], command: show version, answer: ['^Cisco IOS XR']}"),
            ("eos", "{command: show version, answer: ['^Arista']}"),
            ("ros", "{ssh_version: [ROSSSH]}"),
            ("unix", "{ssh_version: [OpenSSH], command: uname, answer: ['^Linux']}"),
        ] {
            std::fs::write(folder.path().join(format!("{name}.yaml")), definition(name, detect)).unwrap();
        }
        Platforms::of_folder(folder.path()).unwrap()
    }

    fn commands(platforms: &Platforms, version: &str) -> Vec<String> {
        platforms.questions(version, 0..9).unwrap().parts.iter().map(|part| part.name.clone()).collect()
    }

    #[test]
    fn what_is_asked_follows_how_the_server_introduces_itself() {
        let platforms = platforms();
        assert_eq!(commands(&platforms, "SSH-2.0-Cisco-1.25"), ["show version"]);
        assert_eq!(commands(&platforms, "SSH-2.0-OpenSSH_9.2"), ["uname"]);
        assert_eq!(commands(&platforms, "SSH-2.0-other"), ["show version", "uname"]);
        assert_eq!(platforms.questions("SSH-2.0-other", 1..9).unwrap().parts[0].name, "uname");
        assert!(platforms.questions("SSH-2.0-other", 2..9).unwrap().parts.is_empty());
    }

    #[test]
    fn the_answer_decides_and_the_introduction_breaks_a_tie() {
        let platforms = platforms();
        let ask = |version: &str, answer: &str| {
            let found = platforms.recognise(version, &[("show version", answer.as_bytes())]);
            found.map(|platform| platform.name.clone())
        };
        assert_eq!(ask("SSH-2.0-Cisco-1.25", "Cisco IOS XR Software").unwrap(), "xr");
        assert_eq!(ask("SSH-2.0-OpenSSH_9.2", "Arista DCS").unwrap(), "eos");
        assert_eq!(ask("SSH-2.0-ROSSSH", "").unwrap(), "ros");
        assert_eq!(ask("SSH-2.0-Cisco-1.25", "something else"), Err(NotRecognised::None));
        let both = "Arista\nCisco IOS Software";
        assert_eq!(ask("SSH-2.0-Cisco-1.25", both).unwrap(), "ios");
        assert_eq!(
            ask("SSH-2.0-x", both),
            Err(NotRecognised::Several(vec!["eos".to_owned(), "ios".to_owned()]))
        );
    }
}
