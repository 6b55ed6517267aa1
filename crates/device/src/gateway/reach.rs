//! Whether a device can be reached.

use super::Gateway;
use crate::course::Course;
use crate::outcome::Outcome;
use crate::request::ReachRequest;

pub(super) async fn reach(gateway: &Gateway, request: &ReachRequest) -> Outcome<()> {
    let mut course = Course::new(gateway, request.job, &request.access, gateway.settings.longest());
    let result = course.probe(request.platform.as_deref()).await;
    course.end(result)
}
