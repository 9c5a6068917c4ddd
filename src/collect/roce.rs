//! RDMA devices over Ethernet, and what sets the priority of their traffic: `rdma_cm`'s defaults and the device's traffic class.

use super::identity::line;
use crate::host::Host;
use pathvet_checks::evidence::{Link, Roce};

const CLASS: &str = "/sys/class/infiniband";
/// Where `rdma_cm` has its defaults; a device is only there once somebody made its folder (`cma_roce_tos`).
const RDMA_CM: &str = "/sys/kernel/config/rdma_cm";
/// Most ports of one device.
const MOST_PORTS: u8 = 64;

/// The ports of RDMA devices whose link layer is Ethernet; `None` where the host has no RDMA devices at all. What a file does not
/// tell stays `None`: most hosts lack most of these files.
pub(super) fn roce(host: &dyn Host, links: &[Link]) -> Option<Vec<Roce>> {
    let devices = host.list(CLASS).ok().filter(|devices| !devices.is_empty())?;
    let mut found = Vec::new();
    for device in devices {
        let base = format!("{CLASS}/{device}");
        let ports = host.list(&format!("{base}/ports")).unwrap_or_default();
        for port in ports.iter().filter_map(|port| port.parse::<u8>().ok()).filter(|port| (1..=MOST_PORTS).contains(port)) {
            let of_port = |file: &str| line(host, &format!("{base}/ports/{port}/{file}")).ok();
            if of_port("link_layer").as_deref() != Some("Ethernet") {
                continue;
            }
            let cm = |file: &str| line(host, &format!("{RDMA_CM}/{device}/ports/{port}/{file}")).ok();
            found.push(Roce {
                netdev: netdev(host, &base, of_port("gid_attrs/ndevs/0"), links),
                node_type: line(host, &format!("{base}/node_type")).ok(),
                default_roce_tos: cm("default_roce_tos").and_then(|text| text.parse().ok()),
                default_roce_mode: cm("default_roce_mode"),
                traffic_class: line(host, &format!("{base}/tc/{port}/traffic_class")).ok().as_deref().and_then(traffic_class),
                device: device.clone(),
                port,
            });
        }
    }
    found.sort_by(|a, b| (&a.device, a.port).cmp(&(&b.device, b.port)));
    Some(found)
}

/// The port's network interface, if it is one that netlink showed: sysfs may be that of another network namespace.
fn netdev(host: &dyn Host, base: &str, by_gid: Option<String>, links: &[Link]) -> Option<String> {
    let known = |name: &String| links.iter().any(|link| link.ifname == *name);
    by_gid.filter(known).or_else(|| {
        let mut names = host.list(&format!("{base}/device/net")).ok()?.into_iter().filter(known);
        let first = names.next()?;
        names.next().is_none().then_some(first)
    })
}

/// `Global tclass=106`, or the number alone.
fn traffic_class(text: &str) -> Option<u8> {
    let number = text.rsplit('=').next()?.trim();
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Tree;
    use std::path::Path;

    fn write(root: &Path, path: &str, text: &str) {
        let place = root.join(path);
        std::fs::create_dir_all(place.parent().expect("a parent")).expect("made");
        std::fs::write(place, text).expect("written");
    }

    #[test]
    fn what_roce_takes_its_priority_from() {
        let tree = tempfile::tempdir().expect("a folder");
        let root = tree.path();
        let link = |name: &str| Link { ifname: name.into(), ..Link::default() };
        let links = [link("eth0"), link("eth1")];
        let read = || roce(&Tree::open(root).expect("a tree"), &links);
        write(root, "sys/class/net/eth0/ifindex", "2\n");
        assert_eq!(read(), None);
        write(root, "sys/class/infiniband/mlx5_0/node_type", "1: CA\n");
        write(root, "sys/class/infiniband/mlx5_0/ports/1/link_layer", "Ethernet\n");
        write(root, "sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0", "eth0\n");
        write(root, "sys/class/infiniband/mlx5_0/tc/1/traffic_class", "Global tclass=106\n");
        write(root, "sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_tos", "96\n");
        write(root, "sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_mode", "RoCE v2\n");
        // One that nobody set, whose interface is another namespace's; one that is InfiniBand; and nonsense.
        write(root, "sys/class/infiniband/mlx5_1/ports/1/link_layer", "Ethernet\n");
        write(root, "sys/class/infiniband/mlx5_1/ports/1/gid_attrs/ndevs/0", "eth9\n");
        write(root, "sys/class/infiniband/mlx5_1/tc/1/traffic_class", "Global tclass=900\n");
        write(root, "sys/class/infiniband/mlx5_1/ports/x/link_layer", "Ethernet\n");
        write(root, "sys/class/infiniband/mlx5_2/ports/1/link_layer", "InfiniBand\n");
        let first = Roce {
            device: "mlx5_0".into(),
            port: 1,
            netdev: Some("eth0".into()),
            node_type: Some("1: CA".into()),
            default_roce_tos: Some(96),
            default_roce_mode: Some("RoCE v2".into()),
            traffic_class: Some(106),
        };
        assert_eq!(read(), Some(vec![first, Roce { device: "mlx5_1".into(), port: 1, ..Roce::default() }]));
    }
}
