//! What a caller wants of one device, and what becomes of it.

mod answer;
mod collect;
mod execute;
mod fields;
mod request;
mod sealing;
mod target;
mod track;

pub(crate) use collect::{CollectAnswer, collect};
pub use execute::{ExecuteAnswer, recognise};
pub(crate) use execute::{execute, refused};
pub(crate) use request::{CollectBody, ExecuteBody};
