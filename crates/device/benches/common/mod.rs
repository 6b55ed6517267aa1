//! Simulated devices in a process of their own, and what this process cost.
// Each benchmark uses its part of this.
#![allow(dead_code)]

use netraven_device::Access;
use netraven_lab::{KeyExchange, Lab, LabSettings};
use netraven_model::{Login, Protocol, Target};
use nix::sys::resource::{UsageWho, getrusage};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// What the devices are to be.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub devices: usize,
    pub group14: bool,
    pub think: Duration,
    pub config_size: usize,
}

/// The running simulator; it ends with this.
pub struct Simulator {
    pub devices: Vec<Access>,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
}

impl Simulator {
    pub fn start(wanted: Wanted) -> Self {
        let Wanted { devices, group14, think, config_size } = wanted;
        let numbers = [devices, usize::from(group14), think.as_millis() as usize, config_size];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--simulate")
            .args(numbers.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let devices = (0..devices).map(|_| parse(&read_line(&mut answers))).collect();
        Self { devices, child, orders, answers }
    }

    /// Ends it; the most connections that it had at once.
    pub fn stop(mut self) -> usize {
        drop(self.orders.take());
        let most = read_line(&mut self.answers).parse().unwrap();
        self.child.wait().unwrap();
        most
    }
}

fn read_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn parse(line: &str) -> Access {
    let fields: Vec<&str> = line.split('\t').collect();
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: fields[0].into(),
        address: fields[1].into(),
        protocol: Protocol::Ssh,
        port: fields[2].parse().unwrap(),
        platform: fields[3].into(),
    };
    let login = Login {
        username: fields[4].into(),
        password: Some(fields[5].into()),
        enable: Some(fields[6].into()),
        ..Login::default()
    };
    Access::new(target, login)
}

/// The other side: serves until its input is closed.
pub fn simulate(numbers: &[String]) {
    let numbers: Vec<usize> = numbers.iter().map(|number| number.parse().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(serve(&numbers));
}

async fn serve(numbers: &[usize]) {
    let settings = LabSettings {
        count: u32::try_from(numbers[0]).unwrap(),
        platforms: vec!["arista_eos".into()],
        key_exchange: if numbers[1] == 1 { KeyExchange::Group14 } else { KeyExchange::Modern },
        think_time: Duration::from_millis(numbers[2] as u64),
        config_size: Some(numbers[3]),
        ..LabSettings::default()
    };
    let lab = Lab::start(settings).unwrap();
    for d in lab.devices() {
        let (password, enable) = (d.password.expose_text().unwrap(), d.enable.expose_text().unwrap());
        let (name, platform, user) = (&d.hostname, &d.platform, &d.username);
        println!("{name}\t{}\t{}\t{platform}\t{user}\t{password}\t{enable}", d.address, d.port);
    }
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let mut most = 0;
    while !closed.is_finished() {
        most = most.max(lab.open_connections());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{most}");
    lab.shutdown().await;
}

/// CPU time, user and system, of this process or of the ones that it waited for.
pub fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let spent = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
    };
    spent(usage.user_time()) + spent(usage.system_time())
}

/// Peak resident memory of this process in MiB.
pub fn peak_mib() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF).unwrap().max_rss() as f64 / 1024.0
}

/// Milliseconds per one of `count`.
pub fn each(spent: Duration, count: usize) -> f64 {
    spent.as_secs_f64() * 1000.0 / count as f64
}
