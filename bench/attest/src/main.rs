//! `attest`: what the appraisal of real evidence costs, beside the signature verifications in it, measured alone in the
//! same run, and beside the verifiers of others on the same bytes.
//!
//! CPU time of one thread; medians of rounds. Then one family is appraised a hundred thousand times, and the memory of the
//! process is compared before and after.
//!
//! Exit 1 if a bar is missed: the share beyond the signatures, bytes allocated, memory that grows.

mod cases;
mod meter;
mod peers;
mod signatures;

use cases::Case;
use peers::Peer;
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::ExitCode;

/// Source: the bars of the verifiers.
const SHARE_MAX: f64 = 1.3;
const ALLOCATED_MAX: u64 = 64 << 10;
/// An allocator rounds; what a hundred thousand appraisals leave behind must be nothing of theirs.
const GROWN_KB_MAX: u64 = 512;

const MANY: u32 = 100_000;
const WARM: u32 = 2_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    match measure(if has("--quick") { MANY / 50 } else { MANY }, has("--json")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("attest: {error}");
            ExitCode::from(2)
        }
    }
}

/// One case, measured.
struct Row {
    case: Case,
    us: f64,
    alone_us: f64,
    allocated: u64,
    peers: Vec<Peer>,
}

impl Row {
    fn of(case: Case) -> Outcome<Self> {
        let appraised = || {
            black_box(case.appraise()?);
            Ok(())
        };
        // The two take turns, so that a busy minute meets both, and of both the better turn counts.
        let alone = || meter::median_us(|| case.signatures.verify());
        let (first, first_alone) = (meter::median_us(appraised)?, alone()?);
        let (us, alone_us) = (first.min(meter::median_us(appraised)?), first_alone.min(alone()?));
        let before = meter::allocated();
        black_box(case.appraise()?);
        let allocated = meter::allocated() - before;
        Ok(Self { case, us, alone_us, allocated, peers: Vec::new() })
    }

    fn share(&self) -> f64 {
        self.us / self.alone_us
    }

    fn holds(&self) -> bool {
        self.share() <= SHARE_MAX && self.allocated <= ALLOCATED_MAX
    }

    fn print(&self) {
        let guide = self.case.guide_us.map_or(String::new(), |guide| format!(", guide {guide:.0} us"));
        println!(
            "{}: {:.0} us{guide}; {} signatures alone {:.0} us: {:.2} times (bar {SHARE_MAX}); {} bytes allocated (bar {ALLOCATED_MAX})",
            self.case.name,
            self.us,
            self.case.signatures.count(),
            self.alone_us,
            self.share(),
            self.allocated,
        );
        for peer in &self.peers {
            println!("    {}: {:.0} us, {:.1} times ours", peer.name, peer.us, peer.us / self.us);
        }
    }

    fn json(&self) -> Value {
        let peers: Vec<Value> =
            self.peers.iter().map(|peer| json!({"name": peer.name, "us": peer.us})).collect();
        json!({
            "case": self.case.name, "us": self.us, "signatures": self.case.signatures.count(),
            "signatures_us": self.alone_us, "allocated": self.allocated, "peers": peers,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the command that starts this says where Python is")]
fn measure(many: u32, wants_json: bool) -> Outcome<bool> {
    let mut rows: Vec<Row> = cases::all()?.into_iter().map(Row::of).collect::<Outcome<_>>()?;
    let grown_kb = grown(rows.first().ok_or("no case")?, many)?;
    let (mut of_key, mut of_phone) = (vec![peers::webauthn_rs()?], Vec::new());
    match std::env::var("GLACIS_PYTHON") {
        Ok(interpreter) => {
            let (key, phone) = peers::python(&interpreter)?;
            of_key.extend(key);
            of_phone.extend(phone);
        }
        Err(_) => println!("without the verifiers of PyPI: GLACIS_PYTHON names no interpreter"),
    }
    for row in &mut rows {
        match &*row.case.evidence.family.0 {
            glacis_attest::webauthn::FAMILY => row.peers.append(&mut of_key),
            glacis_attest::apple::FAMILY => row.peers.append(&mut of_phone),
            _ => {}
        }
    }
    let holds = grown_kb <= GROWN_KB_MAX && rows.iter().all(Row::holds);
    rows.iter().for_each(Row::print);
    println!("memory after {many} appraisals: {grown_kb} kB more (bar {GROWN_KB_MAX} kB)");
    println!("{}", if holds { "holds" } else { "MISSED" });
    if wants_json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        let numbers = json!({"cases": rows, "appraisals": many, "grown_kb": grown_kb});
        println!("{}", json!({"bench": "attest", "numbers": numbers, "holds": holds}));
    }
    Ok(holds)
}

/// Memory that many appraisals leave behind, in kB.
fn grown(row: &Row, many: u32) -> Outcome<u64> {
    for _ in 0..WARM {
        black_box(row.case.appraise()?);
    }
    let before = meter::resident_kb()?;
    for _ in 0..many {
        black_box(row.case.appraise()?);
    }
    Ok(meter::resident_kb()?.saturating_sub(before))
}
