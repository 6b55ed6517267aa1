//! Two schedulers, two gateways without a database, and the job logging service, each a process of its own.

use crate::common::Place;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

/// Short leases, so that a death does not cost a minute; retries as many as it takes.
const SCHEDULER: &[&str] = &[
    "--set=scheduler.lease_seconds=5",
    "--set=scheduler.breaker_after=0",
    "--set=retry.base_seconds=1",
    "--set=retry.limit_seconds=5",
    "--set=retry.attempts=100",
    "--set=device.parallel_sessions=20",
];

/// The processes, which are started again when they are dead.
pub struct Crew {
    /// Where schedulers and the job logging service live.
    centre: Place,
    /// Where the gateways live: without the database and its keys.
    site: Place,
    members: Vec<Member>,
    joblog: u16,
}

struct Member {
    arguments: Vec<String>,
    at_site: bool,
    child: Child,
}

impl Crew {
    /// Starts all of them. `centre` has the database's URL among its variables.
    pub fn start(mut centre: Place) -> Self {
        let site = Place::without_database();
        let key = site.good(&["gateway", "key", "add", "scheduler", "--right", "jobs"]);
        let key_file = centre.file("gateways.key", key.trim());
        std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o600)).unwrap();
        let gateways = [free_port(), free_port()];
        let mut text = String::from("scheduler:\n  gateways:\n");
        for (number, port) in gateways.iter().enumerate() {
            let file = key_file.display();
            text += &format!("    g{number}: {{url: 'http://127.0.0.1:{port}', key_file: {file}}}\n");
        }
        centre.file("killed.yaml", text);
        let folder = centre.folder().to_str().unwrap().to_owned();
        centre.variables.push(("NETRAVEN_ENV", "killed".to_owned()));
        centre.variables.push(("NETRAVEN_CONFIG_DIR", folder));

        let joblog = free_port();
        let mut crew = Self { centre, site, members: Vec::new(), joblog };
        for _ in 0..2 {
            crew.add(false, &[&["serve", "scheduler"][..], SCHEDULER].concat());
        }
        for port in gateways {
            let listen = format!("--set=gateway.listen=127.0.0.1:{port}");
            crew.add(true, &["serve", "gateway", "--set=gateway.database=off", &listen]);
        }
        crew.add(false, &["serve", "joblog", &format!("--set=joblog.listen=127.0.0.1:{joblog}")]);
        crew
    }

    fn add(&mut self, at_site: bool, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let child = spawn(if at_site { &self.site } else { &self.centre }, &arguments);
        self.members.push(Member { arguments, at_site, child });
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Where the job logging service listens.
    pub fn joblog(&self) -> String {
        format!("127.0.0.1:{}", self.joblog)
    }

    /// The key of the first start, once there is one, which may send events.
    pub fn joblog_key(&self) -> Option<String> {
        let file = self.centre.folder().join("data/keys/joblog_key.txt");
        std::fs::read_to_string(file).ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty())
    }

    /// Kills one with SIGKILL; what it was.
    pub fn kill(&mut self, index: usize) -> String {
        let Member { arguments, child, .. } = &mut self.members[index];
        // One that has ended by itself is as dead.
        let _ = child.kill();
        child.wait().unwrap();
        arguments[..2].join(" ")
    }

    /// Starts again what does not run, as a service manager does.
    pub fn raise_the_dead(&mut self) {
        for member in &mut self.members {
            if member.child.try_wait().unwrap().is_some() {
                let place = if member.at_site { &self.site } else { &self.centre };
                member.child = spawn(place, &member.arguments);
            }
        }
    }

    /// What the processes wrote, of all their lives.
    pub fn log(&self) -> String {
        let read =
            |place: &Place| std::fs::read_to_string(place.folder().join("crew.log")).unwrap_or_default();
        read(&self.centre) + &read(&self.site)
    }
}

impl Drop for Crew {
    /// Also where an assertion failed.
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// One that the system does not give to outgoing connections.
fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let first = 20_000 + (uuid::Uuid::new_v4().as_u128() % 10_000) as u16;
    (first..first + 1_000).find(free).expect("a free port")
}

fn spawn(place: &Place, arguments: &[String]) -> Child {
    // Appended to, so that the story of all lives stands in one file.
    let log = File::options().create(true).append(true).open(place.folder().join("crew.log")).unwrap();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    place.command(&words).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}
