//! What is on the disk before what: a power cut is a crash that forgets what was not synced.

use super::space::{Sys, expect, inside, said};
use super::trace::calls;

fn folder(line: &str) -> Option<&str> {
    // rename("/a/b", "/a/c") = 0
    let target = line.rsplit('"').nth(1)?;
    target.rsplit_once('/').map(|(folder, _)| folder)
}

#[test]
fn the_journal_is_on_the_disk_before_anything_else() {
    inside("order::the_journal_is_on_the_disk_before_anything_else", Sys::Folder, || {
        for args in [&["tune", "apply", "ipoib-safe", "--yes"][..], &["tune", "revert", "--yes"]] {
            let (output, all) = calls(args);
            assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
            let lines: Vec<&str> = all.iter().map(|call| call.line.as_str()).filter(|line| !line.starts_with("write(1<")).collect();
            // Each rename, and each file that is removed for good, is followed by fsync of its folder.
            let renames: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("rename")).collect();
            for at in &renames {
                let folder = folder(lines[*at]).unwrap();
                let next = lines.get(at + 1).unwrap_or(&"nothing");
                assert!(
                    next.starts_with("fsync(") && next.contains(&format!("<{folder}>")),
                    "{} is followed by {next}",
                    lines[*at]
                );
                let draft = lines[*at].split('"').nth(1).unwrap();
                let synced =
                    lines[..*at].iter().rev().find(|line| line.contains(&format!("<{draft}>"))).copied().unwrap_or("nothing");
                // The journal gets its last name when all that it speaks of is there: nothing was written to it.
                assert!(synced.starts_with("fsync(") || draft.ends_with(".started.json"), "before {}: {synced}", lines[*at]);
            }
            if args.contains(&"apply") {
                let journal =
                    lines.iter().position(|line| line.starts_with("rename") && line.contains("/var/lib/pathvet/")).unwrap();
                let outside = |line: &str| !line.contains("/var/lib");
                let first = lines.iter().position(|line| outside(line)).unwrap();
                assert!(first > journal + 1, "{} comes before the journal is there", lines[first]);
                assert!(lines[..journal].iter().any(|line| line.starts_with("fsync(") && line.contains(".draft>")));
                assert!(renames.len() == 3, "journal, file, journal complete: {renames:?}");
                println!("apply: {} calls before the first other write, {} renames, each synced", first, renames.len());
            } else {
                let forgotten = lines.iter().position(|line| line.starts_with("unlink") && line.contains(".applied.json")).unwrap();
                let gone = lines.iter().position(|line| line.starts_with("unlink") && line.contains("90-pathvet")).unwrap();
                let synced = (gone..forgotten).any(|at| lines[at].starts_with("fsync(") && lines[at].contains("</etc/sysctl.d>"));
                assert!(synced, "the file is gone for good before the journal goes: {lines:#?}");
            }
        }
        expect(0, &["tune", "status"]);
    });
}
