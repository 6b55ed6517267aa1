//! What must hold for any input that a device may send, as functions that take arbitrary bytes and panic where it does not.
//!
//! The fuzz targets in `fuzz/` call them with inputs that look for new ways through the code, and the tests of this crate
//! with a bounded number of random ones, so that both check the same thing. No other crate uses this one.

#![allow(clippy::panic, reason = "a panic is how a property says that it does not hold")]

mod machine;
mod pieces;
mod platforms;
mod redactor;
mod telnet;
mod terminal;

pub use machine::machine;
pub use redactor::redactor;
pub use telnet::telnet;
pub use terminal::terminal;
