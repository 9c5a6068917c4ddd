//! The processes of a lab: `pathvet lab-host …`, hidden from the help.
//!
//! The first makes the user namespace and is the first host; it starts the others, which share its user namespace and have
//! their own network, mounts and name. Each is single-threaded until its namespaces exist. A host ends when the process that
//! started it ends, so nothing is left behind.

use super::forward::Running;
use super::netlink::{Batch, Indexes, VethEnd, Watch};
use super::network::{FIRST_INDEX, Host, Network, WIDEST};
use super::protocol::{Answer, Built, Failure, Order, read_line, write_line};
use crate::sys::ns::{self, Kinds};
use crate::sys::offload;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// This program, also after it was replaced or moved.
pub(super) const OWN_PROGRAM: &str = "/proc/self/exe";
/// The word that makes the command one of a lab's processes.
pub const COMMAND: &str = "lab-host";

/// How long a link may take to come up. It takes milliseconds, on a busy machine a second.
const LINKS_UP: Duration = Duration::from_secs(20);

/// The processes behind [`COMMAND`].
const FIRST: &str = "first";
const OTHER: &str = "other";
const ENTER: &str = "enter";
const ENTER_WITHOUT_RIGHTS: &str = "enter-without-rights";

/// Entry of the hidden subcommand; `args` are those after its name. For the lab's own use.
#[must_use]
pub fn lab_host_main(args: &[OsString]) -> ExitCode {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let mut words = args.iter().map(|word| word.to_str());
    let result = match (words.next().flatten(), words.next().flatten().and_then(|pid| pid.parse().ok())) {
        (Some(FIRST), Some(parent)) => serve_first(parent),
        (Some(OTHER), Some(parent)) => serve_other(parent),
        (Some(mode @ (ENTER | ENTER_WITHOUT_RIGHTS)), Some(parent)) => enter(mode, parent, &args[2..]),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "this command is for the built-in network alone")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The other side has gone: so does this.
        Err(error) if matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("pathvet {COMMAND}: {error}");
            ExitCode::from(70)
        }
    }
}

/// The command that becomes the first host, with its control stream as standard input.
pub(super) fn first_host(program: &Path, control: UnixStream) -> Command {
    let mut command = Command::new(program);
    command.arg(COMMAND).arg(FIRST).arg(std::process::id().to_string());
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(control))).stdout(Stdio::null());
    command
}

/// The command that executes a program in the namespaces of a process.
pub(super) fn entering(program: &Path, built: &Built, pid: u32, rights: bool) -> Command {
    let mut command = Command::new(program);
    command.arg(COMMAND).arg(if rights { ENTER } else { ENTER_WITHOUT_RIGHTS });
    command.args([std::process::id(), pid, built.user_namespace.into()].map(|number| number.to_string()));
    command
}

/// `PARENT PID USER-NAMESPACE PROGRAM ARG…`; `pathvet` as the program is this one.
fn enter(mode: &str, parent: u32, args: &[OsString]) -> io::Result<()> {
    let number = |at: usize| args.get(at).and_then(|word| word.to_str()).and_then(|word| word.parse::<u32>().ok());
    let (Some(pid), Some(user), Some(program)) = (number(0), number(1), args.get(2)) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a process, 0 or 1, and a program"));
    };
    // Entering a mount namespace moves to its root.
    let directory = std::env::current_dir();
    ns::enter(pid, if user == 1 { Kinds::USER.and(Kinds::HOST) } else { Kinds::HOST })?;
    ns::die_with_parent(parent)?;
    if let Ok(directory) = directory {
        // Where it cannot be, the root will do.
        let _ = std::env::set_current_dir(directory);
    }
    if mode == ENTER_WITHOUT_RIGHTS {
        ns::drop_bounding_set()?;
    }
    let own = program == "pathvet";
    let mut command = Command::new(if own { OWN_PROGRAM.as_ref() } else { program.as_os_str() });
    if own {
        command.arg0("pathvet");
    }
    let error = command.args(&args[3..]).exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", program.display())))
}

/// The first host: builds the network and keeps it until the control stream ends.
fn serve_first(parent: u32) -> io::Result<()> {
    let mut from = BufReader::new(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?));
    let mut to = from.get_ref().try_clone()?;
    ns::hold_interrupts();
    let Order::Prepare { network, host } = read_line(&mut from)? else { return Err(out_of_order()) };
    let mut lab = match First::build(parent, &network, &host) {
        Ok(lab) => lab,
        Err(failure) => return write_line(&mut to, &Answer::Failed(failure)),
    };
    write_line(&mut to, &Answer::Built(lab.built()))?;
    loop {
        let order: Order = read_line(&mut from)?;
        let answer = lab.obey(&order)?;
        write_line(&mut to, &answer)?;
    }
}

/// Any other host.
fn serve_other(parent: u32) -> io::Result<()> {
    let mut from = BufReader::new(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?));
    let mut to = from.get_ref().try_clone()?;
    ns::hold_interrupts();
    let Order::Prepare { network, host } = read_line(&mut from)? else { return Err(out_of_order()) };
    let mut site = None;
    let prepared = prepare(parent, &network, &host);
    write_line(&mut to, &prepared.map_or_else(Answer::Failed, |_| Answer::Done))?;
    loop {
        let answer = match read_line(&mut from)? {
            Order::Configure => match Site::configure(&network, &host) {
                Ok(configured) => {
                    site = Some(configured);
                    Answer::Done
                }
                Err(failure) => Answer::Failed(failure),
            },
            Order::Count { .. } => Answer::Counted(site.as_ref().and_then(Site::counters)),
            Order::Change { forward, reverse, .. } => {
                if let Some(running) = site.as_ref().and_then(|site| site.running.as_ref()) {
                    running.set_rules(*forward, *reverse);
                }
                Answer::Done
            }
            Order::Prepare { .. } => return Err(out_of_order()),
        };
        write_line(&mut to, &answer)?;
    }
}

/// The first host and what it knows of the others.
struct First {
    name: String,
    others: BTreeMap<String, Other>,
    user_namespace: bool,
    names: bool,
    site: Site,
}

/// Another host, from the first one's side.
struct Other {
    process: Child,
    stream: BufReader<UnixStream>,
}

impl First {
    fn build(parent: u32, network: &Network, name: &str) -> Result<Self, Failure> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| failure(name, &what, &error)
        };
        let user_namespace = make_user_namespace(name)?;
        // From here on, so that a signal sent meanwhile is not missed: gaining rights would clear it.
        ns::die_with_parent(parent).map_err(failed("tie the host to its parent"))?;
        let mut others = BTreeMap::new();
        for host in network.hosts.iter().filter(|host| host.name != name) {
            let other = Other::start(network, &host.name).map_err(failed("start a host"))?;
            others.insert(host.name.clone(), other);
        }
        let names = prepare(parent, network, name)?;
        for other in others.values_mut() {
            other.expect_done(name)?;
        }
        let pid_of = |host: &str| others.get(host).map_or_else(std::process::id, |other| other.process.id());
        lay_cables(network, pid_of).map_err(failed("lay the cables"))?;
        for other in others.values_mut() {
            write_line(other.stream.get_mut(), &Order::Configure).map_err(failed("reach a host"))?;
        }
        let site = Site::configure(network, name)?;
        for other in others.values_mut() {
            other.expect_done(name)?;
        }
        let prime = network.hosts.iter().find(|host| host.name == name).and_then(|host| host.prime.as_ref());
        if let Some(prime) = prime {
            fill_cache(prime.to, prime.payload).map_err(failed("fill the path-MTU cache"))?;
        }
        Ok(Self { name: name.to_owned(), others, user_namespace, names, site })
    }

    fn built(&self) -> Built {
        let mut pids: BTreeMap<_, _> = self.others.iter().map(|(name, other)| (name.clone(), other.process.id())).collect();
        pids.insert(self.name.clone(), std::process::id());
        Built { pids, user_namespace: self.user_namespace, names: self.names }
    }

    fn obey(&mut self, order: &Order) -> io::Result<Answer> {
        let (Order::Count { host } | Order::Change { host, .. }) = order else { return Err(out_of_order()) };
        match self.others.get_mut(host) {
            Some(other) => {
                write_line(other.stream.get_mut(), order)?;
                read_line(&mut other.stream)
            }
            None => Ok(Answer::Counted(self.site.counters())),
        }
    }
}

impl Drop for First {
    /// The others would end by themselves, but only after this process: whoever waits for it waits for all.
    fn drop(&mut self) {
        for other in self.others.values_mut() {
            let _ = other.process.kill();
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Other {
    fn start(network: &Network, name: &str) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let process = Command::new(OWN_PROGRAM)
            .arg0("pathvet")
            .args([COMMAND, OTHER])
            .arg(std::process::id().to_string())
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        let mut stream = BufReader::new(ours);
        write_line(stream.get_mut(), &Order::Prepare { network: Box::new(network.clone()), host: name.to_owned() })?;
        Ok(Self { process, stream })
    }

    fn expect_done(&mut self, asker: &str) -> Result<(), Failure> {
        match read_line(&mut self.stream) {
            Ok(Answer::Failed(failure)) => Err(failure),
            Ok(_) => Ok(()),
            Err(error) => Err(failure(asker, "hear from a host", &error)),
        }
    }
}

/// What runs on a host once it is configured.
struct Site {
    running: Option<Running>,
}

impl Site {
    fn configure(network: &Network, name: &str) -> Result<Self, Failure> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| failure(name, &what, &error)
        };
        let host = find(network, name)?;
        let indexes = indexes(network, host);
        let control = UdpSocket::bind((IpAddr::V4([0, 0, 0, 0].into()), 0))
            .or_else(|_| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)))
            .map_err(failed("open a socket"))?;
        for (_, end) in network.ends_of(name) {
            offload::turn_off(control.as_fd(), &end.interface).map_err(failed("turn offloads off"))?;
        }
        write_settings(name, &host.interface_sysctls)?;
        let mut batch = Batch::default();
        let index = |interface: &str| indexes.get(interface).copied().unwrap_or(0);
        batch.up("lo", 1);
        for bridge in &host.bridges {
            batch.bridge(bridge, index(&bridge.name));
        }
        // A tunnel has no underlay before the cables are up and addressed.
        let tunnels: Vec<&str> = host.vxlans.iter().map(|vxlan| vxlan.name.as_str()).collect();
        let (late, early): (Vec<_>, Vec<_>) = host
            .bridges
            .iter()
            .flat_map(|bridge| bridge.ports.iter().map(move |port| (port.as_str(), bridge.name.as_str())))
            .partition(|(port, _)| tunnels.contains(port));
        for (port, bridge) in early {
            batch.enslave(port, index(port), index(bridge));
        }
        for (index, end) in network.ends_of(name) {
            batch.up(&end.interface, index);
        }
        for address in &host.addresses {
            if index(&address.interface) != 0 && !host.bridges.iter().any(|bridge| bridge.name == address.interface) {
                batch.address(address, index(&address.interface));
            }
        }
        for neighbour in &host.neighbours {
            let (owner, end) = &neighbour.owner;
            let hardware = network.hardware_address(owner, end).unwrap_or_default();
            batch.neighbour(neighbour.address, index(&neighbour.interface), hardware);
        }
        for vxlan in &host.vxlans {
            batch.vxlan(vxlan, index(&vxlan.name));
        }
        for (port, bridge) in late {
            batch.enslave(port, index(port), index(bridge));
        }
        for name in tunnels.iter().copied().chain(host.bridges.iter().map(|bridge| bridge.name.as_str())) {
            batch.up(name, index(name));
        }
        for address in host.addresses.iter().filter(|address| host.bridges.iter().any(|b| b.name == address.interface)) {
            batch.address(address, index(&address.interface));
        }
        for route in &host.routes {
            batch.route(route, &indexes).map_err(|what| Failure { host: name.to_owned(), what, namespaces: false })?;
        }
        for (address, interface) in &host.proxies {
            batch.proxy(*address, index(interface));
        }
        let watch = Watch::start().map_err(failed("listen for links"))?;
        batch.commit().map_err(failed("configure"))?;
        for port in &host.listen {
            listen(*port).map_err(failed("listen"))?;
        }
        let running = host.forwarder.as_ref().map(|forwarder| {
            let place = network.hosts.iter().position(|host| host.name == name).unwrap_or(0) as u64;
            let outer = network.cables.iter().flat_map(|cable| &cable.ends).filter(|end| end.mtu != WIDEST);
            let widest = outer.map(|end| end.mtu).max().unwrap_or(WIDEST);
            let seed = network.seed.wrapping_add(place);
            Running::start(forwarder, index(&forwarder.left), index(&forwarder.right), widest, seed)
        });
        let running = running.transpose().map_err(failed("start the forwarder"))?;
        // The other ends come up on their own hosts meanwhile.
        let links = network.ends_of(name).map(|(index, _)| index).chain(host.vxlans.iter().map(|vxlan| index(&vxlan.name)));
        watch.wait(links.collect(), LINKS_UP).map_err(failed("bring the links up"))?;
        Ok(Self { running })
    }

    fn counters(&self) -> Option<[super::forward::Counters; 2]> {
        self.running.as_ref().map(Running::counters)
    }
}

/// Makes a user namespace in which this user is root. False: it is forbidden, and this is root anyway.
fn make_user_namespace(host: &str) -> Result<bool, Failure> {
    let (user, group) = ns::user_and_group();
    let made = ns::unshare(Kinds::USER)
        .and_then(|()| fs::write("/proc/self/setgroups", "deny"))
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    match made {
        Ok(()) => Ok(true),
        Err(_) if user == 0 => Ok(false),
        Err(error) => Err(Failure { namespaces: true, ..failure(host, "make a user namespace", &error) }),
    }
}

/// Makes a host's namespaces and what does not need its interfaces. True: the hosts' names resolve there.
fn prepare(parent: u32, network: &Network, name: &str) -> Result<bool, Failure> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| failure(name, &what, &error)
    };
    let host = find(network, name)?;
    ns::unshare(Kinds::HOST).map_err(|error| Failure { namespaces: true, ..failure(name, "make a network namespace", &error) })?;
    ns::die_with_parent(parent).map_err(failed("tie the host to its parent"))?;
    ns::make_mounts_private().map_err(failed("separate the mounts"))?;
    ns::set_hostname(name).map_err(failed("name the host"))?;
    // Without them the host still works: sysfs shows the machine's interfaces, and names are not resolved.
    let _ = ns::mount_sysfs(Path::new("/sys"));
    let names = show_files(network, name).is_ok();
    write_settings(name, &host.sysctls)?;
    Ok(names)
}

/// Writes files under /proc/sys, where the parts of net/ belong to the network namespace of whoever opens them.
fn write_settings(host: &str, settings: &[(String, String)]) -> Result<(), Failure> {
    for (key, value) in settings {
        let path = Path::new("/proc/sys").join(key);
        match fs::write(&path, value) {
            // Not every kernel has `bridge-nf-call-*`, and then nothing needs turning off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(|error| failure(host, &format!("set {}", path.display()), &error))?,
        }
    }
    Ok(())
}

/// Shows the lab's names in place of /etc/hosts, and a machine id of this host's own, in this mount namespace.
fn show_files(network: &Network, name: &str) -> io::Result<()> {
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    for (address, name) in &network.names {
        let _ = writeln!(text, "{address} {name}");
    }
    // A file of our own to show: a file system in memory, mounted where it hides nothing that is needed, and only until the
    // file is in place.
    let at = ["/mnt", "/media", "/srv"].map(Path::new).into_iter().find(|path| path.is_dir());
    let at = at.ok_or(io::ErrorKind::NotFound)?;
    ns::mount_tmpfs(at)?;
    let file = at.join("hosts");
    let shown = fs::write(&file, text).and_then(|()| ns::bind_mount(&file, Path::new("/etc/hosts")));
    // Hosts with one machine id are one host to whoever merges evidence. Where there is no such file they have none.
    let id = at.join("machine-id");
    let number = name.bytes().fold(0_u128, |number, byte| number << 8 | u128::from(byte));
    let own = fs::write(&id, format!("{number:032x}\n")).and_then(|()| ns::bind_mount(&id, Path::new("/etc/machine-id")));
    ns::detach_mount(at)?;
    shown.and(own.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }))
}

/// Creates every cable, each end where it belongs.
fn lay_cables(network: &Network, pid_of: impl Fn(&str) -> u32) -> io::Result<()> {
    let mut batch = Batch::default();
    let mut indexes = FIRST_INDEX..;
    for cable in &network.cables {
        let ends = cable.ends.each_ref().map(|end| {
            let index = indexes.next().unwrap_or(0);
            let address = network.hardware_address(&end.host, &end.interface).unwrap_or_default();
            VethEnd { name: &end.interface, index, mtu: end.mtu, address, pid: pid_of(&end.host) }
        });
        batch.veth(ends.each_ref());
    }
    batch.commit()
}

/// Indexes of a host's interfaces.
fn indexes(network: &Network, host: &Host) -> Indexes {
    let mut indexes: Indexes = network.ends_of(&host.name).map(|(index, end)| (end.interface.clone(), index)).collect();
    let made = host.bridges.iter().map(|bridge| &bridge.name).chain(host.vxlans.iter().map(|vxlan| &vxlan.name));
    indexes.extend((network.first_free_index()..).zip(made).map(|(index, name)| (name.clone(), index)));
    indexes.insert("lo".to_owned(), 1);
    indexes
}

/// Accepts connections on every address and closes them: what is wanted is the size that the handshake offers.
fn listen(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
        .or_else(|_| TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], port))))?;
    std::thread::Builder::new().name("listen".to_owned()).spawn(move || listener.incoming().for_each(drop)).map(drop)
}

/// Sends a datagram too large for the path and waits for the kernel to hear of it.
fn fill_cache(to: IpAddr, payload: usize) -> io::Result<()> {
    let any: IpAddr = if to.is_ipv4() { [0, 0, 0, 0].into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((to, DISCARD))?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    // The default of UDP sockets sets DF and believes what routers say.
    socket.send(&vec![0; payload])?;
    match socket.recv(&mut [0]) {
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("an answer instead of \"too big\"")),
    }
}

/// The discard service (RFC 863); nothing listens there.
const DISCARD: u16 = 9;

fn find<'a>(network: &'a Network, name: &str) -> Result<&'a Host, Failure> {
    network.hosts.iter().find(|host| host.name == name).ok_or_else(|| Failure {
        host: name.to_owned(),
        what: "no such host".to_owned(),
        namespaces: false,
    })
}

fn failure(host: &str, what: &str, error: &io::Error) -> Failure {
    Failure { host: host.to_owned(), what: format!("{what}: {error}"), namespaces: false }
}

fn out_of_order() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an order out of order")
}
