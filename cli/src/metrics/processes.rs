//! What `/proc` says of processes, and of how much the host has to do.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// When it started, in ticks since the boot: tells it from another one of the same number.
    pub started: u64,
    /// Time on processors, in ticks.
    pub cpu: u64,
    /// Heap and stack, bytes. What a forked process still has in common with the one that it was forked from counts in both.
    pub anonymous_bytes: u64,
    /// Memory that it shares with others as far as it has touched it: the segment, program files, bytes.
    pub shared_bytes: u64,
}

/// A process that lives; one that has ended and was not collected does not.
pub fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (started, cpu) = parse_stat(&stat)?;
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let (anonymous, shared) = parse_statm(&statm)?;
    let page = page_bytes();
    Some(Process { started, cpu, anonymous_bytes: anonymous * page, shared_bytes: shared * page })
}

/// Start and processor time of a line of `/proc/PID/stat`.
fn parse_stat(stat: &str) -> Option<(u64, u64)> {
    // The name of the program may have anything in it, also parentheses.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // Counted from the state on, which is the third field of the line.
    (*fields.first()? != "Z").then_some(())?;
    Some((number(19)?, number(11)? + number(12)?))
}

/// Anonymous and shared pages, of a line of `/proc/PID/statm`.
fn parse_statm(statm: &str) -> Option<(u64, u64)> {
    let mut fields = statm.split_whitespace().skip(1);
    let resident: u64 = fields.next()?.parse().ok()?;
    let shared: u64 = fields.next()?.parse().ok()?;
    Some((resident.saturating_sub(shared), shared))
}

fn system(name: SysconfVar, usual: u64) -> u64 {
    sysconf(name).ok().flatten().and_then(|value| u64::try_from(value).ok()).unwrap_or(usual)
}

fn page_bytes() -> u64 {
    system(SysconfVar::PAGE_SIZE, 4096)
}

/// Ticks of a second.
pub fn ticks_per_second() -> u64 {
    system(SysconfVar::CLK_TCK, 100)
}

/// The load of the last minute.
pub fn load_1min() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Processors that are there.
pub fn processors() -> u64 {
    system(SysconfVar::_NPROCESSORS_ONLN, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let line = "42 (a) R (b) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 1 0 777 1000 20 18446744073709551615";
        assert_eq!(parse_stat(line), Some((777, 12)));
        assert_eq!(parse_stat(&line.replace(") S ", ") Z ")), None);
        assert_eq!(parse_stat("42"), None);
        assert_eq!(parse_statm("1000 300 200 1 0 90 0"), Some((100, 200)));
    }

    #[test]
    fn this_process_lives_and_none_has_number_0() {
        let own = read(std::process::id()).expect("this process is there");
        assert!(own.anonymous_bytes > 0 && own.started > 0);
        assert_eq!(read(0), None);
    }
}
