//! Real neighbours: lldpd on veth pairs, heard by us.
#![expect(clippy::print_stdout, reason = "a test says what it skipped and how much it compared")]

mod lldpd;

use lldpd::{Lldpd, Speaker};

#[test]
fn lldpd_starts() {
    let Ok(pid) = std::env::var("PV_PID") else { return };
    let tlvs = ["oui 00,12,0f subtype 4 oui-info 24,00"];
    let l = Lldpd::start(pid.parse().expect("a number"), &Speaker { interface: "va", name: "tor1", port: "Eth1/7", tlvs: &tlvs });
    println!("{l:?}");
}
