use super::*;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);

async fn pair() -> (TelnetLine, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stream, peer) = tokio::join!(TcpStream::connect(address), listener.accept());
    let line = TelnetLine::new(Stream::Tcp(stream.unwrap()), Terminal::default());
    (line, peer.unwrap().0)
}

/// What comes until the text is so long.
async fn read(line: &mut TelnetLine, length: usize) -> Vec<u8> {
    let mut text = Vec::new();
    while text.len() < length {
        match timeout(LONG, line.recv()).await.unwrap() {
            Chunk::Data(piece) => text.extend(piece),
            end => panic!("{end:?} after {text:?}"),
        }
    }
    text
}

#[tokio::test]
async fn the_mark_of_an_urgent_byte_is_where_it_was_sent() {
    let (mut line, mut peer) = pair().await;
    peer.write_all(b"abc\xff").await.unwrap();
    // `IAC DM`, of which the second byte is urgent.
    SockRef::from(&peer).send_out_of_band(b"\xf2").unwrap();
    peer.write_all(b"def").await.unwrap();
    assert_eq!(read(&mut line, 6).await, b"abcdef");
}

#[tokio::test]
async fn proposals_are_answered_while_text_is_awaited() {
    let (mut line, mut peer) = pair().await;
    peer.write_all(b"\xff\xfb\x01\xff\xfb\x03\xff\xfd\x00login: ").await.unwrap();
    assert_eq!(read(&mut line, 7).await, b"login: ");
    let mut answers = [0; 9];
    tokio::select! {
        _ = line.recv() => panic!("nothing more was sent"),
        read = timeout(LONG, peer.read_exact(&mut answers)) => drop(read.unwrap().unwrap()),
    }
    assert_eq!(&answers, b"\xff\xfd\x01\xff\xfd\x03\xff\xfc\x00");
    line.send(b"ops\n", Phase::Login, Instant::now() + LONG).await.unwrap();
    let mut typed = [0; 5];
    peer.read_exact(&mut typed).await.unwrap();
    assert_eq!(&typed, b"ops\r\0");
}

#[tokio::test]
async fn giving_up_waiting_loses_nothing() {
    let (mut line, mut peer) = pair().await;
    let text: Vec<u8> = (0..40_000_u32).map(|number| b'a' + (number % 26) as u8).collect();
    let sent = text.clone();
    let sending = tokio::spawn(async move {
        for piece in sent.chunks(100) {
            peer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        peer
    });
    let mut received = Vec::new();
    while received.len() < text.len() {
        // Most of these are dropped before anything comes.
        if let Ok(Chunk::Data(piece)) = timeout(Duration::ZERO, line.recv()).await {
            received.extend(piece);
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(received, text);
    drop(sending.await.unwrap());
    assert_eq!(timeout(LONG, line.recv()).await.unwrap(), Chunk::Closed { exit_status: None });
    assert_eq!(
        timeout(LONG, line.recv()).await.unwrap(),
        Chunk::Closed { exit_status: None },
        "it stays closed"
    );
}

#[tokio::test]
async fn a_device_that_takes_nothing_is_a_timeout() {
    let (mut line, _peer) = pair().await;
    let much = vec![b'x'; 32 << 20];
    let deadline = Instant::now() + Duration::from_millis(200);
    let failure = timeout(LONG, line.send(&much, Phase::Collect, deadline)).await.unwrap().unwrap_err();
    assert_eq!(failure.code, ErrorCode::Timeout, "{failure}");
    timeout(LONG, line.close()).await.unwrap();
}

#[tokio::test]
async fn a_device_that_only_proposes_and_takes_no_answers_is_read_no_further() {
    let (mut line, peer) = pair().await;
    let flood = b"\xff\xfb\x63".repeat(100_000);
    let (mut reader, mut writer) = peer.into_split();
    let flooding = tokio::spawn(async move { while writer.write_all(&flood).await.is_ok() {} });
    assert!(timeout(Duration::from_secs(1), line.recv()).await.is_err());
    assert!(line.answers.len() <= MAX_ANSWERS + 2 * PIECE);
    line.close().await;
    let mut rest = Vec::new();
    // Reset or closed; it is the end.
    let _ = timeout(LONG, reader.read_to_end(&mut rest)).await.unwrap();
    timeout(LONG, flooding).await.unwrap().unwrap();
}
