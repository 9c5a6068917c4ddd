//! A real lldpd as the neighbour on one interface of a network namespace. Shared by tests: `mod lldpd;`.
//!
//! lldpd wants to be root and to change its groups, which no user namespace of an ordinary user allows: it is started from outside
//! (with `sudo -n` where the tests do not run as root) and enters the network namespace alone. It has a `/run` of its own, and ends
//! with the test whatever happens to it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

/// What a neighbour announces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Speaker<'a> {
    /// The interface on which it does.
    pub(crate) interface: &'a str,
    /// System name; also the chassis id.
    pub(crate) name: &'a str,
    /// Port id.
    pub(crate) port: &'a str,
    /// TLVs of its own, each in lldpcli's words: `oui 00,80,c2 subtype 11 oui-info 08,08`.
    pub(crate) tlvs: &'a [&'a str],
}

/// A running lldpd. Dropped, it announces that it is gone and ends.
#[derive(Debug)]
pub(crate) struct Lldpd(Child);

impl Lldpd {
    /// Starts lldpd on an interface of the network namespace that process `pid` is in; returns when it announces, every second.
    ///
    /// # Errors
    /// The reason for a test to say `SKIPPED`: lldpd is missing, or the tests have no way to be root.
    pub(crate) fn start(pid: u32, speaker: &Speaker<'_>) -> Result<Self, String> {
        for program in ["/usr/sbin/lldpd", "/usr/sbin/lldpcli", "/usr/bin/nsenter", "/usr/bin/unshare"] {
            if !std::path::Path::new(program).exists() {
                return Err(format!("{program} is not installed"));
            }
        }
        let Speaker { interface, name, port, tlvs } = speaker;
        let mut configuration = format!(
            "configure system hostname {name}\nconfigure system chassisid {name}\nconfigure lldp tx-interval 1\n\
             configure ports {interface} lldp portidsubtype local {port}\n\
             configure ports {interface} lldp portdescription {port}\n"
        );
        for tlv in *tlvs {
            let _ = writeln!(configuration, "configure lldp custom-tlv add {tlv}");
        }
        // The end of its input is the sign to stop; the death of this shell ends every process of its pid namespace.
        let script = format!(
            "set -e; mount -t tmpfs lldpd /run; mkdir -p /run/lldpd; cat >/run/lldpd.conf <<'END'\n{configuration}END\n\
             lldpd -d -u /run/lldpd.socket -O /run/lldpd.conf -I {interface} >/run/log 2>&1 &\n\
             lldpd=$!\n\
             until grep -q 'should resume' /run/log; do\n\
             kill -0 $lldpd || {{ tail -n 1 /run/log; exit 1; }}; sleep 0.05; done\n\
             echo announcing; read end || true; kill $lldpd; wait $lldpd || true"
        );
        let root = std::fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0")));
        let mut command = if root { Command::new("/usr/bin/nsenter") } else { Command::new("sudo") };
        if !root {
            command.args(["-n", "/usr/bin/nsenter"]);
        }
        command.arg(format!("--net=/proc/{pid}/ns/net"));
        command.args(["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", &script]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut lldpd = Self(child.map_err(|error| format!("root is needed for lldpd: {error}"))?);
        let mut said = String::new();
        let mut output = BufReader::new(lldpd.0.stdout.take().expect("piped"));
        output.read_line(&mut said).map_err(|error| error.to_string())?;
        if said.trim() == "announcing" { Ok(lldpd) } else { Err(format!("lldpd does not start here: {}", said.trim())) }
    }
}

impl Drop for Lldpd {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            let _ = input.write_all(b"end\n");
        }
        let _ = self.0.wait();
    }
}
