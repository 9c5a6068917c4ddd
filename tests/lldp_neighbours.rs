//! Real neighbours: lldpd at the other end of veth pairs, heard by the command.
#![expect(clippy::print_stdout, reason = "a test says what it skipped and how long it waited")]

mod lldpd;

use lldpd::{Lldpd, Speaker};
use pathvet_checks::evidence::{Evidence, GapReason, Host};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const PATHVET: &str = env!("CARGO_BIN_EXE_pathvet");

fn skip(why: &str) {
    println!("SKIPPED: {why}");
    assert!(std::env::var_os("CI").is_none(), "SKIPPED in CI: {why}");
}

/// Two network namespaces of our own: a host with `eth0` and on, and a switch with their other ends, `port0` and on.
struct Cables {
    holder: Child,
    host: u32,
    switch: u32,
}

impl Cables {
    fn lay(count: usize) -> Result<Self, String> {
        for tool in ["/usr/bin/unshare", "/usr/bin/nsenter", "/sbin/ip"] {
            if !std::path::Path::new(tool).exists() {
                return Err(format!("{tool} is not installed"));
            }
        }
        let script = format!(
            "set -e; ours=$(readlink /proc/self/ns/net); unshare --net sleep 600 >/dev/null & switch=$!\n\
             until theirs=$(readlink /proc/$switch/ns/net) && [ -n \"$theirs\" ] && [ \"$theirs\" != \"$ours\" ]; do sleep 0.01; done\n\
             ip link set lo up; n=0\n\
             while [ $n -lt {count} ]; do\n\
             ip link add eth$n type veth peer name port$n netns $switch; ip link set eth$n up\n\
             nsenter --net=/proc/$switch/ns/net ip link set port$n up; n=$((n+1)); done\n\
             echo laid $$ $switch; read end || true; kill $switch"
        );
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--user", "--map-root-user", "--net", "--mount", "/bin/sh", "-c", &script]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut line).map_err(|error| error.to_string())?;
        let mut numbers = line.split_whitespace().skip(1).map(|word| word.parse().expect("a process id"));
        match (numbers.next(), numbers.next()) {
            (Some(host), Some(switch)) => Ok(Self { holder, host, switch }),
            _ => Err("no network namespaces here".into()),
        }
    }

    /// A program in the host's namespaces.
    fn on_host(&self, program: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["-t", &self.host.to_string(), "--user", "--preserve-credentials", "--net", "--mount"]).args(program);
        command
    }

    /// `pathvet collect`, with what is put before it.
    fn collect(&self, before: &[&str], arguments: &[&str]) -> (Host, String) {
        let argv = [before, &[PATHVET, "collect"], arguments].concat();
        let output = self.on_host(&argv).stdin(Stdio::null()).output().expect("nsenter runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let evidence: Evidence = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
        (evidence.hosts.into_iter().next().expect("this host"), errors)
    }
}

impl Drop for Cables {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The parts of a test, or none where it is skipped.
fn parts<T>(result: Result<T, String>) -> Option<T> {
    result.map_err(|why| skip(&why)).ok()
}

#[test]
fn eight_neighbours_are_heard_at_once() {
    let Some(cables) = parts(Cables::lay(8)) else { return };
    let names: Vec<[String; 3]> = (0..8).map(|n| [format!("port{n}"), format!("tor{n}"), format!("Eth1/{n}")]).collect();
    let mut switches = Vec::new();
    for (at, [interface, name, port]) in names.iter().enumerate() {
        let size = format!("oui 00,12,0f subtype 4 oui-info 24,{at:02x}");
        let tlvs = [size.as_str(), "oui 00,80,c2 subtype 11 oui-info 08,08", "oui 00,80,c2 subtype 12 oui-info 00,61,89"];
        let Some(lldpd) = parts(Lldpd::start(cables.switch, &Speaker { interface, name, port, tlvs: &tlvs })) else { return };
        switches.push(lldpd);
    }
    let begun = Instant::now();
    let (host, errors) = cables.collect(&[], &["--lldp", "60"]);
    let took = begun.elapsed();
    for (at, [_, name, port]) in names.iter().enumerate() {
        let link = host.link(&format!("eth{at}")).expect("an interface");
        let [lldp] = link.lldp.as_deref().unwrap_or_default() else { panic!("eth{at}: {:?} {:?}", link.lldp, host.gaps) };
        assert_eq!((&lldp.chassis_id, &lldp.port_id, lldp.system_name.as_ref()), (name, port, Some(name)));
        assert_eq!(lldp.max_frame_size, Some(9216 + u16::try_from(at).expect("small")));
        assert_eq!(lldp.source.as_deref(), Some("nearest-bridge"));
        let pfc = lldp.dcb.as_ref().and_then(|dcb| dcb.pfc.as_ref()).expect("PFC");
        assert_eq!(pfc.prio_pfc, [false, false, false, true, false, false, false, false]);
        // The last TLV is two bytes short of an entry: that is said, and the rest is used.
        let said = host.gaps.iter().any(|gap| {
            gap.what == format!("links.eth{at}.lldp")
                && gap.reason == GapReason::Malformed
                && gap.detail.contains("application priority")
        });
        assert!(said, "eth{at}: {:?}", host.gaps);
    }
    assert_eq!(errors, "", "progress is for terminals");
    println!("8 neighbours on 8 interfaces, announcing every second, {} ms with everything else", took.as_millis());

    // The same neighbours one by one gone: what is not heard is an empty list, not nothing.
    drop(switches);
    let (host, _) = cables.collect(&[], &["--lldp", "1"]);
    assert!((0..8).all(|at| host.link(&format!("eth{at}")).is_some_and(|link| link.lldp.as_deref() == Some(&[]))));
}

#[test]
fn off_opens_nothing() {
    if !std::path::Path::new("/usr/bin/strace").exists() {
        return skip("strace is not installed");
    }
    let Some(cables) = parts(Cables::lay(1)) else { return };
    let log = tempfile::NamedTempFile::new().expect("a file");
    let path = log.path().to_str().expect("a name");
    for (argument, sockets) in [("off", 0), ("1", 1)] {
        let strace = ["/usr/bin/strace", "-f", "-o", path, "-e", "trace=socket,clone,clone3,execve"];
        let (host, _) = cables.collect(&strace, &["--lldp", argument]);
        let trace = std::fs::read_to_string(path).expect("strace wrote it");
        assert!(trace.contains("AF_NETLINK"), "{trace}");
        assert_eq!(trace.matches("socket(AF_PACKET").count(), sockets, "--lldp {argument}: {trace}");
        if sockets == 0 {
            assert!(!trace.contains(" clone(") && !trace.contains(" clone3(") && trace.matches(" execve(").count() == 1, "{trace}");
            assert!(host.links.iter().flatten().all(|link| link.lldp.is_none()));
            assert!(!host.gaps.iter().any(|gap| gap.what.contains("lldp")), "{:?}", host.gaps);
        }
    }
}

#[test]
fn without_the_right_it_is_said_once() {
    let Some(cables) = parts(Cables::lay(2)) else { return };
    for arguments in [&["--lldp", "5"][..], &[]] {
        let (host, _) = cables.collect(&["/usr/bin/setpriv", "--inh-caps=-all", "--bounding-set=-net_raw"], arguments);
        let gaps: Vec<_> = host.gaps.iter().filter(|gap| gap.what == "links.lldp").collect();
        assert_eq!(gaps.len(), 1, "{:?}", host.gaps);
        assert_eq!((gaps[0].reason, gaps[0].right.as_deref()), (GapReason::NotPermitted, Some("CAP_NET_RAW")));
        assert!(gaps[0].detail.contains("setcap"), "{:?}", gaps[0]);
        assert!(host.links.iter().flatten().all(|link| link.lldp.is_none()));
    }
}

/// lldpd on the host itself knows its neighbour; no waiting is needed. From another network namespace the same lldpd says nothing of
/// interfaces that have the same names.
#[test]
fn a_running_lldpd_is_asked() {
    let Some(cables) = parts(Cables::lay(1)) else { return };
    let Some(other) = parts(Cables::lay(1)) else { return };
    let tlvs = ["oui 00,12,0f subtype 4 oui-info 24,00", "oui 00,80,c2 subtype 11 oui-info 08,18"];
    let speaker = Speaker { interface: "port0", name: "tor1", port: "Eth1/7", tlvs: &tlvs };
    let Some(_switch) = parts(Lldpd::start(cables.switch, &speaker)) else { return };
    let elsewhere = format!("nsenter --net=/proc/{}/ns/net", other.host);
    let script = format!(
        "mount -t tmpfs lldpd /run; mkdir /run/lldpd; echo 'configure lldp tx-interval 1' >/run/conf\n\
         lldpd -d -u /run/lldpd.socket -O /run/conf -I eth0 >/run/log 2>&1 &\n\
         n=0; until lldpctl 2>/dev/null | grep -q Eth1/7 || [ $n -gt 600 ]; do sleep 0.1; n=$((n+1)); done\n\
         {PATHVET} collect; echo; echo ===; {elsewhere} {PATHVET} collect"
    );
    let root = rustix::process::geteuid().is_root();
    let mut command = if root { Command::new("/usr/bin/nsenter") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "/usr/bin/nsenter"]);
    }
    command.arg(format!("--net=/proc/{}/ns/net", cables.host));
    command.args(["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", &script]);
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let (here, there) = text.split_once("===").unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let host = |text: &str| serde_json::from_str::<Evidence>(text).expect("evidence").hosts.remove(0);
    let found = host(here);
    let [lldp] = found.link("eth0").and_then(|link| link.lldp.as_deref()).unwrap_or_default() else { panic!("{:?}", found.gaps) };
    assert_eq!((lldp.chassis_id.as_str(), lldp.port_id.as_str(), lldp.source.as_deref()), ("tor1", "Eth1/7", Some("lldpd")));
    assert_eq!(lldp.max_frame_size, Some(9216));
    let pfc = lldp.dcb.as_ref().and_then(|dcb| dcb.pfc.as_ref()).expect("PFC");
    assert_eq!(pfc.prio_pfc, [false, false, false, true, true, false, false, false]);
    assert!(!found.gaps.iter().any(|gap| gap.what.contains("lldp")), "{:?}", found.gaps);
    let elsewhere = host(there);
    assert_eq!(elsewhere.link("eth0").expect("the same name").lldp, None);
}
