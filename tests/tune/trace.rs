//! What strace says of a run, and runs that strace breaks off.

use super::space::{PATHVET, command};
use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

/// System calls that change something, or may.
const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,sync,rename,renameat,renameat2,unlink,unlinkat,\
mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,truncate,ftruncate,link,linkat,symlink,symlinkat,mknod,\
mknodat,setxattr,fsetxattr,utimensat,fallocate,sendfile,copy_file_range";

/// One write-like call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its name.
    pub(crate) name: String,
    /// The how many-th call of that name it is in this process, from 1, calls that only read included.
    pub(crate) nth: usize,
    /// As strace wrote it.
    pub(crate) line: String,
}

/// Runs pathvet under strace and returns every write-like call, in order. The program must have one thread.
pub(crate) fn calls(args: &[&str]) -> (Output, Vec<Call>) {
    let log = "/run/trace";
    let output =
        command("strace", &["-f", "-y", "-s", "200", "-o", log, "-e", &format!("trace=?{}", CALLS.replace(',', ",?")), PATHVET])
            .args(args)
            .output()
            .expect("strace runs");
    let text = fs::read_to_string(log).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut pids: Vec<&str> = Vec::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (pid, call) = line.split_once(' ').unwrap();
        if !pids.contains(&pid) {
            pids.push(pid);
        }
        let call = call.trim();
        let Some((name, _)) = call.split_once('(') else { continue };
        let nth = counts.entry(name.to_owned()).or_default();
        *nth += 1;
        let opens =
            name.starts_with("open") && !["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| call.contains(flag));
        if !opens {
            calls.push(Call { name: name.to_owned(), nth: *nth, line: call.to_owned() });
        }
    }
    assert_eq!(pids.len(), 1, "one thread, one process");
    (output, calls)
}

/// Runs pathvet and lets `what` (`signal=KILL`, `error=ENOSPC`) happen at one call.
pub(crate) fn broken(args: &[&str], call: &Call, what: &str) -> Output {
    let inject = format!("inject={}:{what}:when={}", call.name, call.nth);
    command("strace", &["-f", "-o", "/run/trace.broken", "-e", &format!("trace={}", call.name), "-e", &inject, PATHVET])
        .args(args)
        .output()
        .expect("strace runs")
}
