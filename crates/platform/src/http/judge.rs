//! What an answer to a request means.

use super::place::Problem;
use super::{Http, HttpAnswer, Place};
use crate::text::as_lines;
use crate::{Part, Platform};
use netraven_model::PartKind;
use zeroize::Zeroizing;

/// An error text stands at the beginning of a body.
const REJECTION: usize = 1024;

/// What an answer means.
pub(super) enum Verdict {
    /// What was asked for, complete.
    Text(Zeroizing<Vec<u8>>),
    /// The device does not do it: why, and in which words.
    Refused { why: String, words: Zeroizing<Vec<u8>> },
    /// Less came than there is.
    Truncated(String),
    /// The device wants to know who asks, or no longer knows the token.
    Unauthorized,
    /// The device has no time or no session left.
    Busy,
}

/// Of an answer to a part's request.
pub(super) fn judge(
    platform: &Platform,
    http: &Http,
    part: &Part,
    place: &Place,
    mut answer: HttpAnswer,
) -> Verdict {
    match answer.status {
        200..=299 => {}
        401 => return Verdict::Unauthorized,
        429 | 502..=504 => return Verdict::Busy,
        status => return Verdict::Refused { why: format!("status {status}"), words: answer.body },
    }
    let start = &answer.body[..answer.body.len().min(REJECTION)];
    if http.rejected.iter().any(|pattern| pattern.is_match(start)) {
        return Verdict::Refused { why: "an error".to_owned(), words: answer.body };
    }
    let text = match place.take(&mut answer) {
        Ok(text) => text,
        Err(Problem::Cut(what)) => return Verdict::Truncated(what),
        Err(problem) => return Verdict::Refused { why: problem.into_text(), words: answer.body },
    };
    if part.kind == PartKind::Binary {
        return Verdict::Text(text);
    }
    let text = as_lines(&text);
    if platform.is_rejection(&text) {
        return Verdict::Refused { why: "an error".to_owned(), words: text };
    }
    match part.check_complete(&text) {
        _ if part.kind == PartKind::Config && text.is_empty() => {
            Verdict::Truncated("the configuration is empty".to_owned())
        }
        Ok(()) => Verdict::Text(text),
        Err(missing) => Verdict::Truncated(missing),
    }
}
