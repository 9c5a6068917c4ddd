//! Answers written back to bytes: proof that reading lost nothing, and answers of a kernel that a test makes up.

use super::{Cee, CeePg, GETDCB, Ieee, IeeeApp, IeeeEts, IeeePfc, PeerApp, Pg, Reply, Top};
use crate::evidence::Buffer;
use crate::wire::nla::{self, Builder};
use alloc::vec::Vec;

impl Reply {
    /// The whole message, with sequence number and port id 0.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut builder = Builder::new(GETDCB, nla::REQUEST, &[0, self.command, 0, 0]);
        for attribute in &self.attributes {
            match attribute {
                Top::Ifname(name) => builder.text(1, name),
                Top::Ieee(inner) => builder.put(13, &nest(inner, ieee)),
                Top::Dcbx(dcbx) => builder.put(14, &[*dcbx]),
                Top::Cee(inner) => builder.put(16, &nest(inner, cee)),
                Top::Other(kind, value) => builder.put(*kind, value),
            };
        }
        builder.finish()
    }
}

/// Attributes one after the other, padded, as the payload of another; this kernel interface sets no `NLA_F_NESTED`.
fn nest<T>(inner: &[T], each: impl Fn(&T) -> (u16, Vec<u8>)) -> Vec<u8> {
    let mut builder = Builder::new(0, 0, &[]);
    for item in inner {
        let (kind, value) = each(item);
        builder.put(kind, &value);
    }
    builder.finish().split_off(nla::HEADER)
}

fn ieee(attribute: &Ieee) -> (u16, Vec<u8>) {
    match attribute {
        Ieee::Ets(value) => (1, ets(value)),
        Ieee::Pfc(value) => (2, pfc(value)),
        Ieee::Apps(apps) => (3, nest(apps, |entry| app(*entry))),
        Ieee::PeerEts(value) => (4, ets(value)),
        Ieee::PeerPfc(value) => (5, pfc(value)),
        Ieee::PeerApps(apps) => (6, nest(apps, |entry| app(*entry))),
        Ieee::MaxRate(rates) => (7, words(rates)),
        Ieee::Buffer(value) => (10, buffer(value)),
        Ieee::Trust(selectors) => (11, nest(selectors, |selector| (1, [*selector].to_vec()))),
        Ieee::Other(kind, value) => (*kind, value.clone()),
    }
}

fn cee(attribute: &Cee) -> (u16, Vec<u8>) {
    let one = |&(kind, value): &(u16, u8)| (kind, [value].to_vec());
    match attribute {
        Cee::PeerPg(CeePg { willing, error, enabled, tcs, pg_bw, prio_pg }) => {
            (1, [&[*willing, *error, *enabled, *tcs][..], pg_bw, prio_pg].concat())
        }
        Cee::PeerPfc(value) => (2, value.to_vec()),
        Cee::PeerApps(apps) => (3, nest(apps, |entry| peer_app(*entry))),
        Cee::TxPg(groups) => (4, nest(groups, group)),
        Cee::RxPg(groups) => (5, nest(groups, group)),
        Cee::Pfc(values) => (6, nest(values, one)),
        Cee::Apps(apps) => {
            let entry = |app: &super::CeeApp| {
                let parts =
                    [(1, [app.selector].to_vec()), (2, app.protocol.to_ne_bytes().to_vec()), (3, [app.priorities].to_vec())];
                (12, nest(&parts, Clone::clone))
            };
            (7, nest(apps, entry))
        }
        Cee::Features(values) => (8, nest(values, one)),
        Cee::Other(kind, value) => (*kind, value.clone()),
    }
}

fn group(group: &Pg) -> (u16, Vec<u8>) {
    match group {
        Pg::Class(kind, parameters) => (*kind, nest(parameters, |&(kind, value)| (kind, [value].to_vec()))),
        Pg::Share(kind, share) => (*kind, [*share].to_vec()),
        Pg::Other(kind, value) => (*kind, value.clone()),
    }
}

fn app(app: IeeeApp) -> (u16, Vec<u8>) {
    let [low, high] = app.protocol.to_ne_bytes();
    (app.kind, [app.selector, app.priority, low, high].to_vec())
}

fn peer_app(entry: PeerApp) -> (u16, Vec<u8>) {
    match entry {
        PeerApp::Info(willing, error) => (1, [willing, error].to_vec()),
        PeerApp::App(entry) => app(entry),
    }
}

fn words(words: &[u64; 8]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn ets(ets: &IeeeEts) -> Vec<u8> {
    [
        &[ets.willing, ets.ets_cap, ets.cbs][..],
        &ets.tc_tx_bw,
        &ets.tc_rx_bw,
        &ets.tc_tsa,
        &ets.prio_tc,
        &ets.tc_reco_bw,
        &ets.tc_reco_tsa,
        &ets.reco_prio_tc,
    ]
    .concat()
}

fn pfc(pfc: &IeeePfc) -> Vec<u8> {
    let [low, high] = pfc.delay.to_ne_bytes();
    let head = [pfc.pfc_cap, pfc.pfc_en, pfc.mbc, 0, low, high, 0, 0];
    [&head[..], &words(&pfc.requests), &words(&pfc.indications)].concat()
}

fn buffer(buffer: &Buffer) -> Vec<u8> {
    let sizes = buffer.buffer_size.iter().flat_map(|size| size.to_ne_bytes());
    buffer.prio_buffer.into_iter().chain(sizes).chain(buffer.total_size.to_ne_bytes()).collect()
}
