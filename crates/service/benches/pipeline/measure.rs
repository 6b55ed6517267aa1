//! CPU and memory as the kernel accounts for them (proc(5), getrusage(2)).

use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::time::Duration;

/// CPU time of this process alone, user and system.
pub fn own_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let spent = |time: nix::sys::time::TimeVal| {
        Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
    };
    spent(usage.user_time()) + spent(usage.system_time())
}

/// Peak resident memory of this process in MiB.
pub fn own_peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// CPU time of PostgreSQL: the server, its living children and those it has reaped.
pub fn postgres_cpu(data_dir: &std::path::Path) -> Duration {
    let pid_file = fs::read_dir(data_dir).unwrap().flatten().map(|entry| entry.path().join("postmaster.pid"));
    let pid_file = pid_file.into_iter().find(|path| path.exists()).expect("the private server runs");
    let server: u32 = fs::read_to_string(pid_file).unwrap().lines().next().unwrap().trim().parse().unwrap();
    let ticks: u64 = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| Some((pid, fields(pid)?)))
        .filter(|(pid, fields)| *pid == server || fields[1] == u64::from(server))
        .map(|(pid, fields)| {
            fields[11] + fields[12] + if pid == server { fields[13] + fields[14] } else { 0 }
        })
        .sum();
    // USER_HZ is 100 on every Linux that Rust runs on.
    Duration::from_millis(ticks * 10)
}

/// The numbers of `/proc/<pid>/stat` behind the command's name: [0] state (as 0), [1] parent, ...
fn fields(pid: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect())
}
