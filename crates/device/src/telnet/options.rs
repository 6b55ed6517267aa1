//! Which options are on, agreed upon without loops (RFC 1143).

/// Echo (RFC 857).
pub(super) const ECHO: u8 = 1;
/// Suppress go-ahead (RFC 858).
pub(super) const SGA: u8 = 3;
/// Terminal type (RFC 1091).
pub(super) const TERMINAL_TYPE: u8 = 24;
/// Window size (RFC 1073).
pub(super) const WINDOW_SIZE: u8 = 31;

/// An option that was switched on so often stays off: two ends that answer each other's answers, which one of them did not
/// wait for, would never come to rest.
const MAX_CHANGES: u8 = 8;

/// Where one option stands on one side.
///
/// Nothing is ever switched off from here, so that RFC 1143's states `WANTNO` and its queues never occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Off,
    /// Asked for from here, not answered yet.
    Asked,
    On,
}

/// The options of one side of the connection.
#[derive(Debug)]
pub(super) struct Side {
    /// The options that may be on here.
    allowed: &'static [u8],
    standing: Vec<Standing>,
    /// How often each was agreed to.
    changes: Vec<u8>,
}

/// What the peer's word about an option calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing: it is so already, or it was asked for.
    None,
    /// Agree; the option is on from now on.
    Agree,
    /// Refuse, or confirm that it is off.
    Refuse,
}

impl Side {
    pub(super) fn new(allowed: &'static [u8]) -> Self {
        Self { allowed, standing: vec![Standing::Off; allowed.len()], changes: vec![0; allowed.len()] }
    }

    pub(super) fn is_on(&self, option: u8) -> bool {
        self.find(option).is_some_and(|at| self.standing[at] == Standing::On)
    }

    /// Every option that may be on is asked for, in order.
    pub(super) fn ask_for_all(&mut self) -> &'static [u8] {
        self.standing.fill(Standing::Asked);
        self.allowed
    }

    /// The peer switches an option on, or wants it on (`WILL`, `DO`).
    pub(super) fn on(&mut self, option: u8) -> Answer {
        let Some(at) = self.find(option) else { return Answer::Refuse };
        if self.standing[at] != Standing::Off {
            self.standing[at] = Standing::On;
            return Answer::None;
        }
        if self.changes[at] == MAX_CHANGES {
            return Answer::Refuse;
        }
        self.changes[at] += 1;
        self.standing[at] = Standing::On;
        Answer::Agree
    }

    /// The peer switches an option off, or wants it off (`WONT`, `DONT`). That may not be refused.
    pub(super) fn off(&mut self, option: u8) -> Answer {
        let Some(at) = self.find(option) else { return Answer::None };
        match std::mem::replace(&mut self.standing[at], Standing::Off) {
            Standing::On => Answer::Refuse,
            Standing::Asked | Standing::Off => Answer::None,
        }
    }

    fn find(&self, option: u8) -> Option<usize> {
        self.allowed.iter().position(|allowed| *allowed == option)
    }
}
