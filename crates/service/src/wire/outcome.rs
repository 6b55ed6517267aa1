//! What became of a job's request.

use super::base64;
use super::sealed::ConfigBody;
use netraven_device::{Answer, CollectRequest, Collected, LearnedHop, LoginResult, Outcome};
use netraven_model::{
    Capture, DeviceId, ErrorCode, Facts, Failure, Hash256, HostKey, JobEvent, JobId, SshProfile, Target,
};
use netraven_seal::SealError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// [`Outcome`] on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutcomeBody {
    result: Result<Done, Failure>,
    learned: Option<HostKey>,
    profile: Option<SshProfile>,
    hops: Vec<HopBody>,
    login: LoginWord,
    events: Vec<JobEvent>,
    dialogue: String,
}

/// What a task brought.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "snake_case")]
pub(crate) enum Done {
    /// The configuration is the newest version's.
    Unchanged {
        /// What the device told about itself.
        facts: Facts,
    },
    /// The configuration is new.
    Changed {
        /// Without secrets.
        config: ConfigBody,
        /// What the device told about itself.
        facts: Facts,
        /// See [`Collected::Changed`].
        much_smaller: bool,
        /// The definition that the gateway read it with.
        platform_digest: Hash256,
    },
    /// Commands were answered.
    Answered {
        /// In the order of the commands.
        answers: Vec<AnswerBody>,
    },
    /// The platform was found out.
    Recognised {
        /// Its name.
        platform: String,
    },
    /// The device answered.
    Reached,
}

/// [`Answer`] on its way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AnswerBody {
    command: String,
    #[serde(with = "base64::capture")]
    text: Capture,
    accepted: bool,
    duration: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct HopBody {
    target: Target,
    host_key: Option<HostKey>,
    profile: Option<SshProfile>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LoginWord {
    NotTried,
    Accepted,
    Refused,
}

impl OutcomeBody {
    /// What a gateway sends.
    pub(crate) fn new<T>(outcome: Outcome<T>, done: impl FnOnce(T) -> Done) -> Self {
        let hop =
            |hop: LearnedHop| HopBody { target: hop.target, host_key: hop.host_key, profile: hop.profile };
        Self {
            result: outcome.result.map(done),
            learned: outcome.learned,
            profile: outcome.profile,
            hops: outcome.hops.into_iter().map(hop).collect(),
            login: match outcome.login {
                LoginResult::NotTried => LoginWord::NotTried,
                LoginResult::Accepted => LoginWord::Accepted,
                LoginResult::Refused => LoginWord::Refused,
            },
            events: outcome.events,
            dialogue: outcome.dialogue,
        }
    }

    /// Why it failed, if it did.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        self.result.as_ref().err().map(|failure| failure.code)
    }

    /// What a scheduler reads. Events tell of the job and the device that were asked about, whatever a gateway writes.
    pub(crate) fn into_outcome(self, job: Option<JobId>, device: Option<DeviceId>) -> Outcome<Done> {
        let hop =
            |hop: HopBody| LearnedHop { target: hop.target, host_key: hop.host_key, profile: hop.profile };
        Outcome {
            result: self.result,
            learned: self.learned,
            profile: self.profile,
            hops: self.hops.into_iter().map(hop).collect(),
            login: match self.login {
                LoginWord::NotTried => LoginResult::NotTried,
                LoginWord::Accepted => LoginResult::Accepted,
                LoginWord::Refused => LoginResult::Refused,
            },
            events: self.events.into_iter().map(|event| JobEvent { job, device, ..event }).collect(),
            dialogue: self.dialogue,
        }
    }
}

impl Done {
    /// What a backup brought.
    pub(crate) fn collected(collected: Collected) -> Self {
        match collected {
            Collected::Unchanged { facts } => Self::Unchanged { facts },
            Collected::Changed { config, facts, much_smaller, platform_digest } => {
                let config = ConfigBody::from(&*config);
                Self::Changed { config, facts, much_smaller, platform_digest }
            }
        }
    }

    /// What commands brought.
    pub(crate) fn answered(answers: Vec<Answer>) -> Self {
        let body =
            |Answer { command, text, accepted, duration }| AnswerBody { command, text, accepted, duration };
        Self::Answered { answers: answers.into_iter().map(body).collect() }
    }

    /// A backup again; `None` where it is something else. `most` bounds the bytes of its parts.
    ///
    /// # Errors
    /// A configuration that cannot be believed.
    pub(crate) fn into_collected(
        self,
        request: &CollectRequest,
        most: u64,
    ) -> Option<Result<Collected, SealError>> {
        match self {
            // Nobody can have found it unchanged who was not told of an earlier one.
            Self::Unchanged { facts } if request.previous.is_some() => {
                Some(Ok(Collected::Unchanged { facts }))
            }
            Self::Changed { config, facts, much_smaller, platform_digest } => {
                Some(config.into_config(request, most).map(|config| {
                    let config = Box::new(config);
                    Collected::Changed { config, facts, much_smaller, platform_digest }
                }))
            }
            _ => None,
        }
    }

    /// The answers again, one for each of so many commands; `None` where it is something else.
    pub(crate) fn into_answers(self, commands: usize) -> Option<Vec<Answer>> {
        let answer =
            |AnswerBody { command, text, accepted, duration }| Answer { command, text, accepted, duration };
        match self {
            Self::Answered { answers } if answers.len() <= commands => {
                Some(answers.into_iter().map(answer).collect())
            }
            _ => None,
        }
    }
}
