//! Have commands answered, and keep the answers in the job log, without lines that hold secrets.

use super::Done;
use crate::gateway::refused;
use crate::scheduler::job::Course;
use netraven_device::{Access, Answer, ExecuteRequest};
use netraven_model::{CredentialId, Event, Failure, JobEvent};
use netraven_platform::Platform;
use std::sync::Arc;

/// Of one answer so many bytes are kept.
const LONGEST_ANSWER: usize = 64 * 1024;
/// The same for all answers of a job.
const LONGEST_TOGETHER: usize = 1024 * 1024;

impl Course<'_> {
    pub(super) async fn ask(
        &mut self,
        access: Access,
        credential: CredentialId,
        platform: &Arc<Platform>,
    ) -> Result<Done, Failure> {
        let request = ExecuteRequest {
            job: Some(self.claimed.job),
            access: self.access(access),
            platform: platform.clone(),
            commands: self.claimed.commands.clone(),
            within: self.context.settings.device.longest(),
        };
        let mut outcome = self.context.collector.execute(&request).await;
        if let Ok(answers) = &outcome.result {
            add_answers(&mut outcome.events, answers, platform);
        }
        let answers = self.take(outcome, credential)?;
        match answers.iter().find(|answer| !answer.accepted) {
            None => Ok(Done::Ok),
            Some(answer) => {
                let command = platform.redact(answer.command.as_bytes());
                Err(self.fail(refused(&command, answer, platform)))
            }
        }
    }
}

/// In place of the events that tell only how long the answers are, those that hold them, too. The session told of each
/// command in its order.
fn add_answers(events: &mut [JobEvent], answers: &[Answer], platform: &Platform) {
    let mut room = LONGEST_TOGETHER;
    let mut answers = answers.iter();
    for event in events {
        let (command, millis) = match &event.event {
            Event::CommandOutput { command, millis, .. } => (command.clone(), *millis),
            Event::CommandSkipped { command } => (command.clone(), 0),
            _ => continue,
        };
        let Some(answer) = answers.next() else { return };
        let text = answer.text.expose_bytes();
        let output = shortened(platform.redact(text), LONGEST_ANSWER.min(room));
        room -= output.len().min(room);
        let (bytes, accepted) = (text.len() as u64, answer.accepted);
        event.event = Event::CommandAnswered { command, bytes, millis, accepted, output };
    }
}

/// At most so many bytes of a text, with a remark where some were left out.
fn shortened(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let left_out = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("\n[{left_out} bytes left out]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_answers_are_cut_between_characters_and_say_so() {
        assert_eq!(shortened("abc".to_owned(), 3), "abc");
        assert_eq!(shortened("aäc".to_owned(), 2), "a\n[3 bytes left out]\n");
        assert_eq!(shortened("abc".to_owned(), 0), "\n[3 bytes left out]\n");
    }
}
