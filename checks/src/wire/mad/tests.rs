use super::*;
use alloc::vec;
use proptest::prelude::*;

fn answered(question: Question, fill: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = question.build(3, 77, 100);
    bytes[HEADER + 3] |= 0x80;
    fill(&mut bytes[HEADER..]);
    bytes
}

fn put_sm(data: &mut [u8], guid: u64, count: u32, byte: u8) {
    data[..8].copy_from_slice(&guid.to_be_bytes());
    data[8..16].copy_from_slice(&0x5ec2_e700_0000_0001_u64.to_be_bytes());
    data[16..20].copy_from_slice(&count.to_be_bytes());
    data[20] = byte;
}

#[test]
fn a_question_stands_as_the_standard_draws_it() {
    let bytes = Question::PortInfo(Route::Through(2), 5).build(7, 0x0102_0304, 1000);
    assert_eq!(bytes.len(), HEADER + LENGTH);
    assert_eq!(bytes[..4], 7_u32.to_ne_bytes());
    assert_eq!(bytes[8..12], 1000_u32.to_ne_bytes());
    assert_eq!(bytes[28..30], [0xff, 0xff], "the permissive LID");
    let mad = &bytes[HEADER..];
    assert_eq!(mad[..8], [1, 0x81, 1, 1, 0, 0, 0, 1]);
    assert_eq!(mad[8..16], [0, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(mad[16..24], [0, 0x15, 0, 0, 0, 0, 0, 5]);
    assert_eq!((&mad[32..36], &mad[128..131]), (&[0xff; 4][..], &[0, 2, 0][..]));

    let bytes = Question::SmInfoRecords(0x102).build(7, 1, 1000);
    assert_eq!(bytes[20..28], [0, 0, 0, 1, 0x80, 1, 0, 0], "queue pair 1 and its key");
    assert_eq!(bytes[28..30], [1, 2]);
    let mad = &bytes[HEADER..];
    assert_eq!(mad[..4], [1, 3, 2, 0x12]);
    assert_eq!((mad[16..18].to_vec(), mad[24]), (vec![0, 0x18], 1));
    assert!(mad[25..].iter().all(|byte| *byte == 0), "no key and no component mask: every record");

    let mad = &Question::SmInfo(4).build(7, 1, 1000)[HEADER..];
    assert_eq!((mad[..4].to_vec(), mad[16..18].to_vec()), (vec![1, 1, 1, 1], vec![0, 0x20]));
}

#[test]
fn nothing_can_be_set() {
    // IBA 13.4.5 and 15.2.2: Set 0x02, Send 0x03, Trap 0x05, Report 0x06, TrapRepress 0x07, Delete 0x15 and all answers change
    // something or speak for somebody.
    for method in Method::ALL {
        assert!(matches!(method.number(), 0x01 | 0x12), "{method:?}");
    }
    for (question, _) in some_questions() {
        let bytes = question.build(0, 0, 0);
        assert!(matches!(bytes[HEADER + 3], 0x01 | 0x12), "{question:?}");
    }
    // Whoever adds a number to the enumeration meets this.
    assert_eq!(size_of_val(&Method::ALL), 2);
}

fn some_questions() -> Vec<(Question, usize)> {
    vec![
        (Question::NodeInfo(Route::Here), 64),
        (Question::NodeInfo(Route::Through(1)), 64),
        (Question::PortInfo(Route::Here, 1), 64),
        (Question::PortInfo(Route::Through(200), 255), 64),
        (Question::SmInfo(0xbfff), 64),
        (Question::SmInfoRecords(1), 56),
    ]
}

#[test]
fn answers_are_read() {
    let bytes = answered(Question::SmInfo(4), |mad| put_sm(&mut mad[64..], 0x0002_c903_00cc_0001, 122, 0xa3));
    let Ok(Answer::SmInfo(info)) = read(Question::SmInfo(4), &bytes) else { panic!("no answer") };
    assert_eq!(info, SmInfo { guid: 0x0002_c903_00cc_0001, act_count: 122, priority: 10, state: 3 });
    assert_eq!(info.state_word(), Some("MASTER"));
    assert_eq!(transaction(&bytes), Some((3, 77)));

    let question = Question::SmInfoRecords(4);
    let bytes = answered(question, |mad| {
        mad[44..46].copy_from_slice(&4_u16.to_be_bytes());
        for (at, (lid, byte)) in [(4_u16, 0xa3), (1, 0x52)].into_iter().enumerate() {
            let row = &mut mad[56 + at * 32..];
            row[..2].copy_from_slice(&lid.to_be_bytes());
            put_sm(&mut row[4..], u64::from(lid), 9, byte);
        }
    });
    let Ok(Answer::SmInfoRecords(records)) = read(question, &bytes) else { panic!("no answer") };
    let found: Vec<_> = records.iter().map(|record| (record.lid, record.info.priority, record.info.state)).collect();
    assert_eq!(found, [(4, 10, 3), (1, 5, 2)]);

    let question = Question::PortInfo(Route::Here, 1);
    let bytes = answered(question, |mad| {
        // The direction of a route is no error.
        mad[4] = 0x80;
        let data = &mut mad[64..];
        data[8..16].copy_from_slice(&0xfe80_0000_0000_0000_u64.to_be_bytes());
        data[16..24].copy_from_slice(&[0, 3, 0, 1, 0x02, 0x51, 0x48, 0x6a]);
        (data[30], data[31], data[32], data[33], data[34], data[35], data[36], data[41]) =
            (0x1f, 2, 0x74, 0x52, 0, 0x41, 0x40, 0x35);
        data[62] = 0x23;
    });
    let Ok(Answer::PortInfo(info)) = read(question, &bytes) else { panic!("no answer") };
    assert_eq!((info.lid, info.sm_lid, info.state_word(), info.phys_state_word()), (3, 1, Some("Active"), Some("LinkUp")));
    assert_eq!((info.active_mtu(), info.max_mtu(), info.widest(), info.width()), (Some(2048), Some(4096), Some(12), Some(4)));
    assert_eq!(
        (info.fastest(), info.speed()),
        (Some(crate::parse::infiniband::Speed::Edr), Some(crate::parse::infiniband::Speed::Edr))
    );
}

#[test]
fn faults_have_names() {
    let question = Question::SmInfo(4);
    let mut late = answered(question, |_| {});
    late[4..8].copy_from_slice(&110_u32.to_ne_bytes());
    assert!(read(question, &late).is_err_and(Fault::is_timeout));
    assert_eq!(read(question, &late[..HEADER]), Err(Fault::Status(110)), "the kernel may give the header alone");
    assert_eq!(read(question, &[0; 60]), Err(Fault::Short(60)));
    let refused = answered(question, |mad| mad[5] = 0x1c);
    assert_eq!(read(question, &refused), Err(Fault::Refused(0x1c)));
    let own = question.build(1, 1, 1);
    assert!(matches!(read(question, &own), Err(Fault::Other { method: 1, .. })), "a question is no answer");
    let rows = answered(Question::SmInfoRecords(1), |mad| mad[45] = 3);
    assert_eq!(read(Question::SmInfoRecords(1), &rows), Err(Fault::Rows(24)));
}

#[test]
fn the_key_is_not_kept() {
    let bytes = answered(Question::SmInfo(4), |mad| put_sm(&mut mad[64..], 1, 2, 0x13));
    let shown = alloc::format!("{:x?}", read(Question::SmInfo(4), &bytes));
    assert!(!shown.contains("5ec2e7"), "{shown}");
}

proptest! {
    #[test]
    fn whatever_arrives_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), which in 0_usize..6) {
        let (question, data) = some_questions()[which];
        let _ = (read(question, &bytes), transaction(&bytes));
        // The same with a lawful head: now the data are what is odd.
        let mut lawful = answered(question, |_| {});
        for (to, from) in lawful.iter_mut().skip(HEADER + data).zip(&bytes) {
            *to = *from;
        }
        prop_assert!(read(question, &lawful).is_ok());
        lawful.truncate(bytes.len());
        let _ = read(question, &lawful);
    }

    #[test]
    fn questions_come_back_by_agent_and_transaction(agent: u32, number: u32, lid: u16, out: u8, port: u8) {
        for question in [Question::PortInfo(Route::Through(out), port), Question::SmInfo(lid), Question::SmInfoRecords(lid)] {
            let bytes = question.build(agent, number, 1);
            prop_assert_eq!(bytes.len(), HEADER + LENGTH);
            prop_assert_eq!(transaction(&bytes), Some((agent, number)));
            prop_assert!(matches!(bytes[HEADER + 3], 0x01 | 0x12));
        }
    }

    #[test]
    fn every_byte_of_sminfo_has_its_field(guid: u64, count: u32, byte: u8) {
        let bytes = answered(Question::SmInfo(1), |mad| put_sm(&mut mad[64..], guid, count, byte));
        let expected = SmInfo { guid, act_count: count, priority: byte >> 4, state: byte & 15 };
        prop_assert_eq!(read(Question::SmInfo(1), &bytes), Ok(Answer::SmInfo(expected)));
    }
}
