//! Changes reach webhooks and mailboxes: a real database, real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mailbox;
mod mails;
mod place;
mod receiver;
mod rotation;
mod webhooks;
