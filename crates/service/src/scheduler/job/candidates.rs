//! The credentials of a job: those of the jump hosts on the way, then the device's, one after the other.

use super::Course;
use super::kinds::Done;
use crate::logins::Care;
use crate::scheduler::login::{open_access, open_hop};
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_platform::Platform;
use netraven_store::credentials::StoredCredential;
use std::sync::Arc;

impl Course<'_> {
    /// The logins of the jump hosts on the way.
    pub(super) async fn open_hops(&mut self) -> Result<(), Failure> {
        for hop in &self.claimed.via {
            match open_hop(self.context.keys(), &self.platforms, hop).await {
                Ok((access, guard)) => {
                    self.via.push(access);
                    self.guards.extend(guard);
                }
                Err(failure) => return Err(self.fail(failure)),
            }
        }
        Ok(())
    }

    /// One of the device's credentials.
    async fn try_one(
        &mut self,
        credential: &StoredCredential,
        platform: &mut Option<Arc<Platform>>,
    ) -> Result<Done, Failure> {
        let (context, claimed) = (self.context, self.claimed);
        let care = if self.refused.at.is_empty() { Care::Clean } else { Care::Careful };
        let (target, job) = (self.target.clone(), Some(claimed.job));
        match open_access(context.keys(), credential, target, job, care).await {
            Ok((access, guard)) => {
                self.guards.extend(guard);
                self.attempt(access, credential.id, platform).await
            }
            Err(error) => {
                let message = format!("credential '{}' cannot be opened: {error}", credential.name);
                Err(self.fail(Failure::new(ErrorCode::CredentialUnusable, Phase::Authenticate, message)))
            }
        }
    }

    /// The device's credentials in order, until one works or nothing would change.
    pub(super) async fn try_all(&mut self, platform: &mut Option<Arc<Platform>>) -> Result<Done, Failure> {
        let mut last = None;
        for credential in &self.claimed.credentials {
            if let Some(failure) = self.context.logins.blocked(&self.refused) {
                return Err(self.fail(failure));
            }
            match self.try_one(credential, platform).await {
                Ok(done) => return Ok(done),
                Err(failure) if failure.code == ErrorCode::CredentialNotAllowed => {
                    self.left_out.push(format!("credential '{}': {}", credential.name, failure.message));
                }
                // Another credential may do better; nothing else would change.
                Err(failure) if is_credentials_fault(failure.code) => last = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(last.unwrap_or_else(|| self.fail(no_credential(&self.left_out))))
    }
}

/// Why the device was shown nothing at all.
fn no_credential(left_out: &[String]) -> Failure {
    let message = match left_out {
        [] => "no credential shares a tag with the device".to_owned(),
        reasons => format!(
            "none of the credentials that share a tag with the device may be shown to it: {}",
            reasons.join("; ")
        ),
    };
    Failure::new(ErrorCode::NoCredential, Phase::Authenticate, message)
}

fn is_credentials_fault(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AuthFailed | ErrorCode::EnableFailed | ErrorCode::CredentialUnusable)
}
