//! Link partners out of captures and of other LLDP programs.

use crate::error::{InputError, Problem};
use pathvet_checks::evidence::{Gap, GapReason, Host, Link, Lldp};
use pathvet_checks::parse::{Fault, capture, lldpd, lldptool};

/// A capture.
pub(super) fn pcap(file: &str, bytes: &[u8], interface: Option<&str>, host: &mut Host) -> Result<Vec<Problem>, InputError> {
    let found = capture::read(bytes, interface).map_err(|fault| {
        let problem = Problem::new(file, fault.to_string()).expected("expected a capture: pcap or pcapng, as tcpdump -w writes it");
        InputError::from(problem)
    })?;
    let mut remarks = Vec::new();
    if let Some(cut) = &found.cut {
        remarks.push(Problem::new(file, format!("{cut}; {} frames before it were read", found.frames)).warning());
    }
    if found.announcements == 0 {
        let problem = Problem::new(file, format!("no LLDP that came in, in {} frames", found.frames));
        let help = "switches announce themselves every 30 s: tcpdump -Q in -c 2 -w FILE -i IFACE ether proto 0x88cc";
        return Err(problem.help(help).into());
    }
    for (ifname, frame, why) in &found.faults {
        remarks.push(Problem::new(file, format!("frame {frame}: {why}")).warning());
        host.gaps.push(gap(ifname, format!("{file}, frame {frame}"), why.clone()));
    }
    if let Some(last) = found.last.and_then(|last| jiff::Timestamp::from_nanosecond(last.into()).ok()) {
        host.taken = Some(last);
    }
    for (ifname, neighbours) in found.neighbours {
        add(host, &ifname, "import:pcap", neighbours);
    }
    Ok(remarks)
}

/// What lldpctl or lldptool printed.
pub(super) fn text(file: &str, bytes: &[u8], interface: Option<&str>, host: &mut Host) -> Result<Vec<Problem>, InputError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let nobody = |message: &str| {
        let expected = "expected what `lldpctl -f json` or `lldptool -t -n -i IFACE` prints";
        InputError::from(Problem::new(file, message).expected(expected))
    };
    let mut remarks = Vec::new();
    if text.trim_start().starts_with('{') {
        let read = lldpd::read(text).map_err(|why| nobody(&why))?;
        for (ifname, why) in &read.faults {
            remarks.push(Problem::new(file, format!("{ifname}: {why}")).warning());
            host.gaps.push(gap(ifname, file.to_string(), why.clone()));
        }
        for (ifname, lldp) in read.found {
            add(host, interface.unwrap_or(&ifname), "import:lldp", vec![lldp]);
        }
        return Ok(remarks);
    }
    let (lldp, faults) = lldptool::read(text);
    let lldp = lldp.ok_or_else(|| nobody("no neighbour with a chassis and a port in it"))?;
    let ifname = interface.unwrap_or(capture::UNNAMED);
    for Fault { line, field, message } in &faults {
        remarks.push(Problem::new(file, format!("line {line}, {field}: {message}")).warning());
        host.gaps.push(gap(ifname, format!("{file}, line {line}"), format!("{field}: {message}")));
    }
    add(host, ifname, "import:lldp", vec![lldp]);
    Ok(remarks)
}

fn gap(ifname: &str, place: String, detail: String) -> Gap {
    Gap { what: format!("links.{ifname}.lldp"), place, reason: GapReason::Malformed, detail, right: None }
}

/// Adds neighbours to an interface of which nothing else may be known. Of one that is known already the later one stays.
fn add(host: &mut Host, ifname: &str, source: &str, neighbours: Vec<Lldp>) {
    let links = host.links.get_or_insert_default();
    let at = links.iter().position(|link| link.ifname == ifname).unwrap_or_else(|| {
        links.push(Link { ifname: ifname.into(), source: source.into(), ..Link::default() });
        links.len() - 1
    });
    let known = links[at].lldp.get_or_insert_default();
    for lldp in neighbours {
        match known.iter_mut().find(|old| (&old.chassis_id, &old.port_id) == (&lldp.chassis_id, &lldp.port_id)) {
            Some(old) => *old = lldp,
            None => known.push(lldp),
        }
    }
}
