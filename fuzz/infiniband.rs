//! Management datagrams, the files of `OpenSM`, and pasted text.

use pathvet_checks::evidence::Host;
use pathvet_checks::parse::{infiniband, opensm, paste};
use pathvet_checks::wire::mad::{self, Answer, HEADER, Question, Route};
use std::collections::BTreeSet;

const QUESTIONS: [Question; 6] = [
    Question::NodeInfo(Route::Here),
    Question::NodeInfo(Route::Through(1)),
    Question::PortInfo(Route::Here, 1),
    Question::PortInfo(Route::Through(2), 255),
    Question::SmInfo(0x102),
    Question::SmInfoRecords(1),
];

/// What a umad device gives, read as the answer to every question.
pub fn mad(bytes: &[u8]) -> bool {
    let mut understood = false;
    let _ = mad::transaction(bytes);
    for question in QUESTIONS {
        match mad::read(question, bytes) {
            Ok(Answer::SmInfoRecords(records)) => {
                assert!(records.len() <= bytes.len() / 25 && records.iter().all(|record| record.lid != 0));
                understood = true;
            }
            Ok(Answer::PortInfo(info)) => {
                let words = (info.state_word(), info.phys_state_word(), info.width(), info.speed());
                assert!(info.width().is_none() || info.widest().is_none() || words.2 <= Some(12));
                assert!(info.active_mtu().is_none_or(|mtu| (256..=4096).contains(&mtu)), "{words:?}");
                understood = true;
            }
            Ok(Answer::SmInfo(info)) => {
                assert!(info.priority < 16 && info.state < 16);
                understood = true;
            }
            Ok(Answer::NodeInfo(_)) => understood = true,
            Err(fault) => assert!(fault.to_string().len() < 200),
        }
    }
    understood
}

/// Answers to every question, with something in every field.
pub fn mad_samples() -> Vec<Vec<u8>> {
    let answered = |question: Question| {
        let mut bytes = question.build(3, 77, 1000);
        bytes[HEADER + 3] |= 0x80;
        let data = if matches!(question, Question::SmInfoRecords(_)) { 56 } else { 64 };
        for (at, byte) in bytes.iter_mut().skip(HEADER + data).enumerate().take(64) {
            *byte = u8::try_from(at).unwrap_or(0).wrapping_mul(37);
        }
        if data == 56 {
            bytes[HEADER + 45] = 4;
        }
        bytes
    };
    QUESTIONS.into_iter().map(answered).chain([Question::SmInfo(1).build(1, 1, 1)]).collect()
}

/// A text, read as everything that pathvet reads of `OpenSM` and infiniband-diags.
pub fn fabric_text(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let lines = u32::try_from(text.lines().count().max(1)).unwrap_or(u32::MAX);
    let (partitions, faults) = opensm::partitions(&text);
    assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{faults:?}");
    let keys: BTreeSet<u16> = partitions.iter().map(|partition| partition.pkey).collect();
    assert!(keys.len() == partitions.len() && keys.contains(&0x7fff) && keys.iter().all(|key| (1..=0x7fff).contains(key)));
    assert!(partitions.iter().all(|partition| (256..=4096).contains(&partition.mtu) && partition.line <= lines));
    let (options, faults) = opensm::options(&text);
    assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{faults:?}");
    assert!(options.config.priority.is_none_or(|priority| priority <= 15));
    let (ports, _) = opensm::ports(&text);

    let pasted = paste::read(&text);
    assert!(pasted.faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{:?}", pasted.faults);
    let outputs = pasted.outputs;
    let mut host = Host::default();
    pasted.clone().add_to(&mut host, "f", "import:ib");
    let managers = |host: &Host| host.infiniband.as_ref().and_then(|table| table.subnet_managers.clone()).unwrap_or_default();
    assert!(
        managers(&host).iter().all(|manager| manager.guid.len() == 18 && manager.priority.is_none_or(|priority| priority <= 15))
    );
    // The same text twice says nothing new.
    let once = (host.links.clone(), host.infiniband.as_ref().map(|table| table.ports.clone()), managers(&host).len());
    pasted.add_to(&mut host, "f", "import:ib");
    assert_eq!(once, (host.links.clone(), host.infiniband.as_ref().map(|table| table.ports.clone()), managers(&host).len()));

    for line in text.lines() {
        let _ = (infiniband::state(line), infiniband::phys_state(line), infiniband::gid(line), infiniband::number(line));
        if let Ok(rate) = infiniband::rate(line) {
            assert!(rate.data_mbps.is_none_or(|data| data <= rate.mbps), "{line}");
        }
        if let Ok(guid) = infiniband::guid(line) {
            assert_eq!(infiniband::guid(&infiniband::show_guid(guid)), Ok(guid), "{line}");
        }
    }
    let named = options != opensm::Options::default() || ports.is_some() || partitions.iter().any(|partition| partition.line > 0);
    named || outputs > 0
}

/// Files of `OpenSM`; the pasted texts are those of `testdata/imports`.
pub const FILES: [&str; 5] = [
    "Default=0x7fff,ipoib,mtu=5:ALL=full;\n",
    "# 4K\nDefault = 0x7fff , ipoib, mtu=4, rate=7, sl=2, defmember=full :\n ALL_CAS, SELF=full,\n 0x0002c90300aa0001=both;\nB=0x8001:ALL;mgid=ff12::1;\n",
    "guid 0x0002c90300aa0001\nsm_priority 13\nsminfo_polling_timeout 10000\npolling_retry_number 4\npartition_config_file /etc/opensm/partitions.conf\n",
    "#PORTS=ALL\nPORTS=\"0x0002c9030002fce9 0x0002c9030002fb06\"\n",
    "4: ACTIVE\n5: LinkUp\n40 Gb/sec (4X QDR)\nfe80:0000:0000:0000:0002:c903:00bb:0001\n0002:c903:00bb:0000\n0x02510868\n",
];
