//! Recorded answers of a kernel with DCB devices: read as `dcb -j` reads them, and written back to the same bytes.

#![expect(clippy::print_stdout, reason = "a test says how much it compared")]

use pathvet_checks::evidence::Dcb;
use pathvet_checks::wire::dcbnl::{self, Command, Fault, Reply};
use pathvet_checks::wire::nla;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The recording in the repository, and the one it was made from where that is there.
fn recordings() -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = vec![std::fs::read_to_string(root.join("testdata/dcb/guest-dcb.txt")).expect("testdata is part of it")];
    match std::fs::read_to_string(root.join("../shared/recorded/dcb/guest-dcb.txt")) {
        Ok(text) => found.push(text),
        Err(_) => println!("ABSENT: ../shared/recorded/dcb/guest-dcb.txt"),
    }
    found
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits")).collect()
}

/// Request and answer of a command on a device.
fn exchange(recording: &str, device: &str, command: Command) -> (Vec<u8>, Vec<u8>) {
    let section = recording.split("+ ").find(|section| section.starts_with(&format!("getdcb {device}\n"))).expect("recorded");
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        if let Some(sent) = line.strip_prefix("  tx ").map(bytes)
            && sent[17] == command.code()
        {
            let received = lines.next().and_then(|line| line.strip_prefix("  rx ")).expect("an answer");
            return (sent, bytes(received));
        }
    }
    panic!("{device}: {command:?} was not recorded");
}

fn reply(received: &[u8]) -> (Reply, Vec<Fault>) {
    let message = nla::messages(received).next().expect("a message").expect("a whole one");
    assert_eq!(message.kind, dcbnl::GETDCB);
    dcbnl::parse(message.body).expect("long enough")
}

/// What `dcb -j -s OBJECT show dev DEVICE` printed.
fn printed(recording: &str, object: &str, device: &str) -> Option<Value> {
    let heads = [format!("+ dcb -j -s {object} show dev {device}\n"), format!("+ dcb -j {object} show dev {device}\n")];
    let rest = heads.iter().find_map(|head| recording.split(head).nth(1))?;
    Some(serde_json::from_str(rest.lines().next().expect("a line")).expect("JSON"))
}

/// Every field that `dcb` printed is ours too; gives their number, the entries of arrays counted one by one.
fn compare(what: &str, ours: &Value, theirs: &Value) -> usize {
    match theirs {
        Value::Object(fields) => fields.iter().map(|(key, value)| compare(&format!("{what}.{key}"), &ours[key], value)).sum(),
        Value::Array(items) => {
            assert_eq!(ours.as_array().map(Vec::len), Some(items.len()), "{what}");
            items.iter().enumerate().map(|(at, value)| compare(&format!("{what}[{at}]"), &ours[at], value)).sum()
        }
        value => {
            assert_eq!(ours, value, "{what}");
            1
        }
    }
}

/// Our tables in the shape of `dcb -j`.
fn in_dcbs_shape(object: &str, dcb: &Dcb) -> Value {
    match object {
        "dcbx" => dcb.dcbx.iter().flatten().map(|word| (word.clone(), Value::Bool(true))).collect::<serde_json::Map<_, _>>().into(),
        "pfc" => serde_json::to_value(&dcb.pfc).expect("JSON"),
        "ets" => serde_json::to_value(&dcb.ets).expect("JSON"),
        "maxrate" => json!({ "tc_maxrate": dcb.tc_maxrate }),
        "buffer" => serde_json::to_value(&dcb.buffer).expect("JSON"),
        "app" => {
            let mut tables = serde_json::Map::new();
            for app in dcb.app.iter().flatten() {
                let key = format!("{}_prio", app.selector.replace('-', "_"));
                let entry = if app.selector == "default" { json!(app.priority) } else { json!([app.protocol, app.priority]) };
                tables.entry(key).or_insert_with(|| json!([])).as_array_mut().expect("made so").push(entry);
            }
            tables.into()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn recorded_answers_say_what_dcb_printed() {
    let mut fields = 0;
    for recording in recordings() {
        let (_, received) = exchange(&recording, "dcbsim0", Command::IeeeGet);
        let (read, faults) = reply(&received);
        assert_eq!(faults, []);
        assert!(!read.runs_cee());
        let dcb = read.ieee_evidence();
        for object in ["dcbx", "pfc", "ets", "app", "maxrate", "buffer"] {
            let theirs = printed(&recording, object, "dcbsim0").expect("recorded");
            let ours = in_dcbs_shape(object, &dcb);
            fields += compare(object, &ours, &theirs);
            if object == "app" || object == "dcbx" {
                assert_eq!(ours, theirs, "{object}: nothing more than dcb printed");
            }
        }
        // The peer's tables are those of the device at the other end, as far as a kernel passes them on.
        let peer = dcb.peer.as_deref().expect("its peer");
        for (object, keys) in [("pfc", &["pfc_cap", "macsec_bypass", "prio_pfc"][..]), ("ets", &["tc_bw", "tc_tsa", "prio_tc"][..])]
        {
            let theirs = printed(&recording, object, "dcbsim1").expect("recorded");
            let ours = in_dcbs_shape(object, peer);
            for key in keys {
                fields += compare(&format!("peer {object}.{key}"), &ours[key], &theirs[key]);
            }
        }

        let (_, received) = exchange(&recording, "dcbsim2", Command::IeeeGet);
        let (read, _) = reply(&received);
        assert!(read.runs_cee(), "IEEE attributes are there, and the DCBX byte says CEE");
        let (_, received) = exchange(&recording, "dcbsim2", Command::CeeGet);
        let (read, faults) = reply(&received);
        assert_eq!(faults, []);
        let dcb = read.cee_evidence();
        fields += compare("dcbx", &in_dcbs_shape("dcbx", &dcb), &printed(&recording, "dcbx", "dcbsim2").expect("recorded"));
        assert_eq!(dcb.variant.as_deref(), Some("cee"));
        assert_eq!(dcb.pfc.expect("PFC").prio_pfc, [false; 8]);
        assert_eq!(dcb.ets.expect("groups").tc_bw, [100, 0, 0, 0, 0, 0, 0, 0]);
        let peer = dcb.peer.expect("its peer");
        assert_eq!(peer.ets.expect("groups").willing, Some(true));

        // dcbsim0 runs IEEE; its CEE answer holds the same PFC and its peer's, which has PFC on 4.
        let (_, received) = exchange(&recording, "dcbsim0", Command::CeeGet);
        let dcb = reply(&received).0.cee_evidence();
        assert_eq!(dcb.pfc.expect("PFC").prio_pfc, [false, false, false, true, false, false, false, false]);
        let peer = dcb.peer.and_then(|peer| peer.pfc).expect("its peer's PFC");
        assert_eq!((peer.prio_pfc[4], peer.willing, peer.pfc_cap), (true, Some(true), Some(8)));
    }
    println!("{fields} fields compared with dcb -j");
    assert!(fields >= 150, "{fields} fields");
}

#[test]
fn requests_and_answers_are_written_to_the_recorded_bytes() {
    let mut answers = 0;
    for recording in recordings() {
        for device in ["dcbsim0", "dcbsim2", "lo"] {
            for command in [Command::IeeeGet, Command::GetDcbx, Command::CeeGet] {
                let (sent, received) = exchange(&recording, device, command);
                let mut asked = dcbnl::request(command, device);
                // The recorder numbered its requests.
                asked[8..16].copy_from_slice(&sent[8..16]);
                assert_eq!(asked, sent, "{device} {command:?}");
                let message = nla::messages(&received).next().expect("a message").expect("a whole one");
                if device == "lo" {
                    assert_eq!(message.error(), Some(95), "no DCB is no answer");
                    continue;
                }
                let (read, faults) = reply(&received);
                assert_eq!((read.command, faults.len()), (command.code(), 0));
                assert_eq!(&read.emit()[nla::HEADER..], message.body, "{device} {command:?}");
                answers += 1;
            }
        }
    }
    println!("{answers} answers written back to the same bytes");
}

#[test]
fn an_attribute_of_another_length_is_told_and_the_rest_is_used() {
    let recording = &recordings()[0];
    let (_, received) = exchange(recording, "dcbsim0", Command::IeeeGet);
    // The length of ETS (63 with its header) one less: padding hides the difference, the structure does not.
    let at = received.windows(4).position(|bytes| bytes == [0x3f, 0, 1, 0]).expect("ETS");
    let mut cut = received.clone();
    cut[at] = 0x3e;
    let (read, faults) = reply(&cut);
    assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), ["DCB_ATTR_IEEE_ETS: 58 bytes where 59 are expected"]);
    let dcb = read.ieee_evidence();
    assert!(dcb.ets.is_none() && dcb.pfc.is_some());
    // A length that leads out of the message ends the walk.
    cut[at + 1] = 0x7f;
    let (read, faults) = reply(&cut);
    assert!(faults[0].to_string().starts_with("DCB_ATTR_IEEE: a length of 32574 bytes"), "{faults:?}");
    assert_eq!(read.dcbx(), Some(9));
    assert!(dcbnl::parse(&[0, 21, 0]).is_none());
}

#[test]
fn a_long_name_is_cut_to_what_the_kernel_takes() {
    assert_eq!(dcbnl::request(Command::IeeeGet, "a-name-of-more-than-15").len(), 16 + 4 + 4 + 16);
    assert_eq!(dcbnl::request(Command::IeeeGet, "").len(), 16 + 4 + 4 + 4);
}
