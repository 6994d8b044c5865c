//! Writes the stored seeds of all targets to `fuzz/seeds`.
//!
//! Run by `cargo xtask fuzz --seeds`. Files that are there already are overwritten; files that no seed makes any
//! more, such as inputs of fixed bugs, stay.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let seeds = glacis_fuzz::seeds::all()?;
    for seed in &seeds {
        let place = folder.join(seed.target);
        std::fs::create_dir_all(&place)?;
        std::fs::write(place.join(&seed.name), &seed.bytes)?;
    }
    println!("{} seeds", seeds.len());
    Ok(())
}
