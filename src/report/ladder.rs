//! The size ladder: what became of each size that was tried.

use super::View;
use super::text::{Page, Span, Tone, clean, plain, width};
use pathvet_checks::evidence::{LimitKind, Path, PeerMtu, Rung, RungOutcome};
use pathvet_checks::report::PathReport;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Header and FCS of an untagged Ethernet frame, bytes.
const FRAME: u32 = 18;
/// Sizes that networks are built for, IP packet bytes; the ladder shows them where they were tried.
const USUAL: [u32; 2] = [1500, 9000];
/// Longer ladders are shortened to the sizes that matter.
const SHORT: usize = 5;

/// Columns that a size, what became of it and two counts of ten digits can take.
const LINE: usize = 60;

/// The ladder of one path with its heading; empty where no size was tried. With `view.verbose` every size, else those that matter.
#[must_use]
pub fn render(path: &Path, expected: Option<u32>, view: &View) -> String {
    let mut page = Page::new(view);
    write(&mut page, path, expected, view);
    page.finish()
}

/// The line that heads a path, without its ladder.
#[must_use]
pub fn head(path: &PathReport, view: &View) -> String {
    let mut page = Page::new(view);
    header(&mut page, path, view);
    page.finish()
}

/// Writes the ladder on a page.
pub(super) fn write(page: &mut Page<'_>, path: &Path, expected: Option<u32>, view: &View) {
    let rungs = select(path, expected, view.verbose > 0);
    if rungs.is_empty() {
        return;
    }
    page.line(&[(heading(), Tone::Dim)]);
    for rung in rungs {
        let (lead, remark) = row(rung, path, expected);
        page.labelled(&lead, &remark, false);
    }
}

fn heading() -> std::borrow::Cow<'static, str> {
    format!("{:>9}{:>12}", "IP MTU", "frame+FCS").into()
}

/// The rungs worth showing, ascending.
fn select(path: &Path, expected: Option<u32>, all: bool) -> Vec<&Rung> {
    let mut rungs: Vec<&Rung> = path.rungs.iter().collect();
    rungs.sort_by_key(|rung| rung.mtu);
    if all {
        return rungs;
    }
    // That a host refuses what is above its own setting is news only where it is the limit.
    rungs.retain(|rung| rung.outcome != RungOutcome::Local || path.limit.kind == LimitKind::Local || Some(rung.mtu) == expected);
    let clean = |rung: &Rung| rung.outcome == RungOutcome::Passed && rung.replied == rung.sent;
    if rungs.len() <= SHORT && !rungs.iter().copied().all(clean) {
        return rungs;
    }
    let above = rungs.iter().find(|rung| path.path_mtu.is_some_and(|mtu| rung.mtu > mtu)).map(|rung| rung.mtu);
    let marks = [
        path.path_mtu,
        above.filter(|_| path.limit.kind != LimitKind::None),
        path.interface_mtu,
        expected,
        path.limit.reported_mtu,
        path.peer_mtu.map(|peer| peer.value),
        path.proof.map(|proof| proof.passes),
        path.proof.map(|proof| proof.vanishes),
    ];
    let smallest = rungs.first().map(|rung| rung.mtu).filter(|_| path.path_mtu.is_none());
    let largest = rungs.last().map(|rung| rung.mtu);
    rungs.retain(|rung| {
        let mark = Some(rung.mtu);
        marks.contains(&mark)
            || USUAL.contains(&rung.mtu)
            || mark == smallest
            || (mark == largest && path.limit.kind != LimitKind::None)
    });
    rungs
}

/// Sizes, outcome and count of a rung, and what it means.
fn row<'a>(rung: &Rung, path: &Path, expected: Option<u32>) -> (Vec<Span<'a>>, Vec<Span<'a>>) {
    let (word, tone) = word(rung.outcome);
    let lossy = rung.replied < rung.sent && (rung.sent > 1 || rung.replied > 0);
    let uneventful = rung.outcome == RungOutcome::Local || rung.outcome == RungOutcome::TooBig;
    let count = if lossy && !uneventful { format!("   {} of {}", rung.replied, rung.sent) } else { String::new() };
    let remark = remark(rung, path, expected);
    let gap = if remark.is_some() { "   " } else { "" };
    let lead = vec![
        plain(format!("{:>9}{:>12}   ", rung.mtu, rung.mtu.saturating_add(FRAME))),
        (word.into(), tone),
        plain(format!("{}{count}{gap}", " ".repeat(8_usize.saturating_sub(word.len())))),
    ];
    (lead, remark.map(|remark| (format!("<- {remark}").into(), Tone::Strong)).into_iter().collect())
}

const fn word(outcome: RungOutcome) -> (&'static str, Tone) {
    match outcome {
        RungOutcome::Passed => ("arrived", Tone::Good),
        RungOutcome::Silent => ("vanished", Tone::Bad),
        RungOutcome::TooBig => ("too big", Tone::Bad),
        RungOutcome::Local => ("not sent", Tone::Dim),
        RungOutcome::Lost => ("lost", Tone::Caution),
        RungOutcome::Unknown => ("unknown", Tone::Unsure),
    }
}

/// What a size means on this path, if it means anything.
fn remark(rung: &Rung, path: &Path, expected: Option<u32>) -> Option<String> {
    let mtu = Some(rung.mtu);
    let interface = path.interface.as_deref().unwrap_or("the interface");
    let mut parts = Vec::new();
    if mtu == path.path_mtu {
        parts.push("the path carries this much".to_owned());
    }
    if mtu == path.interface_mtu {
        let setting = jumbo(rung.mtu).map_or_else(String::new, |setting| format!(" (jumbo {setting})"));
        parts.push(format!("{interface} is set to this{setting}"));
    }
    if mtu == expected && mtu != path.interface_mtu {
        parts.push("expected".to_owned());
    }
    if let Some(PeerMtu { value, at_least: false, .. }) = path.peer_mtu
        && Some(value) == mtu
    {
        let too = if mtu == path.interface_mtu { " too" } else { "" };
        parts.push(format!("{}'s own MTU is {value}{too}", path.to));
    }
    if rung.outcome == RungOutcome::TooBig
        && let (Some(router), Some(told)) = (path.limit.router, path.limit.reported_mtu)
    {
        parts.push(format!("{router} says {told}"));
    }
    if rung.outcome == RungOutcome::Local && mtu != path.interface_mtu {
        parts.push("larger than this host sends".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The Windows `*JumboPacket` value (IP MTU and 14 bytes of header) where it is a usual one.
const fn jumbo(mtu: u32) -> Option<u32> {
    match mtu {
        9000 | 9600 => Some(mtu + 14),
        _ => None,
    }
}

/// The ladder of `probe`, filling while it is measured: rewritten in place on a terminal, one line for every news elsewhere.
#[derive(Debug)]
pub struct Live<W: Write> {
    out: W,
    view: View,
    terminal: bool,
    rows: usize,
    drawn: usize,
    told: Vec<(u32, RungOutcome)>,
}

impl<W: Write> Live<W> {
    /// `rows` is the height of the terminal, where `out` is one. A terminal too narrow for a line of sizes is not rewritten: lines
    /// that it breaks in two could not be taken back.
    pub const fn new(out: W, view: View, terminal: bool, rows: usize) -> Self {
        Self { out, view, terminal: terminal && view.width >= LINE, rows, drawn: 0, told: Vec::new() }
    }

    /// Shows what is known now.
    ///
    /// # Errors
    /// What writing returned.
    pub fn update(&mut self, path: &Path, expected: Option<u32>) -> io::Result<()> {
        if self.terminal { self.redraw(path, expected) } else { self.append(path, expected) }
    }

    /// Shows the end result and leaves it there. Without a terminal only what was not said yet, with its remarks.
    ///
    /// # Errors
    /// What writing returned.
    pub fn finish(mut self, path: &Path, expected: Option<u32>) -> io::Result<()> {
        if self.terminal {
            self.erase()?;
        } else if !self.told.is_empty() {
            writeln!(self.out)?;
        }
        // The ladder is all that was asked for, so every size of it is shown.
        let view = View { verbose: self.view.verbose.max(1), ..self.view };
        self.out.write_all(render(path, expected, &view).as_bytes())?;
        self.out.flush()
    }

    fn erase(&mut self) -> io::Result<()> {
        if self.drawn > 0 {
            write!(self.out, "\u{1b}[{}A\r\u{1b}[J", self.drawn)?;
            self.drawn = 0;
        }
        Ok(())
    }

    fn redraw(&mut self, path: &Path, expected: Option<u32>) -> io::Result<()> {
        // A line that wraps would break the count of lines to go back, so the remarks are left to the end.
        let bare = Path { path_mtu: None, interface_mtu: None, peer_mtu: None, ..path.clone() };
        let mut rungs = select(path, expected, true);
        let most = self.rows.saturating_sub(3).max(1);
        if rungs.len() > most {
            rungs = select(path, expected, false);
            rungs.truncate(most);
        }
        self.erase()?;
        let mut page = Page::new(&self.view);
        page.line(&[(heading(), Tone::Dim)]);
        for rung in &rungs {
            page.line(&row(rung, &bare, None).0);
        }
        self.drawn = rungs.len() + 1;
        self.out.write_all(page.finish().as_bytes())?;
        self.out.flush()
    }

    fn append(&mut self, path: &Path, expected: Option<u32>) -> io::Result<()> {
        let mut page = Page::new(&self.view);
        if self.told.is_empty() && !path.rungs.is_empty() {
            page.line(&[(heading(), Tone::Dim)]);
        }
        for rung in select(path, expected, true) {
            let news = (rung.mtu, rung.outcome);
            if self.told.contains(&news) {
                continue;
            }
            self.told.retain(|(mtu, _)| *mtu != rung.mtu);
            self.told.push(news);
            let bare = Path { path_mtu: None, interface_mtu: None, peer_mtu: None, ..path.clone() };
            page.line(&row(rung, &bare, None).0);
        }
        self.out.write_all(page.finish().as_bytes())?;
        self.out.flush()
    }
}

/// The line that heads a path: who, by which way, and what it took.
pub(super) fn header(page: &mut Page<'_>, report: &PathReport, view: &View) {
    let path = &report.path;
    let arrow = if view.utf8 { " → " } else { "->" };
    let mut spans: Vec<Span<'_>> = vec![(format!("{}{arrow}{}", path.from, clean(&path.to, view.utf8)).into(), Tone::Strong)];
    let mut way = match path.address {
        Some(address) if address.to_string() != path.to => format!("  {address}"),
        Some(_) => String::new(),
        None => "  no address".to_owned(),
    };
    if let Some(interface) = &path.interface {
        way.push_str(if way.is_empty() { "  over " } else { " over " });
        way.push_str(interface);
        let speed = report.interface_speed_mbps.map(speed);
        let known: Vec<&str> = report.interface_driver.as_deref().into_iter().chain(speed.as_deref()).collect();
        if !known.is_empty() {
            let _ = write!(way, " ({})", known.join(", "));
        }
    }
    if let Some(network) = &path.network {
        let _ = write!(way, " in {network}");
    }
    if let Some(gateway) = path.route.as_ref().and_then(|route| route.gateway)
        && Some(gateway) != path.address
    {
        let _ = write!(way, " via {gateway}");
    }
    if path.asked == pathvet_checks::evidence::Asked::Gateway {
        way.push_str(" (default gateway)");
    }
    if path.dscp != 0 {
        let _ = write!(way, ", DSCP {}", path.dscp);
    }
    if path.flows > 1 {
        let _ = write!(way, ", flow {} of {}", path.flow.saturating_add(1), path.flows);
    }
    spans.push(plain(way));
    let figures = figures(path).join("   ");
    let whole: usize = spans.iter().map(|(text, _)| width(text)).sum::<usize>() + 3 + width(&figures);
    if whole <= view.width {
        spans.push(plain(format!("   {figures}")));
        page.line(&spans);
    } else {
        page.flow(0, 2, &spans);
        page.flow_chunks(2, 2, &[plain(figures)]);
    }
}

/// `40 Gb/s`, `100 Mb/s`.
fn speed(mbps: u32) -> String {
    match mbps {
        0..1000 => format!("{mbps} Mb/s"),
        _ if mbps.is_multiple_of(1000) => format!("{} Gb/s", mbps / 1000),
        _ => format!("{}.{} Gb/s", mbps / 1000, mbps % 1000 / 100),
    }
}

/// Round-trip time, loss and effort, each where it is known.
fn figures(path: &Path) -> Vec<String> {
    let mut figures = Vec::new();
    if let Some(rtt) = path.rtt_us {
        figures.push(format!("rtt {}", millis(rtt.avg)));
    }
    if let Some(lost) = lost(path) {
        figures.push(format!("lost {lost}"));
    }
    figures.push(match path.probes_sent {
        0 => "no probe sent".to_owned(),
        n => format!("{n} {}, {}, {}", if n == 1 { "probe" } else { "probes" }, bytes(path.bytes_sent), seconds(path.elapsed_ms)),
    });
    figures
}

/// `0 of 59`: the slow sample where there is one.
pub(super) fn lost(path: &Path) -> Option<String> {
    let sample = path.slow_sample.filter(|sample| sample.sent > 0).unwrap_or(path.sample);
    (sample.sent > 0).then(|| format!("{} of {}", sample.sent.saturating_sub(sample.replied), sample.sent))
}

/// Microseconds as milliseconds with as many digits as mean something.
pub(super) fn millis(us: u32) -> String {
    match us {
        0..10 => "under 0.01 ms".to_owned(),
        10..10_000 => format!("{}.{:02} ms", us / 1000, us % 1000 / 10),
        10_000..100_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        _ => format!("{} ms", us / 1000),
    }
}

/// Milliseconds, and seconds from one second on.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0 => "under 1 ms".to_owned(),
        1..1000 => format!("{ms} ms"),
        1000..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} s", ms / 1000),
    }
}

/// Bytes in binary units.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} bytes"),
        1024..1_048_576 => format!("{} KiB", n / 1024),
        1_048_576..1_073_741_824 => tenths(n, 1_048_576, "MiB"),
        _ => tenths(n, 1_073_741_824, "GiB"),
    }
}

fn tenths(n: u64, unit: u64, name: &str) -> String {
    format!("{}.{} {name}", n / unit, n % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(mtu: u32, sent: u32, replied: u32, outcome: RungOutcome) -> Rung {
        Rung { mtu, sent, replied, outcome }
    }

    fn path() -> Path {
        let mut path = Path::new("node1", "node2", jiff::Timestamp::UNIX_EPOCH);
        path.interface = Some("eth0".to_owned());
        path.interface_mtu = Some(9600);
        path.rungs = vec![rung(9000, 1, 1, RungOutcome::Passed), rung(9600, 1, 0, RungOutcome::Silent)];
        path
    }

    fn live(terminal: bool) -> String {
        let view = View::default();
        let mut out = Vec::new();
        let mut live = Live::new(&mut out, view, terminal, 24);
        let mut path = path();
        live.update(&path, None).expect("a Vec takes everything");
        path.rungs[1].sent = 2;
        path.rungs.push(rung(9198, 13, 13, RungOutcome::Passed));
        path.path_mtu = Some(9198);
        live.update(&path, None).expect("a Vec takes everything");
        live.finish(&path, None).expect("a Vec takes everything");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_terminal_is_rewritten_in_place() {
        let text = live(true);
        let screens: Vec<&str> = text.split("\u{1b}[").collect();
        assert_eq!(screens[1], "3A\r", "three lines were drawn, so three are taken back: {text:?}");
        assert_eq!(screens[3], "4A\r");
        assert!(screens[4].contains("9198        9216   arrived    <- the path carries this much\n"), "{text:?}");
    }

    #[test]
    fn elsewhere_each_size_is_said_once_and_the_whole_at_the_end() {
        let text = live(false);
        let said: Vec<&str> = text.split("\n\n").next().expect("a part").lines().collect();
        let wanted = [
            "   IP MTU   frame+FCS",
            "     9000        9018   arrived",
            "     9600        9618   vanished",
            "     9198        9216   arrived",
        ];
        assert_eq!(said, wanted);
        assert!(text.ends_with("9618   vanished   0 of 2   <- eth0 is set to this (jumbo 9614)\n"), "{text}");
    }

    #[test]
    fn numbers_are_short_and_have_units() {
        let times = [52, 12_345, 100_000].map(millis);
        assert_eq!(times, ["0.05 ms", "12.3 ms", "100 ms"]);
        assert_eq!([18, 6100, 12_400].map(seconds), ["18 ms", "6.1 s", "12 s"]);
        assert_eq!([100, 2500, 40_000].map(speed), ["100 Mb/s", "2.5 Gb/s", "40 Gb/s"]);
        assert_eq!([252, 407_800, 1_400_000].map(bytes), ["252 bytes", "398 KiB", "1.3 MiB"]);
    }
}
