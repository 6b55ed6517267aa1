//! Finding out of which family a device is.

use crate::course::Course;
use crate::outcome::Outcome;
use crate::request::{CollectRequest, DeviceSettings};
use netraven_model::{ErrorCode, Event, Failure, Phase};
use netraven_platform::{LoadError, NotRecognised, Platform, Platforms};
use std::sync::Arc;

/// Asks a device some harmless commands to find out of which family it is. The request's platform is not used beyond
/// the login. Dropping the future closes the session.
pub async fn recognise(
    request: &CollectRequest,
    platforms: &Platforms,
    settings: &DeviceSettings,
) -> Outcome<Arc<Platform>> {
    let mut course = Course::new(request, settings);
    let result = run(&mut course, platforms).await;
    if let Ok(platform) = &result {
        course.event(Event::PlatformRecognised { platform: platform.name.clone() });
    }
    course.end(result)
}

async fn run(course: &mut Course<'_>, platforms: &Platforms) -> Result<Arc<Platform>, Failure> {
    let questions = |version: &str| platforms.questions(version).map_err(|error| broken(&error));
    let (asked, version, outputs) = course.converse(questions).await?;
    let answers: Vec<_> =
        outputs.iter().map(|output| (output.command.as_str(), output.capture.expose_bytes())).collect();
    platforms.recognise(&version, &answers).map_err(|reason| {
        let commands: Vec<_> = asked.parts.iter().map(|part| format!("`{}`", part.name)).collect();
        let commands = commands.join(", ");
        let found = match reason {
            NotRecognised::None => "no definition fits".to_owned(),
            NotRecognised::Several(names) => format!("{} fit equally well", names.join(", ")),
        };
        let message = format!(
            "the platform could not be recognised from the SSH server's introduction and the answers to {commands}: {found}"
        );
        Failure::new(ErrorCode::UnknownPlatform, Phase::Collect, message)
    })
}

fn broken(error: &LoadError) -> Failure {
    Failure::new(ErrorCode::Internal, Phase::Connect, error.to_string())
}
