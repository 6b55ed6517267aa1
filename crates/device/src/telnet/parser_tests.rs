use super::*;
use proptest::prelude::*;

fn client() -> TelnetParser {
    TelnetParser::client(Terminal::default())
}

/// Text and answers for the bytes of a line.
fn received(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut parser = client();
    (parser.receive(bytes), parser.take_answers())
}

#[test]
fn what_belongs_to_the_protocol_is_no_text() {
    let line = b"\xff\xfb\x01log\xff\xf1in\xff\xfa\x18\x01\xff\xf0: \xff\xff\r\0\r\n\xff\xf9";
    assert_eq!(received(line).0, b"login: \xff\r\r\n");
}

#[test]
fn echo_go_ahead_window_and_terminal_are_agreed_on_and_all_else_is_refused() {
    let terminal = Terminal { name: "vt100".into(), columns: 511, rows: 24 };
    let mut parser = TelnetParser::client(terminal);
    parser.receive(&[IAC, WILL, ECHO, IAC, WILL, SGA, IAC, DO, WINDOW_SIZE, IAC, DO, TERMINAL_TYPE]);
    let size = [IAC, WILL, WINDOW_SIZE, IAC, SB, WINDOW_SIZE, 1, 255, 255, 0, 24, IAC, SE];
    let agreed = [&[IAC, DO, ECHO, IAC, DO, SGA][..], &size, &[IAC, WILL, TERMINAL_TYPE]].concat();
    assert_eq!(parser.take_answers(), agreed);
    parser.receive(&[IAC, SB, TERMINAL_TYPE, TERMINAL_TYPE_SEND, IAC, SE]);
    assert_eq!(parser.take_answers(), b"\xff\xfa\x18\x00VT100\xff\xf0");
    // Binary both ways, our echo, linemode, environment.
    for (asked, answer) in [(WILL, DONT), (DO, WONT)] {
        for option in [0, 34, 39, 200] {
            parser.receive(&[IAC, asked, option]);
            assert_eq!(parser.take_answers(), [IAC, answer, option]);
        }
    }
    parser.receive(&[IAC, DO, ECHO]);
    assert_eq!(parser.take_answers(), [IAC, WONT, ECHO]);
}

#[test]
fn a_terminal_type_that_was_not_agreed_on_is_not_told() {
    assert_eq!(received(&[IAC, SB, TERMINAL_TYPE, TERMINAL_TYPE_SEND, IAC, SE]).1, b"");
}

#[test]
fn what_is_so_already_is_not_answered_so_that_nobody_loops() {
    let mut parser = client();
    parser.receive(&[IAC, WILL, ECHO]);
    parser.take_answers();
    parser.receive(&[IAC, WILL, ECHO, IAC, WONT, SGA, IAC, DONT, TERMINAL_TYPE, IAC, WONT, 99]);
    assert_eq!(parser.take_answers(), b"");
    parser.receive(&[IAC, WONT, ECHO, IAC, WONT, ECHO]);
    assert_eq!(parser.take_answers(), [IAC, DONT, ECHO]);
}

#[test]
fn two_ends_come_to_rest_and_agree() {
    let (mut client, mut server) = (client(), TelnetParser::server());
    let mut rounds = 0;
    loop {
        let proposed = server.take_answers();
        if proposed.is_empty() {
            break;
        }
        assert_eq!(client.receive(&proposed), b"");
        assert_eq!(server.receive(&client.take_answers()), b"");
        rounds += 1;
    }
    assert_eq!(rounds, 1);
    assert!(client.theirs.is_on(ECHO) && client.theirs.is_on(SGA) && server.theirs.is_on(WINDOW_SIZE));
}

#[test]
fn enter_is_the_key_that_the_device_expects() {
    let mut parser = client();
    assert_eq!(*parser.type_keys(b"show\n"), b"show\r\n");
    parser.receive(&[IAC, WILL, SGA]);
    assert_eq!(*parser.type_keys(b"show\n"), b"show\r\0");
    assert_eq!(*parser.type_keys(b"a\r\nb\r\xff \n"), b"a\r\nb\r\0\xff\xff \r\0");
}

#[test]
fn a_subnegotiation_without_its_end_neither_swallows_the_session_nor_memory() {
    let mut parser = client();
    parser.receive(&[IAC, SB, 99]);
    for _ in 0..1000 {
        assert_eq!(parser.receive(&[b'x'; 1000]), b"");
    }
    assert!(
        matches!(&parser.state, State::Subnegotiation(kept) if kept.capacity() <= 2 * MAX_SUBNEGOTIATION)
    );
    assert_eq!(parser.receive(&[IAC, WILL, ECHO, b'a']), b"a");
}

/// A line with more of the protocol in it than chance would bring.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(vec![
        IAC, IAC, IAC, SB, SE, WILL, WONT, DO, DONT, 0, 1, 3, 24, 31, b'\r', b'\n', b'x',
    ]);
    let byte = prop_oneof![3 => special, 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn neither_text_nor_answers_depend_on_how_the_line_was_cut(
        bytes in line(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.push(bytes.len());
        at.sort_unstable();
        let (mut parser, mut text, mut start) = (client(), Vec::new(), 0);
        for end in at {
            text.extend(parser.receive(&bytes[start..end]));
            start = end;
        }
        let whole = received(&bytes);
        prop_assert_eq!((text, parser.take_answers()), whole);
    }

    #[test]
    fn text_arrives_as_it_was_sent(text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(IAC), Just(b'\r'), Just(b'\n'), Just(0)], 0..200)) {
        let (back, answers) = received(&TelnetParser::escape(&text));
        prop_assert_eq!(back, text);
        prop_assert!(answers.is_empty());
    }

    #[test]
    fn text_and_answers_are_bounded_by_what_came(bytes in line()) {
        let (text, answers) = received(&bytes);
        prop_assert!(text.len() <= bytes.len());
        prop_assert!(answers.len() <= 6 * bytes.len());
    }

    #[test]
    fn any_two_ends_come_to_rest(noise in line()) {
        let (mut client, mut server) = (client(), TelnetParser::server());
        client.receive(&noise);
        for _ in 0..64 {
            server.receive(&client.take_answers());
            client.receive(&server.take_answers());
        }
        prop_assert!(client.take_answers().is_empty() && server.take_answers().is_empty());
    }
}
