//! What keeps secrets in this process's memory: no core dumps, and panics that quote nothing.

use crate::output::note;
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{Location, PanicHookInfo};

/// Guards the process. To be called before anything secret is in its memory.
pub fn set_up() {
    std::panic::set_hook(Box::new(report));
    // A limit of 0 also holds for the programs that are started. Where a program takes the dumps the kernel does not ask for
    // the limit (core(5)), so that the process is marked as one that is not dumped besides.
    let limited = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    if let Err(error) = limited.and_then(|()| set_dumpable(false)) {
        note(&format!("warning: core dumps of this process could not be switched off: {error}"));
    }
}

fn report(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = describe(panic.payload(), panic.location(), thread.name());
    let backtrace = Backtrace::capture();
    if tracing::dispatcher::has_been_set() {
        tracing::error!("{message}");
    } else {
        note(&message);
    }
    // Names of functions and places in the source only; on demand, as everywhere (RUST_BACKTRACE).
    if backtrace.status() == BacktraceStatus::Captured {
        note(&backtrace.to_string());
    }
}

/// A text that stands in the program is shown; one that was put together may quote a secret: a value that was not
/// expected, a text that was cut in the wrong place.
fn describe(payload: &(dyn Any + Send), at: Option<&Location<'_>>, thread: Option<&str>) -> String {
    let text = payload.downcast_ref::<&'static str>();
    let text = text.map_or("its message is not shown, because it may quote a secret", |text| text);
    let place = at.map_or_else(|| "an unknown place".to_owned(), Location::to_string);
    let thread = thread.unwrap_or("without a name");
    format!("error in the program at {place} (thread {thread}): {text}; please report this")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    fn described(panic: impl FnOnce() + std::panic::UnwindSafe) -> String {
        describe(&*catch_unwind(panic).unwrap_err(), Some(Location::caller()), Some("worker"))
    }

    #[test]
    fn a_panic_tells_where_it_was_and_no_value() {
        let secret = "canary-ü".to_owned();
        let cut = described(|| drop(secret[..8].to_owned()));
        assert!(cut.contains("guard.rs:") && cut.contains("(thread worker)"), "{cut}");
        assert!(!cut.contains("canary"), "{cut}");
        let refused: Result<u32, &str> = std::hint::black_box(Err("canary"));
        let unwrapped = described(|| {
            refused.unwrap();
        });
        assert!(!unwrapped.contains("canary"), "{unwrapped}");
        assert!(described(|| panic!("a text of the program")).contains("a text of the program"));
    }
}
