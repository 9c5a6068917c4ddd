//! How much is lost among the sizes that pass.

use super::path_reach;
use crate::Case;
use crate::check::{Check, Meta, check};
use crate::evidence::{Asked, LossSample, Method, Path};
use crate::facts;
use crate::report::{Finding, Outcome, Quantity};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

check! {
    /// # What it looks for
    ///
    /// Answers lost among the sizes that the path carries. The first probe after address resolution, drops of this host's own
    /// receive buffer and everything above the path's MTU do not count.
    ///
    /// # How it decides
    ///
    /// The sample taken at a slow rate counts where there is one, because targets and routers limit what they answer fast.
    ///
    /// - FAIL: the 99 % lower confidence bound of the loss (exact binomial) is above 1 %, or above the plan's `expect.loss`.
    /// - WARN: it is above 0.1 %; not judged where the plan says what loss is accepted.
    /// - PASS: otherwise. A lost answer that could be chance is a note.
    /// - UNKNOWN: the loss looks too high and fewer than 300 probes stand behind it.
    ///
    /// Where only UDP or TCP gets answers, a missing one is SKIP: hosts limit how often they send them.
    ///
    /// A gateway that nobody named is not judged: routers answer echo when they have time.
    ///
    /// # What to do
    ///
    /// Look for rising error counters on both ends (`ethtool -S`), a duplex mismatch, a bad optic or cable, a full queue.
    ///
    /// # Example
    ///
    /// `fail-five-percent`: 33 of 300 answers are lost.
    ///
    /// ```text
    /// FAIL path-loss node1->node2
    ///   33 of 300 answers lost
    ///   measured: 33 of 300
    ///   expected: at most 1 %
    /// ```
    pub(crate) struct PathLoss = { id: "path-loss", summary: "answers lost among the sizes that pass" }
}

/// Loss from which there is a warning, millionths.
const WARN_PPM: u32 = 1_000;
/// Loss from which the check fails unless the plan says otherwise, millionths.
const FAIL_PPM: u32 = 10_000;
/// The smallest sample that carries a verdict other than PASS.
const ENOUGH: u32 = 300;

impl Check for PathLoss {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn judge(&self, case: &Case<'_>) -> Vec<Finding> {
        case.evidence.paths.iter().map(|path| facts::eased(path, finding(case, path))).collect()
    }
}

fn finding(case: &Case<'_>, path: &Path) -> Finding {
    let id = PathLoss::META.id;
    if let Some(blocked) = path_reach::blocked(case, path, id) {
        return blocked;
    }
    if path.asked == Asked::Gateway {
        return facts::of_path(path, id, Outcome::Skip, "a gateway's loss is not judged");
    }
    if path.policer.is_some() && path.slow_sample.is_none() {
        return facts::of_path(
            path,
            id,
            Outcome::Skip,
            "the target limits its answers, so what is lost cannot be told from what is held back",
        );
    }
    let sample = sample(path);
    if matches!(path.method, Some(Method::Udp | Method::Tcp)) && sample.replied < sample.sent {
        // RFC 1812 section 4.3.2.8 and RFC 4443 section 2.4 make hosts limit the errors that answer UDP.
        return facts::of_path(
            path,
            id,
            Outcome::Skip,
            "hosts limit how often they answer UDP and TCP, so a missing answer is no loss",
        );
    }
    if sample.sent == 0 {
        return facts::of_path(path, id, Outcome::Unknown, "no probe of a size that passes was counted");
    }
    let lost = sample.sent.saturating_sub(sample.replied);
    let shown = format!("{lost} of {}", sample.sent);
    let planned = facts::expected_loss(case, path);
    let fail = planned.unwrap_or(FAIL_PPM);
    let proven_above = |ppm: u32| loss_proven_above(lost, sample.sent, ppm);
    let worst = match planned {
        _ if proven_above(fail) => Outcome::Fail,
        None if proven_above(WARN_PPM) => Outcome::Warn,
        _ => Outcome::Pass,
    };
    let (outcome, summary) = if worst != Outcome::Pass && sample.sent < ENOUGH {
        (Outcome::Unknown, format!("{shown} answers lost; too few probes for a verdict ({ENOUGH} needed)"))
    } else {
        (worst, format!("{shown} answers lost"))
    };
    let mut finding = facts::of_path(path, id, outcome, summary);
    finding.observed = Some(Quantity::counted(lost, "probes").shown_as(shown));
    if outcome == Outcome::Pass {
        if lost > 0 {
            finding.notes.push(match planned {
                Some(planned) => format!("{lost} lost; the plan accepts {}", percent(planned)),
                None => format!("{lost} lost, which may be chance"),
            });
        }
    } else {
        let bound = if outcome == Outcome::Warn { WARN_PPM } else { fail };
        finding.expected = Some(Quantity::counted(bound, "ppm").shown_as(format!("at most {}", percent(bound))));
        finding.causes = ["a bad cable or optic, a duplex mismatch", "a full queue on the way", "an overloaded target"]
            .map(ToOwned::to_owned)
            .into();
        finding.remedies = alloc::vec![format!(
            "ethtool -S {}   on both ends, twice: see which counter rises",
            facts::egress_name(path).unwrap_or("IFACE")
        )];
    }
    if let Some(policer) = &path.policer {
        finding.notes.push(format!(
            "the target or a box before it limits answers: fast probes are lost, and at {} a second they come",
            policer.per_second
        ));
    }
    if path.void_rounds > 0 {
        finding.notes.push(format!("{} rounds not counted: this host's receive buffer overflowed", path.void_rounds));
    }
    finding
}

/// The sample that carries the verdict.
pub(crate) fn sample(path: &Path) -> LossSample {
    match path.slow_sample {
        Some(slow) if slow.sent > 0 => slow,
        _ if path.sample.sent > 0 => path.sample,
        _ => path.control,
    }
}

/// `1 %`, `0.1 %`.
fn percent(ppm: u32) -> String {
    let (whole, rest) = (ppm / 10_000, ppm % 10_000);
    if rest == 0 {
        return format!("{whole} %");
    }
    let rest = format!("{rest:04}");
    format!("{whole}.{} %", rest.trim_end_matches('0'))
}

/// Whether the 99 % lower confidence bound (Clopper and Pearson) of the loss is above `ppm`: seeing `lost` or more of `sent`
/// would have odds below one in a hundred if the true loss were `ppm`.
///
/// Integer arithmetic: every term of the binomial distribution is taken relative to its largest, so nothing underflows, whatever
/// the sample.
pub(crate) fn loss_proven_above(lost: u32, sent: u32, ppm: u32) -> bool {
    const SCALE: u128 = 1 << 60;
    const MILLION: u64 = 1_000_000;
    let lost = lost.min(sent);
    let p = u64::from(ppm).min(MILLION);
    if lost == 0 || p == MILLION {
        return false;
    }
    if p == 0 {
        return true;
    }
    let (n, q) = (u64::from(sent), MILLION - p);
    // n < 2^32 and p <= 2^20, so the product fits.
    let mode = ((n + 1) * p / MILLION).min(n);
    let up = |term: u128, k: u64| term * u128::from((n - k) * p) / u128::from((k + 1) * q);
    let down = |term: u128, k: u64| term * u128::from(k * q) / u128::from((n - k + 1) * p);
    let (mut total, mut tail) = (0_u128, 0_u128);
    let mut add = |term: u128, k: u64| {
        total += term;
        if k >= u64::from(lost) {
            tail += term;
        }
    };
    let (mut term, mut k) = (SCALE, mode);
    while term > 0 {
        add(term, k);
        if k == n {
            break;
        }
        term = up(term, k);
        k += 1;
    }
    (term, k) = (SCALE, mode);
    while k > 0 {
        term = down(term, k);
        k -= 1;
        if term == 0 {
            break;
        }
        add(term, k);
    }
    tail * 100 < total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_is_that_of_clopper_and_pearson() {
        // Reference: exact tail sums with rational arithmetic (Python's fractions): P(X >= k; 300, 0.01) falls below 0.01 at 8
        // (0.0115 at 8 is not below; 0.0036 at 9 is), P(X >= k; 300, 0.001) at 4 (0.0033 at 3 is below).
        let first = |sent: u32, ppm: u32| (0..=sent).find(|lost| loss_proven_above(*lost, sent, ppm));
        assert_eq!(first(300, 10_000), Some(9));
        assert_eq!(first(300, 1_000), Some(3));
    }

    #[test]
    fn edges_do_not_overflow() {
        assert!(!loss_proven_above(0, 0, 10_000));
        assert!(!loss_proven_above(0, u32::MAX, 10_000));
        assert!(loss_proven_above(u32::MAX, u32::MAX, 999_999));
        assert!(loss_proven_above(1, 1, 0));
        assert!(!loss_proven_above(1, 1, 1_000_000));
        assert!(!loss_proven_above(7, 3, u32::MAX));
    }

    #[test]
    fn percentages_read_well() {
        assert_eq!(percent(10_000), "1 %");
        assert_eq!(percent(1_000), "0.1 %");
        assert_eq!(percent(25_500), "2.55 %");
    }
}
