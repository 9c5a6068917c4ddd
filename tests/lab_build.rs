//! Every topology is built, in both families, and node1 has its interface.

use pathvet::lab::Lab;
use pathvet::lab::topologies::{ALL, Family};
use std::path::Path;
use std::time::Instant;

#[test]
fn every_topology_is_built() {
    for topology in ALL {
        for family in Family::BOTH {
            let scene = topology.scene(family);
            let before = Instant::now();
            let lab = Lab::start_with(Path::new(env!("CARGO_BIN_EXE_pathvet")), &scene.network)
                .unwrap_or_else(|error| panic!("{} {family}: {error}", topology.name));
            println!("{:20} {family} {:?}", topology.name, before.elapsed());
            let names = lab.run("node1", &["ls", "/sys/class/net"]).expect("a host runs programs");
            assert!(names.stdout.split_whitespace().any(|name| name == "eth0"), "{}: {names:?}", topology.name);
        }
    }
}
