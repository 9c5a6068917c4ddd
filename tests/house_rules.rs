//! The rules of the house that a compiler does not hold: what may use what, where unsafe code is, what lies where.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `.rs` file below `folder`, as paths from the root, sorted.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no source in {folder}");
    found
}

/// The code of a file without its comments. String contents stay; no rule below looks for something that stands in one.
fn code(path: &Path) -> String {
    read(path).lines().map(|line| line.find("//").map_or(line, |at| &line[..at])).collect::<Vec<_>>().join("\n")
}

/// The first names after `root::` in `code`, those in braces included: `crate::{a, b::c}` and `crate::d::e` use a, b and d.
fn used(code: &str, root: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(&format!("{root}::")) {
        if code[..at].ends_with(|c: char| is_name(c) || c == ':' || c == '$') {
            continue;
        }
        let rest = &code[at + root.len() + 2..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(rest.chars().take_while(|&c| is_name(c)).collect());
            continue;
        };
        let mut depth = 1;
        let mut start = true;
        let mut name = String::new();
        for c in list.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' => start = depth == 1,
                c if is_name(c) && start && depth == 1 => name.push(c),
                c if c.is_whitespace() => {}
                _ => start = false,
            }
            if !is_name(c) && !name.is_empty() {
                found.insert(std::mem::take(&mut name));
                start = c == ',' && depth == 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// The module of the root crate that a file belongs to: `src/report/table.rs` is part of `report`.
fn module(path: &Path) -> String {
    let below = path.strip_prefix("src").unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn names_are_read_from_use_lines() {
    let text = "use crate::{a::b, c, d::{e, f}};\nlet x = crate::g::h(); xcrate::no; $crate::no; use crate::i;";
    assert_eq!(used(text, "crate").into_iter().collect::<Vec<_>>(), ["a", "c", "d", "g", "i"]);
}

#[test]
fn dependencies_point_one_way() {
    /// A module, and what it must not use.
    const NEVER: [(&str, &[&str]); 12] = [
        ("child", &["catalogue", "cli", "collect", "host", "lab", "plan", "probe", "report", "resolve"]),
        ("sys", &["catalogue", "cli", "collect", "error", "lab", "plan", "probe", "report", "resolve"]),
        ("error", &["catalogue", "cli", "collect", "host", "lab", "plan", "probe", "report", "resolve", "sys"]),
        ("catalogue", &["cli", "collect", "host", "lab", "plan", "probe", "report", "resolve", "sys"]),
        ("host", &["cli", "collect", "lab", "plan", "probe", "report"]),
        ("resolve", &["cli", "collect", "lab", "plan", "probe", "report"]),
        ("collect", &["cli", "lab", "plan", "probe", "report"]),
        ("plan", &["cli", "collect", "lab", "probe", "report", "sys"]),
        ("probe", &["cli", "lab", "plan", "report"]),
        ("report", &["cli", "collect", "host", "lab", "plan", "probe", "resolve", "sys"]),
        ("lab", &["cli", "collect", "plan", "probe", "report"]),
        ("tune", &["cli", "lab", "plan", "probe", "report", "resolve"]),
    ];
    for path in sources("src") {
        let module = module(&path);
        let uses = used(&code(&path), "crate");
        if let Some((_, never)) = NEVER.iter().find(|(name, _)| *name == module) {
            let wrong: Vec<_> = uses.iter().filter(|name| never.contains(&name.as_str())).collect();
            assert!(wrong.is_empty(), "{} uses {wrong:?}, which {module} must not", path.display());
        } else {
            assert!(["cli", "main", "lib"].contains(&module.as_str()), "{}: what may {module} use? Say it here", path.display());
        }
    }
}

#[test]
fn what_collects_does_not_judge() {
    for path in sources("src") {
        if !["collect", "host", "probe", "resolve", "report"].contains(&module(&path).as_str()) {
            continue;
        }
        let uses = used(&code(&path), "pathvet_checks");
        let allowed_here = |name: &str| module(&path) == "report" && name == "report";
        let judging = ["judge", "Case", "builtin", "check", "diagnose", "expect", "report"];
        let wrong: Vec<_> = uses.iter().filter(|name| judging.contains(&name.as_str()) && !allowed_here(name)).collect();
        assert!(wrong.is_empty(), "{} uses pathvet_checks::{wrong:?}", path.display());
    }
}

#[test]
fn checks_know_nothing_of_the_world() {
    for path in sources("checks/src") {
        let code = code(&path);
        for root in ["pathvet", "std"] {
            let uses = used(&code, root);
            assert!(uses.is_empty(), "{} uses {root}::{uses:?}", path.display());
        }
    }
    assert!(!read("checks/Cargo.toml").lines().any(|line| line.starts_with("pathvet ") || line.starts_with("pathvet=")));
}

#[test]
fn unsafe_code_is_in_sys_and_says_why() {
    for path in sources("src").into_iter().chain(sources("checks/src")) {
        let text = code(&path);
        let is_word = |line: &str| {
            line.match_indices("unsafe").any(|(at, word)| {
                let (before, after) = (&line[..at], &line[at + word.len()..]);
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        };
        let in_sys = module_of(&path).as_deref() == Some("sys");
        let lines: Vec<&str> = text.lines().collect();
        let whole = read(&path);
        let comments: Vec<&str> = whole.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if is_word(line) {
                assert!(in_sys, "{}:{}: unsafe code belongs into src/sys", path.display(), number + 1);
            }
            if in_sys && is_word(line) && line.contains("unsafe {") {
                let near = &comments[number.saturating_sub(8)..=number];
                let said = near.iter().any(|line| line.contains("SAFETY:"));
                assert!(said, "{}:{}: no SAFETY comment above this block", path.display(), number + 1);
            }
        }
        let lifted =
            text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code") || text.contains("expect(\n    unsafe_code");
        assert!(in_sys || !lifted, "{} lifts the ban on unsafe code", path.display());
    }
}

fn module_of(path: &Path) -> Option<String> {
    path.starts_with("src").then(|| module(path))
}

/// The release build may abort on a panic, so nothing may live from catching one; and netlink-packet-route panicked on what
/// kernels answered (its issues 140, 143, 151, 332), so it writes for the lab, and reads nothing.
#[test]
fn no_panic_is_caught_and_kernels_are_read_by_our_own_code() {
    for path in sources("src").into_iter().chain(sources("checks/src")) {
        let code = code(&path);
        assert!(!code.contains("catch_unwind"), "{} catches panics", path.display());
        let library = code.contains("netlink_packet_");
        assert!(!library || path.starts_with("src/lab"), "{} uses the netlink library", path.display());
        let reads = ["deserialize(", "parse_with_param(", "Parseable"].iter().any(|word| code.contains(word));
        assert!(!library || !reads, "{} reads with the netlink library", path.display());
    }
}

#[test]
fn processes_are_started_in_one_place() {
    for path in sources("src") {
        let module = module(&path);
        let starts = code(&path).contains("process::Command") || code(&path).contains("process::{Child, Command");
        assert!(!starts || ["child", "lab"].contains(&module.as_str()), "{} starts processes", path.display());
    }
}

#[test]
fn files_are_written_in_few_places() {
    let writes =
        ["fs::write", "File::create", "create_new(", ".write(true)", ".append(true)", "create_dir", "fs::remove_", "fs::rename"];
    // What the user names (outputs, plans, recordings, man pages), the lab's own namespaces, and `tune`.
    let may = ["src/tune/", "src/lab/", "src/host/record.rs", "src/cli/output.rs", "src/cli/plan.rs", "src/cli/generate.rs"];
    for path in sources("src") {
        let code = code(&path);
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let found: Vec<_> = writes.iter().filter(|word| code.contains(**word)).collect();
        let allowed = may.iter().any(|start| path.starts_with(start.trim_end_matches('/')));
        assert!(found.is_empty() || allowed, "{} writes files: {found:?}", path.display());
    }
}

#[test]
fn files_are_short() {
    for folder in ["src", "checks", "tests"] {
        for path in sources(folder) {
            let lines = read(&path).lines().count();
            assert!(lines < 700, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn the_top_level_is_as_agreed() {
    let agreed = [
        ".ci",
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "benches",
        "checks",
        "clippy.toml",
        "fuzz",
        "man",
        "clippy.toml",
        "rustfmt.toml",
        "src",
        "testdata",
        "tests",
    ];
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let found: BTreeSet<String> = match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => String::from_utf8_lossy(&output.stdout)
            .split('\0')
            .filter_map(|path| path.split('/').next())
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        // A source archive: everything that is there.
        _ => std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(),
    };
    let odd: Vec<_> =
        found.iter().filter(|name| !agreed.contains(&name.as_str()) && *name != "target" && *name != ".git").collect();
    assert!(odd.is_empty(), "not agreed at the top level: {odd:?}");
    for needed in agreed.iter().filter(|name| !["benches", "clippy.toml", "fuzz"].contains(name)) {
        assert!(root().join(needed).exists(), "{needed} is missing");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let architecture = read("ARCHITECTURE.md");
    let mut section = "";
    let mut seen = 0;
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if ["[dependencies]", "[dev-dependencies]"].contains(&section) && !line.trim().is_empty() && !line.starts_with('#') {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            assert!(architecture.contains(&format!("`{name}`")), "ARCHITECTURE.md does not say why {name} is there");
            seen += 1;
        }
    }
    assert!(seen > 10);
}

#[test]
fn the_changelog_knows_this_version_and_its_day() {
    let page = read("man/pathvet-checks.7");
    let title = page.lines().find(|line| line.starts_with(".TH ")).unwrap();
    let day = title.split(' ').nth(3).unwrap();
    let head = format!("## [{}] - {day}", env!("CARGO_PKG_VERSION"));
    assert!(read("CHANGELOG.md").lines().any(|line| line == head), "CHANGELOG.md has no line {head}");
}

#[test]
fn documents_name_what_exists() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(document);
        for word in text.split(['`', ' ', '\n', '(', ')', ',', ';']) {
            let word = word.trim_end_matches(['.', ':']).trim_start_matches("./");
            let inside =
                ["src/", "checks/", "tests/", "testdata/", ".ci/", "man/", "benches/"].iter().any(|start| word.starts_with(start));
            if inside && !word.contains(['*', '<', '{', '…']) {
                assert!(root().join(word).exists(), "{document} names {word}, which does not exist");
            }
        }
        assert!(!text.contains('—'), "{document} has an em dash");
    }
}

#[test]
fn the_check_in_the_guide_is_the_one_that_is_compiled() {
    let guide = read("CONTRIBUTING.md");
    let block = guide.split("```rust\n").nth(1).and_then(|rest| rest.split("   ```").next()).unwrap();
    let block: Vec<&str> = block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line)).collect();
    let template = read("testdata/checks/_template/link_duplex.rs");
    assert_eq!(block, template.lines().collect::<Vec<_>>());
}

/// The two commands of the README are scripts that can be run.
#[cfg(unix)]
#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for script in [".ci/run", ".ci/test"] {
        let mode = std::fs::metadata(root().join(script)).unwrap().permissions().mode();
        assert!(mode & 0o111 != 0, "{script} is not executable");
        assert!(read(script).contains("set -euo pipefail"), "{script}");
    }
}
