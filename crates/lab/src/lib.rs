//! Simulated devices: what a network's devices say, over real SSH on the loopback interface.
//!
//! Two layers. The [`Emulator`] is one login on one device: bytes in, bytes out, no sockets. The [`Lab`] serves any
//! number of them, for demonstrations, benchmarks and tests. Both play [`SessionFile`]s, which also say what a backup
//! of the device must find.
//!
//! Secrets, names and addresses are invented, and follow from a seed: a lab started again is the same lab.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod chance;
mod clock;
mod emulator;
mod personality;
mod server;
mod session;

pub use clock::{Clock, ManualClock, SystemClock};
pub use emulator::{Chunk, Emulator, Output};
pub use personality::{DeviceState, Personality};
pub use server::{Counters, Failing, Failures, KeyExchange, Lab, LabDevice, LabError, LabSettings};
pub use session::{
    Expectation, ExpectedPart, Place, Problem, SessionError, SessionFile, Source, SourceKind, embedded,
    embedded_platforms,
};
