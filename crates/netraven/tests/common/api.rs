//! Requests to the gateway's API that the program serves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

/// One request, answered whole: status and body.
pub fn request(address: &str, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The address behind `gateway  http://`, which the program prints when it listens.
pub fn address(child: &mut Child) -> String {
    address_of(child, "gateway")
}

/// The same of another service.
pub fn address_of(child: &mut Child, service: &str) -> String {
    let mut reader = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "ended before it said where it listens");
        if let Some((name, url)) = line.split_once("http://")
            && name.starts_with(service)
        {
            return url.trim().to_owned();
        }
    }
}
