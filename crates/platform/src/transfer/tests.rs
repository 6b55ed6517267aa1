use super::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn begin(path: &str, protocol: FileProtocol) -> Transfer {
    let now = Instant::now();
    let request = FileRequest {
        path: path.to_owned(),
        over: vec![protocol],
        silence: 10 * SECOND,
        until: now + 60 * SECOND,
        most: 1 << 20,
    };
    Transfer::new(&request, protocol, now)
}

/// Everything that is to be sent now.
fn sent(transfer: &mut Transfer) -> Vec<u8> {
    let (mut all, now) = (Vec::new(), Instant::now());
    while let TransferNext::Send(bytes) = transfer.next(now) {
        all.extend(bytes);
    }
    all
}

fn say(transfer: &mut Transfer, bytes: &[u8]) {
    transfer.receive(bytes, Instant::now());
}

fn content(transfer: Transfer) -> Vec<u8> {
    match transfer.finish() {
        Fetched::Content(content) => content.expose_bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn failure(transfer: Transfer) -> Failure {
    match transfer.finish() {
        Fetched::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn refusal(transfer: Transfer) -> String {
    match transfer.finish() {
        Fetched::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

/// What `scp -f` says, with nothing in between: our oks are not waited for.
fn scp(said: &[u8]) -> Transfer {
    let mut transfer = begin("/f", FileProtocol::Scp);
    say(&mut transfer, said);
    transfer
}

#[test]
fn a_path_is_quoted_only_where_a_shell_would_take_it_apart() {
    let command = |path| match Transfer::opening(path, FileProtocol::Scp) {
        Opening::Command(command) => command,
        other => panic!("{other:?}"),
    };
    assert_eq!(command("/etc/config.conf"), "scp -f /etc/config.conf");
    assert_eq!(command("/tmp/a b"), "scp -f '/tmp/a b'");
    assert_eq!(command("/tmp/it's $(reboot)"), r"scp -f '/tmp/it'\''s $(reboot)'");
    assert_eq!(command("~/*"), "scp -f '~/*'");
}

#[test]
fn scp_brings_a_file_in_any_pieces() {
    let mut said = b"T1700000000 0 1700000000 0\nC0644 300 name with blanks\n".to_vec();
    let bytes: Vec<u8> = (0..300u16).map(|n| n as u8).collect();
    said.extend(&bytes);
    said.push(0);
    for piece in [1, 7, said.len()] {
        let mut transfer = begin("/f", FileProtocol::Scp);
        let mut acknowledged = sent(&mut transfer);
        for piece in said.chunks(piece) {
            say(&mut transfer, piece);
            acknowledged.extend(sent(&mut transfer));
        }
        assert_eq!(acknowledged, [0; 4], "to begin, for T, for C and behind the file");
        assert_eq!(content(transfer), bytes);
    }
    assert_eq!(content(scp(b"C0600 0 empty\n\0")), b"");
}

#[test]
fn a_warning_before_the_file_does_not_lose_it() {
    assert_eq!(content(scp(b"\x01scp: something odd\nC0644 2 f\nok\0")), b"ok");
}

#[test]
fn what_scp_refuses_is_said_in_its_words() {
    let mut missing = scp(b"\x01scp: /f: No such file or directory\n");
    missing.ended(Some(1));
    assert!(refusal(missing).contains("No such file"));
    assert!(refusal(scp(b"\x02scp: fatal\n")).contains("fatal"));
    assert!(refusal(scp(b"D0755 0 f\n")).contains("directory"));
    assert!(refusal(scp(b"% Invalid input\r\n")).contains("Invalid input"));
    let mut absent = scp(b"");
    absent.errors(b"sh: scp: not found\n", Instant::now());
    absent.ended(Some(127));
    let why = refusal(absent);
    assert!(why.contains("status 127") && why.contains("not found"), "{why}");
    for odd in ["C0644 x f\n", "C0644\n", "Cwx 1 f\n", "C0644 99999999999999999999 f\n"] {
        assert!(refusal(scp(odd.as_bytes())).contains("announced"), "{odd}");
    }
    assert!(refusal(scp(&b"T0 0 0 0\n".repeat(17))).contains("announces no file"));
    assert!(refusal(scp(&[b'C'; 5000])).len() < 1000);
}

#[test]
fn a_file_that_scp_does_not_bring_whole_is_none() {
    let mut cut = scp(b"C0644 1000000 f\nten bytes.");
    cut.ended(Some(0));
    let failure_of_cut = failure(cut);
    assert_eq!(failure_of_cut.code, ErrorCode::Truncated);
    assert!(failure_of_cut.message.contains("10 of 1000000 bytes"), "{failure_of_cut}");
    // Filled up, because it became shorter.
    assert_eq!(failure(scp(b"C0644 2 f\n\0\0\x01scp: read error\n")).code, ErrorCode::Truncated);
    let mut silent_end = scp(b"C0644 2 f\nok");
    silent_end.ended(Some(0));
    assert_eq!(failure(silent_end).code, ErrorCode::Truncated);
}

#[test]
fn more_than_the_bound_is_refused_before_it_comes() {
    let failure = failure(scp(b"C0644 1073741824 f\n"));
    assert_eq!(failure.code, ErrorCode::OutputTooLarge);
    assert!(failure.message.contains("1073741824"), "{failure}");
}

#[test]
fn silence_and_the_end_of_the_session_end_a_transfer() {
    let mut transfer = begin("/f", FileProtocol::Scp);
    let now = Instant::now();
    sent(&mut transfer);
    let TransferNext::Wait(until) = transfer.next(now) else { panic!("it waits") };
    assert!(until <= now + 10 * SECOND);
    assert_eq!(transfer.next(until), TransferNext::Finished);
    let failure = failure(transfer);
    assert_eq!(failure.code, ErrorCode::Timeout);
    assert!(failure.message.contains("nothing of it had come"), "{failure}");
}

/// A server of SFTP with one file.
struct Server {
    file: Vec<u8>,
    /// What its attributes say.
    size: u64,
    mode: u32,
    /// The most it sends at once.
    piece: usize,
    /// Whether it answers each batch of requests from the last one to the first.
    backwards: bool,
}

impl Server {
    fn new(file: &[u8]) -> Self {
        Self {
            file: file.to_vec(),
            size: file.len() as u64,
            mode: 0o100_644,
            piece: 1 << 20,
            backwards: false,
        }
    }

    /// The answers to what was sent.
    fn answer(&self, mut sent: &[u8]) -> Vec<u8> {
        let mut answers = Vec::new();
        while !sent.is_empty() {
            let length = u32::from_be_bytes(sent[..4].try_into().unwrap()) as usize;
            answers.extend(self.packet(&sent[4..4 + length]));
            sent = &sent[4 + length..];
        }
        if self.backwards {
            answers.reverse();
        }
        answers.concat()
    }

    fn packet(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let id = &packet[1..5];
        let framed = |kind: u8, body: &[&[u8]]| {
            let body = body.concat();
            Some([&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], &body].concat())
        };
        let text = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text].concat();
        match packet[0] {
            1 => framed(2, &[&3u32.to_be_bytes()]),
            3 => framed(102, &[id, &text(b"h")]),
            8 => framed(105, &[id, &5u32.to_be_bytes(), &self.size.to_be_bytes(), &self.mode.to_be_bytes()]),
            5 => {
                let offset = u64::from_be_bytes(packet[10..18].try_into().unwrap()) as usize;
                let wanted = u32::from_be_bytes(packet[18..22].try_into().unwrap()) as usize;
                let rest = self.file.get(offset..).unwrap_or_default();
                match &rest[..rest.len().min(wanted).min(self.piece)] {
                    b"" => framed(101, &[id, &1u32.to_be_bytes(), &text(b"EOF"), &text(b"")]),
                    data => framed(103, &[id, &text(data)]),
                }
            }
            4 => None,
            other => panic!("packet {other}"),
        }
    }

    /// A whole transfer, in pieces of so many bytes.
    fn fetch(&self, piece: usize) -> Transfer {
        let mut transfer = begin("/f", FileProtocol::Sftp);
        loop {
            let answers = self.answer(&sent(&mut transfer));
            if answers.is_empty() {
                return transfer;
            }
            answers.chunks(piece).for_each(|piece| say(&mut transfer, piece));
        }
    }
}

#[test]
fn sftp_brings_a_file_in_any_pieces_and_order() {
    let file: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    for (piece, at_once, backwards) in
        [(1 << 20, 1 << 20, false), (1000, 1 << 20, true), (1 << 20, 10_000, false), (77, 9_999, true)]
    {
        let server = Server { piece: at_once, backwards, ..Server::new(&file) };
        assert_eq!(content(server.fetch(piece)), file);
    }
    assert_eq!(content(Server::new(b"").fetch(1)), b"");
    assert_eq!(content(Server { piece: 1, ..Server::new(b"abc") }.fetch(1)), b"abc");
}

#[test]
fn a_file_that_grows_or_shrinks_while_sftp_reads_it_is_truncated() {
    for size in [5, 7] {
        let failure = failure(Server { size, ..Server::new(b"sixsix") }.fetch(100));
        assert_eq!(failure.code, ErrorCode::Truncated, "{failure}");
    }
}

#[test]
fn what_sftp_does_not_give_is_refused_and_what_is_too_large_is_not_asked_for() {
    assert!(refusal(Server { mode: 0o040_755, ..Server::new(b"") }.fetch(100)).contains("directory"));
    let failure = failure(Server { size: 1 << 30, ..Server::new(b"") }.fetch(100));
    assert_eq!(failure.code, ErrorCode::OutputTooLarge);
    let mut transfer = begin("/f", FileProtocol::Sftp);
    let answers = Server::new(b"").answer(&sent(&mut transfer));
    say(&mut transfer, &answers);
    // SSH_FX_NO_SUCH_FILE
    say(&mut transfer, b"\0\0\0\x19\x65\0\0\0\x01\0\0\0\x02\0\0\0\x07No such\0\0\0\x01en");
    let why = refusal(transfer);
    assert!(why.contains("code 2") && why.contains("No such"), "{why}");
}

#[test]
fn who_does_not_speak_sftp_is_found_out() {
    let mut transfer = begin("/f", FileProtocol::Sftp);
    say(&mut transfer, b"This service is not enabled.\r\n");
    assert!(refusal(transfer).contains("not enabled"));
    let mut transfer = begin("/f", FileProtocol::Sftp);
    transfer.ended(Some(127));
    assert!(refusal(transfer).contains("127"));
    let mut transfer = begin("/f", FileProtocol::Sftp);
    let answers = Server::new(b"").answer(&sent(&mut transfer));
    say(&mut transfer, &answers);
    say(&mut transfer, b"\xff\xff\xff\xffnonsense");
    assert_eq!(failure(transfer).code, ErrorCode::SshProtocol);
}

#[test]
fn no_bytes_make_a_transfer_panic() {
    // A walk through all short inputs that differ in one byte from a good one.
    let good = [&b"\0\0\0\x05\x02\0\0\0\x03"[..], b"\0\0\0\x0a\x66\0\0\0\x01\0\0\0\x01h"].concat();
    for at in 0..good.len() {
        for byte in [0, 1, 0x65, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            for protocol in [FileProtocol::Scp, FileProtocol::Sftp] {
                let mut transfer = begin("/f", protocol);
                say(&mut transfer, &bytes);
                sent(&mut transfer);
                transfer.ended(None);
                assert!(!matches!(transfer.finish(), Fetched::Content(_)));
            }
        }
    }
}
