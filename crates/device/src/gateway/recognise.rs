//! Finding out of which family a device is.

use super::Gateway;
use crate::course::Course;
use crate::outcome::Outcome;
use crate::request::CollectRequest;
use netraven_model::{Capture, ErrorCode, Event, Failure, Phase, Protocol};
use netraven_platform::{LoadError, NotRecognised, Platform, Platforms};
use std::sync::Arc;

pub(super) async fn recognise(
    gateway: &Gateway,
    request: &CollectRequest,
    platforms: &Platforms,
) -> Outcome<Arc<Platform>> {
    let mut course = Course::new(gateway, request.job, &request.access, gateway.settings.longest());
    let result = run(&mut course, &request.platform, platforms).await;
    if let Ok(platform) = &result {
        course.event(Event::PlatformRecognised { platform: platform.name.clone() });
    }
    course.end(result)
}

/// Commands per session: one that most families know, then some more, then the rest.
const ROUNDS: [usize; 3] = [1, 8, 32];

async fn run(
    course: &mut Course<'_>,
    login: &Platform,
    platforms: &Platforms,
) -> Result<Arc<Platform>, Failure> {
    let gateway = course.gateway;
    let mut commands: Vec<String> = Vec::new();
    let mut answers: Vec<(String, Capture)> = Vec::new();
    let mut reason = NotRecognised::None;
    for count in ROUNDS {
        let asked = commands.len()..commands.len() + count;
        let questions = |version: &str| {
            let platform = platforms.questions(version, asked).map_err(|error| broken(&error))?;
            // What is asked to find out is asked on a command line.
            Ok(gateway.talk(platform, Protocol::Ssh))
        };
        let (asked, version, outputs) = course.converse(login, questions).await?;
        if asked.parts.is_empty() {
            break;
        }
        commands.extend(asked.parts.iter().map(|part| format!("`{}`", part.name)));
        answers.extend(outputs.into_iter().map(|output| (output.command, output.capture)));
        let texts: Vec<_> =
            answers.iter().map(|(command, text)| (command.as_str(), text.expose_bytes())).collect();
        match platforms.recognise(&version, &texts) {
            Ok(platform) => return Ok(platform),
            Err(not) => reason = not,
        }
    }
    let found = match reason {
        NotRecognised::None => "no definition fits".to_owned(),
        NotRecognised::Several(names) => format!("{} fit equally well", names.join(", ")),
    };
    let message = format!(
        "the platform could not be recognised from the SSH server's introduction and the answers to {}: {found}",
        commands.join(", ")
    );
    Err(Failure::new(ErrorCode::UnknownPlatform, Phase::Collect, message))
}

fn broken(error: &LoadError) -> Failure {
    Failure::new(ErrorCode::Internal, Phase::Connect, error.to_string())
}
