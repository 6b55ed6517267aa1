//! NetRaven: one binary for everything.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod nearest;
mod settings;

fn main() {
    let _ = settings::Sources::of_process(Default::default());
}
