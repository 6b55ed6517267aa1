use super::sink::{LogSink, SinkError};
use netraven_model::{Event, JobEvent};
use netraven_store::logs::Dialogue;
use serde::{Deserialize, Serialize};

/// One row on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Event(JobEvent),
    Dialogue(Dialogue),
}

impl Entry {
    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        let text = match self {
            Self::Event(JobEvent { event: Event::Failed { failure }, .. }) => failure.message.len(),
            Self::Event(JobEvent {
                event: Event::CommandOutput { command, .. } | Event::CommandSkipped { command },
                ..
            }) => command.len(),
            Self::Event(JobEvent { event: Event::CommandAnswered { command, output, .. }, .. }) => {
                command.len() + output.len()
            }
            Self::Event(_) => 0,
            Self::Dialogue(dialogue) => dialogue.text.len(),
        };
        size_of::<Self>() + text
    }
}

/// What became of some rows that were taken or refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    pub(super) written: u64,
    /// Those that can never be written.
    pub(super) refused: u64,
}

/// Writes rows. One that is refused for what is in it is found by halving and does not cost the others theirs.
///
/// # Errors
/// The sink is away or will not have anything written: all of it is to be written again.
pub(super) async fn deliver(sink: &LogSink, entries: &[Entry]) -> Result<Delivered, SinkError> {
    let (mut delivered, mut left) = (Delivered::default(), vec![entries]);
    while let Some(some) = left.pop() {
        match sink.write(some).await {
            Ok(()) => delivered.written += some.len() as u64,
            Err(error) if !error.is_about_the_rows() => return Err(error),
            Err(_) if some.len() > 1 => {
                let (first, second) = some.split_at(some.len() / 2);
                left.extend([second, first]);
            }
            Err(error) => {
                if delivered.refused == 0 {
                    tracing::error!(%error, "a row of the job log is refused; it is dropped");
                }
                delivered.refused += 1;
            }
        }
    }
    Ok(delivered)
}
