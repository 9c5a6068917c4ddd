//! One neighbour, as lldpd's two JSON formats and as lldptool tell it: all say the same.

use pathvet_checks::evidence::Lldp;
use pathvet_checks::parse::{lldpd, lldptool};
use std::path::PathBuf;

fn text(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/lldp").join(name);
    std::fs::read_to_string(path).expect("testdata is part of it")
}

fn of_lldpd(name: &str) -> Vec<(String, Lldp)> {
    let read = lldpd::read(&text(name)).expect("lldpctl's");
    assert_eq!(read.faults, []);
    read.found
}

#[test]
fn both_formats_of_lldpctl_say_the_same() {
    let (one, two, plain) = (of_lldpd("lldpctl-one.json"), of_lldpd("lldpctl-two.json"), of_lldpd("lldpctl-two.json0"));
    assert_eq!(two, plain);
    assert_eq!(one[..], two[..1]);
    assert_eq!(two.iter().map(|(interface, _)| interface.as_str()).collect::<Vec<_>>(), ["vb0", "vb1"]);
    let lldp = &two[0].1;
    assert_eq!(
        (lldp.chassis_id.as_str(), lldp.chassis_id_type.as_deref(), lldp.port_id.as_str()),
        ("tor1", Some("local"), "Eth1/7")
    );
    assert_eq!((lldp.max_frame_size, lldp.port_vlan, lldp.ttl), (Some(9216), Some(10), Some(4)));
    assert_eq!((lldp.capabilities.as_slice(), lldp.vlans[0].name.as_str()), (&["station".to_string()][..], "foo"));
    assert_eq!(two[1].1.system_name.as_deref(), Some("tor2"));
    let dcb = lldp.dcb.as_ref().expect("DCBX");
    assert_eq!(dcb.dcbx.as_deref(), Some(&["ieee".to_string(), "cee".to_string()][..]));
    assert_eq!(dcb.pfc.as_ref().expect("PFC").prio_pfc, [false, false, false, true, false, false, false, false]);
    assert_eq!(dcb.app.as_ref().expect("applications").len(), 3);
}

#[test]
fn lldptool_says_the_same_as_lldpctl() {
    let (read, faults) = lldptool::read(&text("lldptool.txt"));
    assert_eq!(faults, []);
    let lldptool = read.expect("a neighbour");
    let lldpd = of_lldpd("lldpctl-one.json").remove(0).1;
    let (ours, theirs) = (lldptool.dcb.clone().expect("DCBX"), lldpd.dcb.clone().expect("DCBX"));
    assert_eq!((&ours.ets, &ours.ets_recommendation), (&theirs.ets, &theirs.ets_recommendation));
    let mut pfc = theirs.pfc.expect("PFC");
    // It was recorded with one priority and one application more.
    pfc.prio_pfc[4] = true;
    assert_eq!(ours.pfc, Some(pfc));
    let words: Vec<_> = ours.app.iter().flatten().map(|app| (app.selector.as_str(), app.protocol, app.priority)).collect();
    assert_eq!(words, [("ethtype", 0x8906, 3), ("port", 3260, 4), ("dgram-port", 4791, 3), ("dscp", 26, 4)]);
    let same = |lldp: Lldp| Lldp { dcb: None, source: None, management_addresses: Vec::new(), aggregation: None, ..lldp };
    assert_eq!(same(lldptool), same(lldpd));
}

#[test]
fn older_lldptool_and_cee_are_read() {
    let text = "Chassis ID TLV\n\tMAC: 5c:26:0a:f1:c5:73\nPort ID TLV\n\tIfname: Te1/0/2\nTime to Live TLV\n\t120\nSystem Description \
                TLV\n\tone\nand two\nIEEE 8021QAZ APP TLV\n\tApp#0:\n\t Priority: 2\n\t Sel: 2\n\t {S}TCP Port: 3260\n\n\tApp#1:\n\t \
                Priority: 5\n\t Sel: 1\n\t Ethertype: 0x8906\n";
    let (read, faults) = lldptool::read(text);
    assert_eq!(faults, []);
    let read = read.expect("a neighbour");
    assert_eq!(read.system_description.as_deref(), Some("one\nand two"));
    let words: Vec<_> = read
        .dcb
        .iter()
        .flat_map(|dcb| dcb.app.iter().flatten())
        .map(|app| (app.selector.as_str(), app.protocol, app.priority))
        .collect();
    assert_eq!(words, [("stream-port", 3260, 2), ("ethtype", 0x8906, 5)]);
    let cee = "Chassis ID TLV\n\tLocal: a\nPort ID TLV\n\tLocal: b\nTime to Live TLV\n\tlong\nCEE DCBX TLV\n\tPriority Flow Control \
               TLV:\n\t  Enabled, Willing, No Error\n\t  PFC enabled priorities: 3, 4\n\t  Number of TC's supported: 2\n\tPriority \
               Groups TLV:\n\t  Enabled, Not Willing, No Error\n\t  PGID Priorities:  0:[0,1,2,5,6,7] 15:[3] 2:[4]\n\t  PGID \
               Percentages: 0:25% 1:30% 2:45% 3:0% 4:0% 5:0% 6:0% 7:0%\n\tApplication TLV:\n\t  Enabled, Willing, No Error\n\t  \
               TCP/UDP Port: 0x0cbc, Priority Map: 0x30\n";
    let (read, faults) = lldptool::read(cee);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!((faults[0].line, faults[0].field.as_str()), (6, "Time to Live"));
    let dcb = read.and_then(|lldp| lldp.dcb).expect("CEE");
    assert_eq!(dcb.variant.as_deref(), Some("cee"));
    let (pfc, ets) = (dcb.pfc.expect("PFC"), dcb.ets.expect("groups"));
    assert_eq!((pfc.willing, pfc.pfc_cap, pfc.prio_pfc[3], pfc.prio_pfc[4]), (Some(true), Some(2), true, true));
    assert_eq!((ets.willing, ets.prio_tc, ets.tc_bw), (Some(false), [0, 0, 0, 15, 2, 0, 0, 0], [25, 30, 45, 0, 0, 0, 0, 0]));
    assert_eq!(dcb.app.expect("applications").len(), 2);
}

#[test]
fn what_is_not_lldpds_is_said() {
    assert!(lldpd::read("{").expect_err("no JSON").contains("line 1 column 1"));
    assert!(lldpd::read("{}").expect_err("another document").contains("no `lldp`"));
    assert_eq!(lldpd::read("{\"lldp\": {}}").expect("lldpctl without neighbours"), lldpd::Neighbours::default());
    let odd = "{\"lldp\":{\"interface\":{\"a\":{\"via\":\"LLDP\",\"chassis\":{},\"port\":[]},\"b\":[7,null,{\"via\":\"CDPv2\"}]}}}";
    let read = lldpd::read(odd).expect("lldpctl's");
    assert_eq!((read.found.len(), read.faults), (0, vec![("a".into(), "a neighbour without a chassis".into())]));
}
