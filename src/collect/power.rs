//! Power management of the processors, and whether they are this host's own.
//!
//! Files: `Documentation/admin-guide/pm/cpufreq.rst`, `cpuidle.rst`, `intel_pstate.rst` and `amd-pstate.rst` of Linux.

use super::gap;
use super::identity::line;
use crate::host::Host;
use pathvet_checks::evidence::{Gap, IdleState, Power};
use std::collections::BTreeSet;

const CPU: &str = "/sys/devices/system/cpu";
/// Most policies that are read; each is one processor, or several that change together.
const MOST_POLICIES: usize = 1024;
/// Most idle states of a processor (`CPUIDLE_STATE_MAX` is 10).
const MOST_STATES: usize = 16;

/// The power management of a host. `None` where it has no `/sys/devices/system/cpu`.
pub fn power(host: &dyn Host) -> (Option<Power>, Vec<Gap>) {
    let names = match host.list(CPU) {
        Ok(names) => names,
        Err(error) => return (None, vec![gap::from_error("power", CPU, &error)]),
    };
    let has = |name: &str| names.iter().any(|known| known == name);
    let mut power = Power { virtualisation: Some(virtualisation(host).into()), ..Power::default() };
    let mut status = ["intel_pstate", "amd_pstate"].into_iter().filter(|driver| has(driver));
    power.driver_status = status.find_map(|driver| word(host, &format!("{CPU}/{driver}/status")));
    let policies = if has("cpufreq") { host.list(&format!("{CPU}/cpufreq")).unwrap_or_default() } else { Vec::new() };
    let (mut governors, mut preferences) = (BTreeSet::new(), BTreeSet::new());
    for policy in policies.iter().filter(|name| name.starts_with("policy")).take(MOST_POLICIES) {
        let folder = format!("{CPU}/cpufreq/{policy}");
        power.driver = power.driver.or_else(|| word(host, &format!("{folder}/scaling_driver")));
        governors.extend(word(host, &format!("{folder}/scaling_governor")));
        preferences.extend(word(host, &format!("{folder}/energy_performance_preference")));
    }
    power.governors = governors.into_iter().collect();
    power.energy_preferences = preferences.into_iter().collect();
    power.idle_states = idle_states(host, &names);
    (Some(power), Vec::new())
}

/// The first line of a file that holds one word.
fn word(host: &dyn Host, path: &str) -> Option<String> {
    line(host, path).ok().filter(|word| !word.is_empty())
}

/// The idle states of the first processor that has any, as far as they are switched on, in their order.
fn idle_states(host: &dyn Host, names: &[String]) -> Vec<IdleState> {
    let number = |name: &str, prefix: &str| name.strip_prefix(prefix)?.parse::<u32>().ok();
    let processor = names.iter().filter_map(|name| number(name, "cpu")).min();
    let Some(folder) = processor.map(|cpu| format!("{CPU}/cpu{cpu}/cpuidle")) else { return Vec::new() };
    let mut states: Vec<u32> = host.list(&folder).unwrap_or_default().iter().filter_map(|name| number(name, "state")).collect();
    states.sort_unstable();
    let state = |state: &u32| {
        let file = |name: &str| word(host, &format!("{folder}/state{state}/{name}"));
        let on = file("disable").is_none_or(|disable| disable == "0");
        Some(IdleState { name: file("name")?, latency_us: file("latency")?.parse().ok()? }).filter(|_| on)
    };
    states.iter().take(MOST_STATES).filter_map(state).collect()
}

/// `container`, `vm` or `none`. What is outside decides how fast the processors run in the first two.
fn virtualisation(host: &dyn Host) -> &'static str {
    if is_container(host) {
        "container"
    } else if is_vm(host) {
        "vm"
    } else {
        "none"
    }
}

/// What container engines leave for those inside: docker, podman, and systemd's container interface.
fn is_container(host: &dyn Host) -> bool {
    ["/.dockerenv", "/run/.containerenv", "/run/systemd/container", "/run/host/container-manager"]
        .iter()
        .any(|marker| host.read(marker).is_ok())
}

fn is_vm(host: &dyn Host) -> bool {
    // A hypervisor of its own (Xen's first domain) owns the machine.
    if word(host, "/sys/hypervisor/type").is_some() {
        let first_domain = word(host, "/proc/xen/capabilities").is_some_and(|words| words.contains("control_d"));
        return !first_domain;
    }
    let vendor = word(host, "/sys/class/dmi/id/sys_vendor");
    let product = word(host, "/sys/class/dmi/id/product_name").unwrap_or_default();
    if vendor.as_deref().is_some_and(|vendor| is_virtual_product(vendor, &product)) {
        return true;
    }
    let clocks = word(host, "/sys/devices/system/clocksource/clocksource0/available_clocksource").unwrap_or_default();
    if ["kvm-clock", "hyperv_clocksource", "xen"].iter().any(|clock| clocks.contains(clock)) {
        return true;
    }
    if host.list("/proc/device-tree/hypervisor").is_ok() {
        return true;
    }
    // Older kernels ask each processor for its frequency while this is read, so it comes last: a machine that has a vendor and no
    // virtual clock is its own.
    vendor.is_none()
        && host.read("/proc/cpuinfo").is_ok_and(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            let flags = text.lines().find(|line| line.starts_with("flags"));
            flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"))
        })
}

/// Names that firmware of virtual machines gives (`systemd-detect-virt(1)` looks at the same).
fn is_virtual_product(vendor: &str, product: &str) -> bool {
    const VENDORS: [&str; 9] =
        ["QEMU", "VMware", "innotek GmbH", "Xen", "Parallels", "BHYVE", "OpenStack Foundation", "Bochs", "Google"];
    const PRODUCTS: [&str; 5] = ["KVM", "Virtual Machine", "VirtualBox", "Bochs", "OpenStack"];
    let bare = product.contains(".metal");
    VENDORS.iter().any(|known| vendor.starts_with(known))
        || PRODUCTS.iter().any(|known| product.starts_with(known))
        || (vendor == "Amazon EC2" && !bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{ThisHost, Tree};
    use std::path::Path;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        let tree = Tree::open(folder.path()).expect("a tree");
        (folder, tree)
    }

    #[test]
    fn a_server() {
        let mut files = vec![
            (format!("{CPU}/intel_pstate/status"), "active\n"),
            ("/sys/class/dmi/id/sys_vendor".into(), "Dell Inc.\n"),
            ("/sys/class/dmi/id/product_name".into(), "PowerEdge R740\n"),
            ("/sys/devices/system/clocksource/clocksource0/available_clocksource".into(), "tsc hpet acpi_pm \n"),
            ("/proc/cpuinfo".into(), "flags\t\t: fpu hypervisor\n"),
        ];
        for (cpu, governor, preference) in
            [(0, "powersave\n", "balance_performance\n"), (1, "powersave\n", "power\n"), (10, "performance\n", "power\n")]
        {
            files.push((format!("{CPU}/cpufreq/policy{cpu}/scaling_driver"), "intel_pstate\n"));
            files.push((format!("{CPU}/cpufreq/policy{cpu}/scaling_governor"), governor));
            files.push((format!("{CPU}/cpufreq/policy{cpu}/energy_performance_preference"), preference));
        }
        for (state, name, latency, disable) in
            [(0, "POLL\n", "0\n", "0\n"), (1, "C1E\n", "10\n", "1\n"), (2, "C6\n", "133\n", "0\n"), (3, "odd\n", "x\n", "0\n")]
        {
            for (file, text) in [("name", name), ("latency", latency), ("disable", disable)] {
                files.push((format!("{CPU}/cpu0/cpuidle/state{state}/{file}"), text));
            }
        }
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (_folder, tree) = tree(&files);
        let (power, gaps) = power(&tree);
        let power = power.expect("a table");
        assert_eq!(gaps, []);
        assert_eq!(power.driver.as_deref(), Some("intel_pstate"));
        assert_eq!(power.driver_status.as_deref(), Some("active"));
        assert_eq!(power.governors, ["performance", "powersave"]);
        assert_eq!(power.energy_preferences, ["balance_performance", "power"]);
        let states: Vec<_> = power.idle_states.iter().map(|state| (state.name.as_str(), state.latency_us)).collect();
        assert_eq!(states, [("POLL", 0), ("C6", 133)]);
        assert_eq!(power.virtualisation.as_deref(), Some("none"), "firmware and clock beat the flag");
    }

    #[test]
    fn what_is_not_a_machine_of_its_own() {
        let said = |files: &[(&str, &str)]| {
            let (_folder, tree) = tree(files);
            virtualisation(&tree)
        };
        assert_eq!(said(&[]), "none");
        assert_eq!(said(&[("/.dockerenv", "")]), "container");
        assert_eq!(said(&[("/run/systemd/container", "lxc\n"), ("/sys/hypervisor/type", "xen\n")]), "container");
        assert_eq!(said(&[("/sys/hypervisor/type", "xen\n")]), "vm");
        assert_eq!(said(&[("/sys/hypervisor/type", "xen\n"), ("/proc/xen/capabilities", "control_d\n")]), "none");
        assert_eq!(said(&[("/sys/class/dmi/id/sys_vendor", "QEMU\n")]), "vm");
        let ec2 = ("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
        assert_eq!(said(&[ec2, ("/sys/class/dmi/id/product_name", "c7i.metal-24xl\n")]), "none");
        assert_eq!(said(&[ec2, ("/sys/class/dmi/id/product_name", "c7i.large\n")]), "vm");
        assert_eq!(said(&[("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor vme\n")]), "vm");
        assert_eq!(said(&[("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme\n")]), "none");
        assert_eq!(
            said(&[
                ("/sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n"),
                ("/sys/class/dmi/id/product_name", "Virtual Machine\n")
            ]),
            "vm"
        );
    }

    #[test]
    fn a_host_that_says_nothing() {
        let (_folder, empty) = tree(&[]);
        let (none, gaps) = power(&empty);
        assert_eq!(none, None);
        assert_eq!(gaps.len(), 1);
        let (this, _) = power(&ThisHost);
        assert!(this.is_none_or(|power| power.virtualisation.is_some()));
    }
}
