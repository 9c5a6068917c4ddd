//! A simulated fabric with real subnet managers: ibsim, `OpenSM`, and infiniband-diags as second opinions.
//!
//! Each scene has namespaces of its own, without root. ibsim now and then brings up a manager that hears nothing; such a scene is
//! torn down and played again, up to [`TRIES`] times.
#![expect(clippy::print_stdout, reason = "a test says what it skipped and how much it compared")]

use pathvet_checks::evidence::{self, Evidence, GapReason, SubnetManager};
use pathvet_checks::parse::paste;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const TRIES: usize = 5;
/// How long a scene may take to come to the state that is wanted.
const LIMIT: Duration = Duration::from_secs(10);
/// What a scene says that did not come there.
const DEAF: &str = "the scene is deaf";
const INSIDE: &str = "PATHVET_TEST_FABRIC";

/// Four adapters on two switches, one cable between these.
const FABRIC: &str = r#"switchguids=0x0002c90200400100
Switch	8 "SW1"
[1]	"HCA-A"[1]
[2]	"HCA-B"[1]
[8]	"SW2"[8]

Switch	8 "SW2"
[1]	"HCA-C"[1]
[2]	"HCA-D"[1]
[8]	"SW1"[8]

hcaguids=0x0002c90300aa0000
Hca	2 "HCA-A"
[1]	"SW1"[1]

hcaguids=0x0002c90300bb0000
Hca	2 "HCA-B"
[1]	"SW1"[2]

hcaguids=0x0002c90300cc0000
Hca	2 "HCA-C"
[1]	"SW2"[1]

hcaguids=0x0002c90300dd0000
Hca	2 "HCA-D"
[1]	"SW2"[2]
"#;
const A: &str = "0x0002c90300aa0001";
const C: &str = "0x0002c90300cc0001";

/// Where the simulator's library is, if all that the scenes need is installed.
fn library() -> Result<PathBuf, String> {
    for tool in [
        "/usr/bin/ibsim",
        "/usr/sbin/opensm",
        "/usr/sbin/sminfo",
        "/usr/sbin/saquery",
        "/usr/sbin/smpquery",
        "/usr/bin/unshare",
        "/sbin/ip",
    ] {
        if !Path::new(tool).exists() {
            return Err(format!("{tool} is not installed"));
        }
    }
    let folders = std::fs::read_dir("/usr/lib").map_err(|error| error.to_string())?;
    let mut places = folders.flatten().map(|folder| folder.path().join("umad2sim/libumad2sim.so"));
    places.find(|place| place.exists()).ok_or_else(|| "libumad2sim.so is not installed".into())
}

/// One scene at a time: two opensm and the tools want both processors.
static STAGE: Mutex<()> = Mutex::new(());

/// Plays the test of that name in namespaces of its own. `None`: this is inside.
fn outside(test: &str) -> Option<()> {
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let _turn = STAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let skip = |why: &str| {
        println!("SKIPPED: {why}");
        assert!(std::env::var_os("CI").is_none(), "SKIPPED in CI: {why}");
    };
    if let Err(why) = library() {
        skip(&why);
        return Some(());
    }
    for attempt in 1..=TRIES {
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"]);
        command.arg(std::env::current_exe().expect("this test"));
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, "1").env("RUST_BACKTRACE", "0");
        let output = command.output().expect("unshare runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if err.contains("unshare: ") {
            skip(err.trim());
            return Some(());
        }
        for line in out.lines().filter(|line| line.contains("compared")) {
            println!("{test}: {line} (attempt {attempt})");
        }
        if output.status.success() && out.contains("1 passed") {
            return Some(());
        }
        let deaf = err.contains(DEAF) || out.contains(DEAF);
        assert!(deaf && attempt < TRIES, "{test}, attempt {attempt}:\n{out}{err}");
    }
    Some(())
}

/// Asks until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let clock = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(clock.elapsed() < LIMIT, "{DEAF}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A process that ends with the scene.
struct Running(Child);

impl Running {
    fn signal(&mut self, signal: &str) {
        let id = self.0.id().to_string();
        let sent = Command::new("/bin/kill").args([signal, &id]).status().expect("kill runs");
        assert!(sent.success());
        if signal != "-STOP" {
            self.0.wait().expect("it ended");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Fabric {
    /// Ends after those that use it.
    managers: BTreeMap<&'static str, Running>,
    _simulator: Running,
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Fabric {
    fn new() -> Self {
        let up = Command::new("/sbin/ip").args(["link", "set", "lo", "up"]).status().expect("ip runs");
        assert!(up.success());
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("fabric.net"), FABRIC).expect("written");
        let options = "sminfo_polling_timeout 1000\npolling_retry_number 2\nsweep_interval 3\n";
        std::fs::write(folder.path().join("osm.conf"), options).expect("written");
        let mut command = Command::new("/usr/bin/ibsim");
        command.args(["-s", "fabric.net"]).current_dir(folder.path());
        // Its console must stay open.
        let simulator = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ibsim runs");
        let library = library().expect("installed");
        let fabric = Self { managers: BTreeMap::new(), _simulator: Running(simulator), folder, library };
        until("the simulator answers", || {
            fabric.run("HCA-B", "/usr/sbin/smpquery", &["-D", "nodeinfo", "0"]).status.success().then_some(())
        });
        fabric
    }

    /// A command whose umad devices are those of an adapter of the fabric. Each needs a folder of its own.
    fn command(&self, adapter: &str, program: &str) -> Command {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder").keep();
        let mut command = Command::new(program);
        command.current_dir(&folder).env("SIM_HOST", adapter).env("LD_PRELOAD", &self.library).stdin(Stdio::null());
        command.env("OSM_CACHE_DIR", &folder).env("OSM_TMP_DIR", &folder);
        command
    }

    fn run(&self, adapter: &str, program: &str, args: &[&str]) -> Output {
        self.command(adapter, program).args(args).output().expect("it runs")
    }

    fn start(&mut self, adapter: &'static str, priority: u8) {
        let config = self.folder.path().join("osm.conf");
        let mut command = self.command(adapter, "/usr/sbin/opensm");
        command.args(["-p", &priority.to_string(), "-f", "log", "-F"]).arg(config);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("opensm runs");
        self.managers.insert(adapter, Running(child));
    }

    fn end(&mut self, adapter: &str, signal: &str) {
        self.managers.get_mut(adapter).expect("it runs").signal(signal);
    }

    /// What the tools say: the managers of `saquery SMIR`, and the one of `sminfo`.
    fn second_opinion(&self) -> Option<(Vec<SubnetManager>, SubnetManager)> {
        let listed = self.run("HCA-B", "/usr/sbin/saquery", &["SMIR"]);
        let asked = self.run("HCA-B", "/usr/sbin/sminfo", &[]);
        let read = |output: &Output| paste::read(&String::from_utf8_lossy(&output.stdout)).subnet_managers.unwrap_or_default();
        let (mut listed, asked) = (read(&listed), read(&asked).pop()?);
        listed.sort_by(|one, other| one.guid.cmp(&other.guid));
        (!listed.is_empty()).then_some((listed, asked))
    }

    /// Waits until exactly these managers are there, and every one answers.
    fn settled(&self, wanted: &[(&str, u8, &str)]) {
        until(&format!("{wanted:?}"), || {
            let (listed, asked) = self.second_opinion()?;
            let found: Vec<_> = listed
                .iter()
                .map(|manager| {
                    (manager.guid.as_str(), manager.priority.unwrap_or(99), manager.state.as_deref().unwrap_or_default())
                })
                .collect();
            let answers = |manager: &SubnetManager| {
                let lid = manager.lid.unwrap_or(0).to_string();
                self.run("HCA-B", "/usr/sbin/sminfo", &[&lid]).status.success()
            };
            (found == wanted && asked.state.as_deref() == Some("MASTER") && listed.iter().all(answers)).then_some(())
        });
    }

    fn pathvet(&self, args: &[&str]) -> Output {
        self.command("HCA-B", env!("CARGO_BIN_EXE_pathvet")).args(args).output().expect("pathvet runs")
    }

    fn collected(&self) -> evidence::Host {
        let output = self.pathvet(&["collect", "--quiet"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut evidence: Evidence = serde_json::from_slice(&output.stdout).expect("evidence");
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        assert!(!text.contains("sm_key"), "the key of the managers is nobody's business");
        evidence.hosts.pop().expect("this host")
    }

    /// Compares pathvet's list with that of the tools, field by field, and returns it.
    fn compared(&self) -> Vec<SubnetManager> {
        let (before, asked_before) = self.second_opinion().unwrap_or_else(|| panic!("{DEAF}: nobody answers the tools"));
        let host = self.collected();
        let (after, _) = self.second_opinion().unwrap_or_else(|| panic!("{DEAF}: nobody answers the tools"));
        let table = host.infiniband.expect("ports");
        let ours = table.subnet_managers.unwrap_or_else(|| panic!("{DEAF}: no managers; {:#?}", host.gaps));
        let guids = |managers: &[SubnetManager]| managers.iter().map(|manager| manager.guid.clone()).collect::<Vec<_>>();
        assert_eq!(guids(&ours), guids(&before));
        let mut compared = 0;
        for ((ours, before), after) in ours.iter().zip(&before).zip(&after) {
            assert_eq!(
                (&ours.guid, ours.lid, ours.priority, &ours.state),
                (&before.guid, before.lid, before.priority, &before.state)
            );
            // It counts on from question to question.
            let counts = [before.act_count, ours.act_count, after.act_count].map(|count| count.unwrap_or(0));
            assert!(counts[1] > 0 && counts[2] > 0, "{counts:?}");
            assert_eq!(ours.seen_through.as_deref(), Some("ibsim0/1"));
            compared += 5;
        }
        let own = ours.iter().find(|manager| manager.guid == asked_before.guid).expect("the one that sminfo names");
        assert_eq!((own.lid, own.priority, &own.state), (asked_before.lid, asked_before.priority, &asked_before.state));
        assert!(own.act_count >= asked_before.act_count, "{own:?} {asked_before:?}");
        compared += 5;
        println!("compared {compared} fields of {} managers with saquery SMIR and sminfo", ours.len());
        ours
    }

    /// `check --only ib-sm` says all of `words` and exits with `code`.
    fn judged(&self, code: i32, words: &[&str]) {
        let output = self.pathvet(&["check", "--only", "ib-sm"]);
        let text = String::from_utf8_lossy(&output.stdout);
        // Cells are wrapped.
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.iter().all(|word| flat.contains(word)) && output.status.code() == Some(code), "{words:?}: {text}");
        println!("compared the verdict {code}: {}", words.join(", "));
    }

    fn states(&self) -> Vec<(String, String, Option<bool>, Option<bool>)> {
        let one = |manager: SubnetManager| (manager.guid, manager.state.unwrap_or_default(), manager.answers, manager.counting);
        self.compared().into_iter().map(one).collect()
    }
}

fn state(guid: &str, state: &str) -> (String, String, Option<bool>, Option<bool>) {
    (guid.to_owned(), state.to_owned(), Some(true), Some(true))
}

#[test]
fn one_manager() {
    if outside("one_manager").is_some() {
        return;
    }
    let mut fabric = Fabric::new();
    fabric.start("HCA-A", 5);
    fabric.settled(&[(A, 5, "MASTER")]);
    assert_eq!(fabric.states(), [state(A, "MASTER")]);
    fabric.judged(1, &["WARN", "no standby", A]);

    let host = fabric.collected();
    let port = &host.infiniband.as_ref().expect("ports").ports[0];
    assert_eq!((port.state.as_deref(), port.active_mtu, port.max_mtu), (Some("Active"), Some(2048), Some(2048)));
    assert_eq!((port.width_supported, port.speed_supported.as_deref()), (Some(12), Some("QDR")));
    assert_eq!((port.peer_width_supported, port.peer_speed_supported.as_deref()), (Some(12), Some("QDR")));
    let shown = fabric.run("HCA-B", "/usr/sbin/smpquery", &["-D", "portinfo", "0", "1"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    let said = |key: &str| {
        shown.lines().find_map(|line| line.strip_prefix(key)).map(|rest| rest.trim_start_matches(['.', ':']).to_owned())
    };
    assert_eq!(said("Lid"), port.lid.map(|lid| lid.to_string()));
    assert_eq!(said("SMLid"), port.sm_lid.map(|lid| lid.to_string()));
    assert_eq!(said("NeighborMTU"), port.active_mtu.map(|mtu| mtu.to_string()));
    assert_eq!(said("MtuCap"), port.max_mtu.map(|mtu| mtu.to_string()));
    println!("compared 4 fields of the port with smpquery");
}

#[test]
fn the_higher_priority_and_then_the_standby_when_it_is_stopped() {
    if outside("the_higher_priority_and_then_the_standby_when_it_is_stopped").is_some() {
        return;
    }
    let mut fabric = Fabric::new();
    fabric.start("HCA-A", 5);
    fabric.settled(&[(A, 5, "MASTER")]);
    fabric.start("HCA-C", 10);
    fabric.settled(&[(A, 5, "STANDBY"), (C, 10, "MASTER")]);
    assert_eq!(fabric.states(), [state(A, "STANDBY"), state(C, "MASTER")]);
    fabric.judged(0, &["PASS", &format!("master {C}, priority 10"), &format!("standby {A}, priority 5")]);
    fabric.end("HCA-C", "-TERM");
    fabric.settled(&[(A, 5, "MASTER")]);
    assert_eq!(fabric.states(), [state(A, "MASTER")]);
    fabric.judged(1, &["WARN", "no standby", A]);
}

#[test]
fn the_standby_when_the_master_is_killed() {
    if outside("the_standby_when_the_master_is_killed").is_some() {
        return;
    }
    let mut fabric = Fabric::new();
    fabric.start("HCA-C", 10);
    fabric.settled(&[(C, 10, "MASTER")]);
    fabric.start("HCA-A", 5);
    fabric.settled(&[(A, 5, "STANDBY"), (C, 10, "MASTER")]);
    fabric.end("HCA-C", "-KILL");
    fabric.settled(&[(A, 5, "MASTER")]);
    assert_eq!(fabric.states(), [state(A, "MASTER")]);
    fabric.judged(1, &["WARN", "no standby", A]);
}

#[test]
fn of_equal_priorities_the_lower_guid() {
    if outside("of_equal_priorities_the_lower_guid").is_some() {
        return;
    }
    let mut fabric = Fabric::new();
    fabric.start("HCA-C", 7);
    fabric.settled(&[(C, 7, "MASTER")]);
    fabric.start("HCA-A", 7);
    fabric.settled(&[(A, 7, "MASTER"), (C, 7, "STANDBY")]);
    assert_eq!(fabric.states(), [state(A, "MASTER"), state(C, "STANDBY")]);
    fabric.judged(1, &["WARN", "priority 7 twice", &format!("{A} wins")]);
}

#[test]
fn no_manager_at_all() {
    if outside("no_manager_at_all").is_some() {
        return;
    }
    let fabric = Fabric::new();
    let host = fabric.collected();
    let table = host.infiniband.expect("ports");
    let port = &table.ports[0];
    assert_eq!((port.state.as_deref(), port.state_again.as_deref()), (Some("Initializing"), Some("Initializing")));
    assert_eq!((port.sm_lid, port.active_mtu), (Some(0), None), "nobody has set up the port");
    assert_eq!(table.subnet_managers, Some(vec![]));
    fabric.judged(2, &["FAIL", "no subnet manager", "apt-get install opensm"]);
}

#[test]
fn a_manager_that_hangs_is_silence() {
    if outside("a_manager_that_hangs_is_silence").is_some() {
        return;
    }
    let mut fabric = Fabric::new();
    fabric.start("HCA-A", 5);
    fabric.settled(&[(A, 5, "MASTER")]);
    fabric.end("HCA-A", "-STOP");
    let host = fabric.collected();
    let table = host.infiniband.expect("ports");
    assert_eq!(table.subnet_managers, None);
    assert_eq!(table.ports[0].active_mtu, Some(2048), "the port itself answers");
    let gaps: Vec<_> = host.gaps.iter().filter(|gap| gap.what == "infiniband.subnet_managers").collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::TimedOut && gap.place.contains("LID 1")), "{gaps:?}");
    fabric.judged(3, &["UNKNOWN", "SMInfo at LID 1"]);
}
