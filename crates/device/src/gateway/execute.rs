//! Commands of somebody's own, answered by one device.

use super::Gateway;
use crate::course::{Course, Talk};
use crate::outcome::Outcome;
use crate::request::ExecuteRequest;
use netraven_model::{Capture, ErrorCode, Failure, Phase, Protocol};
use netraven_platform::{Limits, Part};
use std::time::Duration;
use tokio::time::timeout;

/// What a device answered to one command.
#[derive(Debug)]
pub struct Answer {
    /// The command as sent.
    pub command: String,
    /// The answer, secrets included.
    pub text: Capture,
    /// Whether the device carried it out; the answer of one that did not says why.
    pub accepted: bool,
    /// From the command until the prompt came back.
    pub duration: Duration,
}

pub(super) async fn execute(gateway: &Gateway, request: &ExecuteRequest) -> Outcome<Vec<Answer>> {
    let mut course = Course::new(gateway, request.job, &request.access, request.within);
    let result = match timeout(request.within, run(&mut course, gateway, request)).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the answers were expected within {:?}", request.within);
            Err(Failure::new(ErrorCode::Timeout, Phase::Collect, message))
        }
    };
    course.end(result)
}

async fn run(
    course: &mut Course<'_>,
    gateway: &Gateway,
    request: &ExecuteRequest,
) -> Result<Vec<Answer>, Failure> {
    let parts = questions(request).into();
    let limits = gateway.settings.limits();
    let limits = Limits { session: limits.session.min(request.within), ..limits };
    let platform = request.platform.clone();
    let talk = Talk { parts, platform: platform.clone(), stay: is_free(request) && gateway.keeps(), limits };
    let kept = match is_free(request) {
        true => course.resume(&talk).await?,
        false => None,
    };
    let outputs = match kept {
        Some(outputs) => outputs,
        None => course.converse(&platform, |_| Ok(talk)).await?.2,
    };
    let answer = |output: netraven_platform::Output| Answer {
        command: output.command,
        text: output.capture,
        accepted: output.accepted,
        duration: output.duration,
    };
    Ok(outputs.into_iter().map(answer).collect())
}

/// The commands. Without any the login is all that is wanted: over HTTP that may need a request.
fn questions(request: &ExecuteRequest) -> Vec<Part> {
    let http = request.platform.http.as_ref().filter(|_| request.access.target.protocol == Protocol::Http);
    if request.commands.is_empty() {
        return http.and_then(|http| http.proof_of_login()).cloned().into_iter().collect();
    }
    request.commands.iter().map(|command| Part::command(command)).collect()
}

/// Whether nobody holds the device for the request: then a session may be used again, and be kept.
fn is_free(request: &ExecuteRequest) -> bool {
    request.job.is_none()
}
