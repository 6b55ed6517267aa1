use crate::pieces::{Pieces, cut};
use netraven_device::{TelnetParser, Terminal};

/// The Telnet parser: neither text nor answers depend on how the line arrived, both are bounded by it, and what is sent is
/// read as it was.
pub fn telnet(input: &[u8]) {
    let mut pieces = Pieces(input);
    let lengths = pieces.take(4);
    let line = pieces.0;
    let mut whole = TelnetParser::client(Terminal::default());
    let (text, answers) = (whole.receive(line), whole.take_answers());
    assert!(text.len() <= line.len() && answers.len() <= 6 * line.len());

    let mut parts = TelnetParser::client(Terminal::default());
    let cut: Vec<u8> = cut(line, lengths).into_iter().flat_map(|piece| parts.receive(piece)).collect();
    assert_eq!((cut, parts.take_answers()), (text, answers), "cut with {lengths:?}");

    let mut other = TelnetParser::server();
    other.take_answers();
    assert_eq!(other.receive(&TelnetParser::escape(line)), line);
    assert!(other.take_answers().is_empty());
    // What is typed is no more than the keys, each with what it needs to be told from the protocol.
    assert!(whole.type_keys(line).len() <= 2 * line.len());
}
