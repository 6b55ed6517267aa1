//! A process with secrets in its memory leaves no core dump.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Place;
use std::io::{BufRead, BufReader};

#[test]
fn a_running_process_has_core_dumps_switched_off() {
    let place = Place::without_database();
    let mut child = place.command(&["lab", "--devices", "1", "--json"]).spawn().unwrap();
    let mut first = String::new();
    // What it prints says that it is up.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let owner = std::fs::metadata(format!("/proc/{}/mem", child.id())).map(|file| {
        use std::os::unix::fs::MetadataExt;
        file.uid()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!first.is_empty());
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let values: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(values, ["0", "0"], "{core}");
    // proc(5): of a process that is not dumped these files belong to root.
    assert_eq!(owner.unwrap(), 0);
}
