//! A lab leaves nothing behind, and says why when it cannot be.

use pathvet::lab::Lab;
use pathvet::lab::topologies::{Family, Topology};
use pathvet::sys::frame::wait_readable;
use pathvet::sys::ns::{open_process, user_and_group};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn start(name: &str) -> Lab {
    let topology = Topology::find(name).expect("the topology exists");
    Lab::start_with(Path::new(PATHVET), topology, Family::V4).expect("the lab starts")
}

/// Waits until every process has ended. The limit is there for a test that fails, which would wait for ever.
fn assert_all_end(processes: &[OwnedFd]) {
    for process in processes {
        assert!(wait_readable(&[process.as_fd()], Some(Duration::from_secs(20))).expect("poll works"), "a host is left behind");
    }
}

fn has_ended(process: &OwnedFd) -> bool {
    wait_readable(&[process.as_fd()], Some(Duration::ZERO)).expect("poll works")
}

/// A demo that keeps its network, and descriptors of the hosts' processes.
fn keeping(program: &mut Command) -> (Child, Vec<OwnedFd>) {
    let mut demo = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the demo starts");
    let lines = BufReader::new(demo.stdout.take().expect("it is a pipe")).lines().map(|line| line.expect("it is text"));
    let mut hosts = Vec::new();
    for line in lines {
        let pid = line.trim().strip_prefix("nsenter -t ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        if let Some(pid) = pid {
            hosts.push(open_process(pid).expect("the host runs"));
        }
        if line.ends_with("# sw1") {
            break;
        }
    }
    assert_eq!(hosts.len(), 3);
    (demo, hosts)
}

#[test]
fn dropping_a_lab_ends_every_host_before_it_returns() {
    let lab = start("router-honest");
    let hosts: Vec<_> = lab.processes().map(|(_, pid)| open_process(pid).expect("the host runs")).collect();
    assert_eq!(hosts.len(), 4);
    assert!(!hosts.iter().any(has_ended));
    drop(lab);
    assert!(hosts.iter().all(has_ended));
}

#[test]
fn killing_the_demo_ends_every_host() {
    let (mut demo, hosts) = keeping(Command::new(PATHVET).args(["demo", "--keep"]));
    demo.kill().expect("it can be killed");
    demo.wait().expect("it ends");
    assert_all_end(&hosts);
}

/// Whatever the demo has started holds its standard error, so that its end is the end of all.
#[test]
fn killing_the_demo_at_any_moment_leaves_nothing() {
    for moment in 0..40 {
        let mut demo = Command::new(PATHVET)
            .args(["demo", "--keep"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        // No moment is special: each round lets it get a little further.
        for _ in 0..moment * moment {
            std::thread::yield_now();
            std::hint::black_box(std::fs::read_to_string("/proc/self/stat").expect("it is there"));
        }
        demo.kill().expect("it can be killed");
        demo.wait().expect("it ends");
        let mut stderr = demo.stderr.take().expect("it is a pipe");
        let ended = wait_readable(&[stderr.as_fd()], Some(Duration::from_secs(20))).expect("poll works");
        assert!(ended, "round {moment}: a process is left behind");
        let mut text = String::new();
        stderr.read_to_string(&mut text).expect("it is text");
        assert_eq!(text, "", "round {moment}");
    }
}

/// Ctrl-C reaches every process of the terminal's foreground group at once.
#[test]
fn an_interrupt_of_the_whole_group_ends_a_kept_demo() {
    let (mut demo, hosts) = keeping(Command::new(PATHVET).args(["demo", "--keep"]).process_group(0));
    let group = format!("-{}", demo.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().expect("kill runs").success());
    assert!(!demo.wait().expect("it ends").success());
    assert_all_end(&hosts);
}

#[test]
fn killing_any_host_with_programs_in_it_ends_the_others_with_the_first() {
    let lab = start("story");
    let hosts: Vec<_> = lab.processes().map(|(_, pid)| open_process(pid).expect("the host runs")).collect();
    let first = lab.processes().find(|(name, _)| *name == "node1").expect("node1 is a host").1;
    let kill = Command::new("kill").args(["-9", &first.to_string()]).status().expect("kill runs");
    assert!(kill.success());
    assert_all_end(&hosts);
    assert!(lab.counters("sw1").is_err(), "the lab has ended");
}

#[test]
fn programs_end_with_the_thread_that_started_them() {
    let lab = start("clean");
    let program = std::thread::scope(|scope| {
        let spawned = scope.spawn(|| {
            let mut program = lab.command("node1", &["sh", "-c", "echo runs; exec sleep 1000"]).expect("node1 is a host");
            let mut program = program.stdout(Stdio::piped()).spawn().expect("it starts");
            let mut line = String::new();
            BufReader::new(program.stdout.take().expect("it is a pipe")).read_line(&mut line).expect("it is text");
            assert_eq!(line, "runs\n");
            program
        });
        spawned.join().expect("the thread ends")
    });
    assert_all_end(&[open_process(program.id()).expect("nobody has waited for it")]);
    let mut program = program;
    assert!(!program.wait().expect("it ended").success());
}

#[test]
fn enter_ends_a_kept_demo() {
    let (mut demo, hosts) = keeping(Command::new(PATHVET).args(["demo", "--keep"]));
    assert!(!hosts.iter().any(has_ended));
    demo.stdin.take().expect("it is a pipe").write_all(b"\n").expect("it reads");
    demo.wait().expect("it ends");
    assert!(hosts.iter().all(has_ended));
}

/// A copy of the program where everybody may read it, an empty home, no right at all.
#[test]
fn an_ordinary_user_can_have_a_lab() {
    let directory = tempfile::Builder::new().prefix("pathvet-test").tempdir_in("/tmp").expect("/tmp is writable");
    Command::new("chmod").arg("755").arg(directory.path()).status().expect("chmod runs");
    let copy = directory.path().join("pathvet");
    std::fs::copy(PATHVET, &copy).expect("the program can be copied");
    let mut command = if user_and_group().0 == 0 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]);
        command.arg(&copy);
        command
    } else {
        Command::new(&copy)
    };
    let (mut demo, hosts) = keeping(command.args(["demo", "--keep"]).env("HOME", "").current_dir("/"));
    drop(demo.stdin.take());
    demo.wait().expect("it ends");
    assert_all_end(&hosts);
}

#[test]
fn forbidden_namespaces_are_explained() {
    let lab = start("clean");
    // The limit holds for the lab's own user namespace only.
    let limit = lab.run("node1", &["sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces"]).expect("sh runs");
    assert!(limit.status.success(), "{limit:?}");
    let output = lab.run_without_rights("node1", &["pathvet", "demo"]).expect("it starts");
    assert!(!output.status.success());
    assert!(output.stderr.contains("user.max_user_namespaces is 0"), "{}", output.stderr);
    assert!(output.stderr.contains("sudo"), "{}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

/// Root of the machine can have a lab where user namespaces are forbidden to all.
#[test]
fn root_needs_no_user_namespace() {
    let lab = start("clean");
    let limit = lab.run("node1", &["sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces"]).expect("sh runs");
    assert!(limit.status.success(), "{limit:?}");
    let output = lab.run("node1", &["pathvet", "demo", "--keep"]).expect("it starts");
    let nsenter = output.stdout.lines().find(|line| line.ends_with("# node2")).unwrap_or_else(|| panic!("{output:?}"));
    assert!(!nsenter.contains("-U"), "{nsenter}");
}

#[test]
fn unknown_hosts_and_programs_are_errors() {
    let lab = start("clean");
    let error = lab.run("node9", &["true"]).expect_err("there is no node9").to_string();
    assert_eq!(error, "the network has no host node9; it has node1, node2, sw1");
    let output = lab.run("node1", &["/no/such/program"]).expect("the entering works");
    assert!(!output.status.success());
    assert!(output.stderr.contains("/no/such/program"), "{}", output.stderr);
}

#[test]
fn unknown_topologies_bring_the_list() {
    let output = Command::new(PATHVET).args(["demo", "--topology", "stori"]).output().expect("it runs");
    let text = String::from_utf8(output.stderr).expect("it is text");
    assert_eq!(output.status.code(), Some(64));
    assert!(text.contains("no topology is called `stori`") && text.contains("did you mean `story`?"), "{text}");
    assert!(text.contains("  router-mute "), "{text}");
}
