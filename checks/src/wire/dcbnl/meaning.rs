//! What an answer means, in the words of `dcb -j`.

use super::{Cee, Ieee, IeeeApp, IeeeEts, IeeePfc, PeerApp, Pg, Reply, Top};
use crate::evidence::{App, Dcb, Ets, Pfc};
use crate::wire::dcbx::{self, app_selector, tsas};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `DCB_CAP_DCBX_*` with the words of `dcb dcbx show`.
const DCBX: [(u8, &str); 5] = [(0x01, "host"), (0x02, "lld_managed"), (0x04, "cee"), (0x08, "ieee"), (0x10, "static")];
const DCBX_CEE: u8 = 0x04;
const DCBX_IEEE: u8 = 0x08;

/// `DCB_FEATCFG_*`.
const FEATURE_ENABLED: u8 = 2;
const FEATURE_WILLING: u8 = 4;

impl Reply {
    /// The DCBX byte.
    #[must_use]
    pub fn dcbx(&self) -> Option<u8> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Top::Dcbx(dcbx) => Some(*dcbx),
            _ => None,
        })
    }

    /// Whether the port runs CEE: kernels answer with CEE attributes in IEEE mode too, so that the DCBX byte decides, and only
    /// without it what the answer holds.
    #[must_use]
    pub fn runs_cee(&self) -> bool {
        match self.dcbx() {
            Some(dcbx) if dcbx & (DCBX_IEEE | DCBX_CEE) != 0 => dcbx & DCBX_IEEE == 0,
            _ => self.ieee().next().is_none(),
        }
    }

    /// What an answer to [`IeeeGet`](super::Command::IeeeGet) says.
    #[must_use]
    pub fn ieee_evidence(&self) -> Dcb {
        let mut dcb = Dcb { dcbx: self.dcbx().map(words), variant: Some("ieee".into()), ..Dcb::default() };
        let mut peer = Dcb { variant: Some("ieee".into()), ..Dcb::default() };
        for attribute in self.ieee() {
            match attribute {
                Ieee::Ets(value) => dcb.ets = Some(ets(value)),
                Ieee::Pfc(value) => dcb.pfc = Some(pfc(value)),
                Ieee::Apps(table) => dcb.app = Some(apps(table)),
                Ieee::PeerEts(value) => peer.ets = Some(ets(value)),
                Ieee::PeerPfc(value) => peer.pfc = Some(pfc(value)),
                Ieee::PeerApps(table) => peer.app = Some(apps(table)),
                Ieee::MaxRate(rates) => dcb.tc_maxrate = Some(*rates),
                Ieee::Buffer(buffer) => dcb.buffer = Some(buffer.clone()),
                Ieee::Trust(selectors) => dcb.apptrust = Some(selectors.iter().map(|&s| app_selector(s, u16::MAX)).collect()),
                Ieee::Other(..) => {}
            }
        }
        dcb.peer = if peer.ets.is_some() || peer.pfc.is_some() || peer.app.is_some() { Some(Box::new(peer)) } else { None };
        dcb
    }

    /// What an answer to [`CeeGet`](super::Command::CeeGet) says. A feature that is switched off is not there.
    #[must_use]
    pub fn cee_evidence(&self) -> Dcb {
        let mut dcb = Dcb { dcbx: self.dcbx().map(words), variant: Some("cee".into()), ..Dcb::default() };
        let mut peer = Dcb { variant: Some("cee".into()), ..Dcb::default() };
        let features = self.cee().find_map(|attribute| match attribute {
            Cee::Features(features) => Some(features.as_slice()),
            _ => None,
        });
        let flags = |feature: u16| features?.iter().find(|(kind, _)| *kind == feature).map(|(_, flags)| *flags);
        let off = |feature: u16| flags(feature).is_some_and(|flags| flags & FEATURE_ENABLED == 0);
        let willing = |feature: u16| flags(feature).map(|flags| flags & FEATURE_WILLING != 0);
        for attribute in self.cee() {
            match attribute {
                Cee::TxPg(groups) if !off(2) => dcb.ets = Some(Ets { willing: willing(2), ..classes(groups) }),
                Cee::Pfc(values) if !off(3) => {
                    let mut prio_pfc = [false; 8];
                    for &(kind, value) in values {
                        if let Some(on) = usize::from(kind).checked_sub(1).and_then(|at| prio_pfc.get_mut(at)) {
                            *on = value != 0;
                        }
                    }
                    dcb.pfc = Some(Pfc { willing: willing(3), prio_pfc, ..Pfc::default() });
                }
                Cee::Apps(table) if !off(4) => {
                    let each = |app: &super::CeeApp| dcbx::cee_apps(app.selector, app.protocol, app.priorities);
                    dcb.app = Some(sorted(table.iter().flat_map(each).collect()));
                }
                Cee::PeerPg(pg) if pg.enabled != 0 => {
                    peer.ets = Some(Ets {
                        willing: Some(pg.willing != 0),
                        ets_cap: Some(pg.tcs),
                        ..dcbx::priority_groups(pg.prio_pg, pg.pg_bw)
                    });
                }
                Cee::PeerPfc([willing, _, enabled, tcs]) => {
                    peer.pfc = Some(Pfc {
                        willing: Some(*willing != 0),
                        pfc_cap: Some(*tcs),
                        prio_pfc: dcbx::bits(*enabled),
                        ..Pfc::default()
                    });
                }
                Cee::PeerApps(table) => {
                    let each = |entry: &PeerApp| match entry {
                        PeerApp::Info(..) => Vec::new(),
                        PeerApp::App(app) => dcbx::cee_apps(app.selector, app.protocol, app.priority),
                    };
                    peer.app = Some(sorted(table.iter().flat_map(each).collect()));
                }
                _ => {}
            }
        }
        dcb.peer = if peer.ets.is_some() || peer.pfc.is_some() || peer.app.is_some() { Some(Box::new(peer)) } else { None };
        dcb
    }

    fn ieee(&self) -> impl Iterator<Item = &Ieee> {
        let nests = self.attributes.iter().filter_map(|attribute| match attribute {
            Top::Ieee(inner) => Some(inner),
            _ => None,
        });
        nests.flatten()
    }

    fn cee(&self) -> impl Iterator<Item = &Cee> {
        let nests = self.attributes.iter().filter_map(|attribute| match attribute {
            Top::Cee(inner) => Some(inner),
            _ => None,
        });
        nests.flatten()
    }
}

fn words(dcbx: u8) -> Vec<String> {
    DCBX.iter().filter(|(bit, _)| dcbx & bit != 0).map(|(_, word)| (*word).to_string()).collect()
}

fn ets(ets: &IeeeEts) -> Ets {
    Ets {
        willing: Some(ets.willing != 0),
        ets_cap: Some(ets.ets_cap),
        cbs: Some(ets.cbs != 0),
        tc_bw: ets.tc_tx_bw,
        tc_tsa: tsas(ets.tc_tsa),
        prio_tc: ets.prio_tc,
        pg_bw: Some(ets.tc_rx_bw),
        reco_tc_bw: Some(ets.tc_reco_bw),
        reco_tc_tsa: Some(tsas(ets.tc_reco_tsa)),
        reco_prio_tc: Some(ets.reco_prio_tc),
    }
}

fn pfc(pfc: &IeeePfc) -> Pfc {
    Pfc {
        willing: None,
        pfc_cap: Some(pfc.pfc_cap),
        macsec_bypass: Some(pfc.mbc != 0),
        delay: Some(pfc.delay),
        prio_pfc: dcbx::bits(pfc.pfc_en),
        requests: Some(pfc.requests),
        indications: Some(pfc.indications),
    }
}

fn sorted(mut apps: Vec<App>) -> Vec<App> {
    apps.sort();
    apps.dedup();
    apps
}

/// The kernel keeps the table in the order of its making, which means nothing.
fn apps(table: &[IeeeApp]) -> Vec<App> {
    let app =
        |app: &IeeeApp| App { selector: app_selector(app.selector, app.protocol), protocol: app.protocol, priority: app.priority };
    sorted(table.iter().map(app).collect())
}

/// Priority groups of `DCB_ATTR_CEE_TX_PG`: classes that carry priorities and belong to groups, and the groups' shares.
fn classes(groups: &[Pg]) -> Ets {
    let mut prio_pg = [0; 8];
    let mut shares = [0; 8];
    for group in groups {
        match group {
            Pg::Class(_, parameters) => {
                let parameter = |kind: u16| parameters.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value);
                // DCB_TC_ATTR_PARAM_STRICT_PRIO 2: before every group, on the link's whole bandwidth.
                let group = if parameter(3) == Some(2) { dcbx::NO_LIMIT } else { parameter(1).unwrap_or(0) };
                let carried = dcbx::bits(parameter(2).unwrap_or(0));
                for (of, carried) in prio_pg.iter_mut().zip(carried) {
                    if carried {
                        *of = group;
                    }
                }
            }
            Pg::Share(kind, share) => {
                if let Some(of) = usize::from(*kind).checked_sub(11).and_then(|at| shares.get_mut(at)) {
                    *of = *share;
                }
            }
            Pg::Other(..) => {}
        }
    }
    dcbx::priority_groups(prio_pg, shares)
}
