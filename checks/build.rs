//! Turns the catalogue of ceilings from YAML, which people edit, into JSON, which a run reads in a fraction of the time.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let source = "catalogue/mtu-ceilings.yaml";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=build.rs");
    let catalogue: serde_json::Value =
        serde_yaml::from_str(&fs::read_to_string(source)?).map_err(|error| format!("checks/{source}: {error}"))?;
    let target = Path::new(&env::var("OUT_DIR")?).join("mtu-ceilings.json");
    fs::write(target, catalogue.to_string())?;
    Ok(())
}
