//! What the benches of the gateway share: the world that both ends agree on, devices that sign, peers, and processes
//! under measurement.
//!
//! Measured is on-CPU time of all threads of the processes that carry a request, by the kernel's account (first field
//! of `schedstat`): a busy machine distorts it far less than time or throughput.

pub mod load;
pub mod peers;
pub mod process;
pub mod world;

/// What a bench does, or why it could not.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Least, median, most.
pub fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    spread(values).1
}
