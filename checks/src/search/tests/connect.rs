//! The far end's own MTU: from a connect, where its first SYN is lost too, and from the fragments of its answers.

use super::{Net, config, run};
use crate::evidence::{LimitKind, PeerMtuHow};
use core::time::Duration;

/// Where packets are lost, the kernel's second SYN is waited for: without the far end's MTU the culprit stays open.
#[test]
fn a_lost_syn_is_sent_again_where_packets_are_lost() {
    for seed in 0..20 {
        for net in [Net { loss: 200, ..Net::clean(9198) }, Net { policer: Some((100, 10, false)), ..Net::clean(9198) }] {
            let run = run(Net { peer: Some(9600), syn_lost: true, ..net }, config(9600, seed));
            assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9198), LimitKind::Silent), "{seed}");
            let peer = run.path.peer_mtu.map(|peer| (peer.value, peer.how));
            assert_eq!(peer, Some((9600, PeerMtuHow::Mss)), "{seed}");
        }
    }
}

/// A port that keeps silent behind a clean link is filtered.
#[test]
fn silence_on_a_clean_link_is_not_waited_for() {
    let run = run(Net { peer: Some(9600), syn_lost: true, ..Net::clean(9198) }, config(9600, 1));
    assert_eq!((run.path.path_mtu, run.path.limit.kind), (Some(9198), LimitKind::Silent));
    assert!(run.elapsed < Duration::from_millis(200), "{:?}", run.elapsed);
}

/// Fragments alone leave up to seven bytes open. A veth receives four bytes more than its MTU; a card may receive much more.
#[test]
fn fragments_tell_the_far_ends_mtu_to_the_byte() {
    for peer in (1400..9000).step_by(13) {
        for (forward, loss) in [(peer, 0), (peer + 4, 0), (65_535, 0), (peer + 4, 50)] {
            let net = Net { peer: Some(peer), mss: false, loss, ..Net::clean(forward) };
            let run = run(net, config(9216, 1));
            assert_eq!(run.path.path_mtu, Some(forward.min(9216)), "{peer} {forward}");
            let found = run.path.peer_mtu.map(|peer| (peer.value, peer.how));
            assert_eq!(found, Some((peer, PeerMtuHow::Fragments)), "{peer} {forward} {loss}");
        }
    }
}

#[test]
fn above_the_cut_fragments_leave_seven_bytes_open() {
    let run = run(Net { peer: Some(9198), mss: false, ..Net::clean(8996) }, config(9600, 1));
    assert_eq!(run.path.path_mtu, Some(8996));
    let found = run.path.peer_mtu.map(|peer| (peer.value, peer.how, peer.at_least));
    assert_eq!(found, Some((9196, PeerMtuHow::Fragments, true)));
}
