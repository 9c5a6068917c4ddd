//! Loaded kernel modules that matter to what is vetted, and their parameters.

use super::gap;
use super::identity::line;
use crate::host::Host;
use pathvet_checks::evidence::{Gap, Module};
use std::collections::BTreeSet;
use std::io;

const LOADED: &str = "/proc/modules";
const CLASS: &str = "/sys/module";

/// Core, adapters, and what runs over InfiniBand.
const NAMES: [&str; 25] = [
    "hfi1",
    "ib_cm",
    "ib_core",
    "ib_ipoib",
    "ib_iser",
    "ib_isert",
    "ib_mthca",
    "ib_qib",
    "ib_srp",
    "ib_srpt",
    "ib_umad",
    "ib_uverbs",
    "iw_cm",
    "mlx4_core",
    "mlx4_en",
    "mlx4_ib",
    "mlx5_core",
    "mlx5_ib",
    "nvme_rdma",
    "nvmet_rdma",
    "rdma_cm",
    "rdma_rxe",
    "rdma_ucm",
    "rds_rdma",
    "rpcrdma",
];

/// Those whose parameters are read: MTU and port types of ConnectX-2 and -3, queues of `IPoIB`.
const WITH_PARAMETERS: [&str; 3] = ["ib_ipoib", "mlx4_core", "mlx4_en"];

/// The modules that are loaded, or built in where sysfs shows it. Parameters are those that may be read.
#[must_use]
pub fn modules(host: &dyn Host) -> (Option<Vec<Module>>, Vec<Gap>) {
    let list = host.read(LOADED);
    let text = list.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let loaded: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut gaps = Vec::new();
    let mut found = Vec::new();
    for name in NAMES {
        let place = format!("{CLASS}/{name}/parameters");
        let wants = WITH_PARAMETERS.contains(&name);
        let there = loaded.contains(name) || host.list(&format!("{CLASS}/{name}")).is_ok();
        if !there {
            continue;
        }
        let mut module = Module { name: name.to_owned(), ..Module::default() };
        for parameter in if wants { host.list(&place).unwrap_or_default() } else { Vec::new() } {
            let file = format!("{place}/{parameter}");
            match line(host, &file) {
                Ok(value) => {
                    module.parameters.insert(parameter, value);
                }
                // Some may be written only.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => gaps.push(gap::from_error(&format!("modules.{name}"), &file, &error)),
            }
        }
        found.push(module);
    }
    if let (Err(error), true, Err(_)) = (&list, found.is_empty(), host.list(CLASS)) {
        // Neither place is there: nothing is known. A kernel without loadable modules has the second.
        return (None, vec![gap::from_error("modules", LOADED, error)]);
    }
    (Some(found), gaps)
}
