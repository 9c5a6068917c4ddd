//! The fuzz bodies on stable, over seeded mutations of real inputs. Prints a count for each.
//!
//! `PATHVET_SEEDS=DIR` makes the test write its samples there, one folder for each target, for cargo-fuzz to start from.

#![expect(clippy::print_stdout, reason = "a test says how much it tried")]

use random::Random;
use std::path::Path;

#[path = "../fuzz/bodies.rs"]
#[expect(unreachable_pub, reason = "the interface of another crate")]
mod bodies;
mod random;

/// Changes that a byte-wise reader meets: flips, cuts, repetitions, pieces of another input, lengths that are off by a little.
fn mutate(random: &mut Random, sample: &[u8], other: &[u8]) -> Vec<u8> {
    const ODD: [u8; 8] = [0, 1, 4, 0x7f, 0x80, 0xfe, 0xff, b'"'];
    let mut bytes = sample.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(10) {
            0 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
            3 if at < bytes.len() => bytes[at] = ODD[random.below(ODD.len())],
            4 => {
                let end = (at + random.below(30)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + random.below(60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            6 => {
                let from = random.below(other.len() + 1);
                let end = (from + random.below(80)).min(other.len());
                bytes.splice(at..at, other[from..end].iter().copied());
            }
            7 if random.below(4) == 0 => bytes.truncate(at),
            // A number in a text: another digit, or more of them.
            _ => {
                let digit = b'0' + random.next().to_le_bytes()[0] % 10;
                if let Some(at) = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) {
                    if random.below(2) == 0 { bytes[at] = digit } else { bytes.insert(at, digit) }
                }
            }
        }
    }
    bytes
}

fn drive(target: bodies::Target) {
    let samples = (target.samples)();
    let mut random = Random(0x7061_7468_7665_7402);
    let mut understood = samples.iter().filter(|sample| (target.run)(sample)).count();
    assert!(understood > 0, "{}: no sample means anything", target.name);
    for _ in 0..target.mutations {
        let sample = &samples[random.below(samples.len())];
        let other = &samples[random.below(samples.len())];
        understood += usize::from((target.run)(&mutate(&mut random, sample, other)));
    }
    println!("{:10} {:3} samples, {:6} mutations, {understood:6} understood", target.name, samples.len(), target.mutations);
}

#[test]
fn no_mutation_breaks_a_promise() {
    // One after the other on each of two threads: their panics name the target by the line.
    let (even, odd): (Vec<_>, Vec<_>) = bodies::ALL.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    std::thread::scope(|scope| {
        for half in [even, odd] {
            scope.spawn(|| half.into_iter().for_each(|(_, target)| drive(target)));
        }
    });
}

#[test]
fn every_target_is_a_program_of_cargo_fuzz() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).expect("fuzz has a manifest");
    for target in bodies::ALL {
        assert!(manifest.contains(&format!("name = \"{}\"\npath = \"targets/{0}.rs\"", target.name)), "{}", target.name);
        let program = std::fs::read_to_string(fuzz.join("targets").join(format!("{}.rs", target.name))).expect("it has a program");
        assert!(program.contains(&format!("bodies::{}(bytes)", target.name)), "{}", target.name);
    }
}

#[test]
fn samples_are_written_where_asked() {
    let Some(folder) = std::env::var_os("PATHVET_SEEDS") else { return };
    for target in bodies::ALL {
        let folder = Path::new(&folder).join(target.name);
        std::fs::create_dir_all(&folder).expect("a writable folder");
        for (index, sample) in (target.samples)().iter().enumerate() {
            std::fs::write(folder.join(index.to_string()), sample).expect("a writable folder");
        }
    }
}
