//! The simulated devices, in a process of their own.

use crate::Scenario;
use netraven_lab::{Lab, LabSettings};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// One device as the simulator announces it.
pub struct Line {
    pub hostname: String,
    pub address: String,
    pub port: u16,
    pub platform: String,
    pub username: String,
    pub password: String,
    pub enable: String,
}

/// The running simulator.
pub struct Simulator {
    pub devices: Vec<Line>,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Simulator {
    pub fn start(scenario: Scenario) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args(["--simulate", scenario.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let devices = (0..scenario.devices).map(|_| parse(&read_line(&mut answers))).collect();
        Self { devices, child, orders, answers }
    }

    /// An operator changes every device.
    pub fn change_all(&mut self) {
        self.orders.write_all(b"change\n").unwrap();
        assert_eq!(read_line(&mut self.answers), "changed");
    }

    pub fn stop(mut self) {
        drop(self.orders);
        self.child.wait().unwrap();
    }
}

fn read_line(from: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn parse(line: &str) -> Line {
    let mut fields = line.split('\t').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_else(|| panic!("the simulator said {line:?}"));
    Line {
        hostname: next(),
        address: next(),
        port: next().parse().unwrap(),
        platform: next(),
        username: next(),
        password: next(),
        enable: next(),
    }
}

/// The other side: serves until its input is closed.
pub fn run(scenario: Scenario) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(serve(scenario));
}

async fn serve(scenario: Scenario) {
    let names: &[&str] = if scenario.two_commands { &["arista_eos"] } else { &["cisco_ios", "arista_eos"] };
    let platforms = names.iter().map(|name| (*name).to_owned()).collect();
    let settings = LabSettings {
        count: u32::try_from(scenario.devices).unwrap(),
        platforms,
        config_size: Some(scenario.bytes),
        think_time: scenario.think,
        ..LabSettings::default()
    };
    let lab = Lab::start(settings).unwrap();
    let devices = lab.devices();
    for d in &devices {
        println!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}",
            d.hostname,
            d.address,
            d.port,
            d.platform,
            d.username,
            d.password.expose_text().unwrap(),
            d.enable.expose_text().unwrap()
        );
    }
    let lines = BufReader::new(std::io::stdin()).lines();
    for _ in lines {
        assert!(devices.iter().all(|device| lab.change(device.index)));
        println!("changed");
    }
    lab.shutdown().await;
}
