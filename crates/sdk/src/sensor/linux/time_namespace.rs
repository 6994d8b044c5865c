//! Time namespace: was this process's idea of "since boot" shifted?
//!
//! `unshare --time` gives a process other offsets of the monotonic and boot clocks, in silence: libc, raw calls and
//! `/proc/uptime` all agree on the shifted time. The kernel itself tells the offsets (`/proc/self/timens_offsets`,
//! time_namespaces(7)). A namespace without offsets, as container run times make it, is clear; a container that was
//! checkpointed and restored has offsets for good reasons and mutes this sensor.
//!
//! Not seen: a whole machine with a wrong clock. That takes somebody else's time, signed.

use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::kernel;
use glacis_seal::sha256_parts;
use std::io;

/// Asks for the offsets.
pub(super) struct TimeNamespace;

impl Symptom for TimeNamespace {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        let offsets = match kernel::read("/proc/self/timens_offsets", OFFSETS_BYTES_MAX) {
            Ok(text) => shifted(&text),
            // A kernel without time namespaces has neither file.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !has_namespaces() => Ok(None),
            Err(_) => Err(Reason::Unreadable),
        };
        match offsets {
            Ok(None) => Sight::Clear,
            Ok(Some(line)) => Sight::Detected(Confidence::High, sha256_parts(&[b"time-namespace\0", &line])),
            Err(reason) => Sight::Unknown(reason),
        }
    }
}

fn has_namespaces() -> bool {
    kernel::read_link("/proc/self/ns/time").is_ok()
}

/// The first clock with an offset, from lines of clock, seconds and nanoseconds.
fn shifted(text: &[u8]) -> Result<Option<Vec<u8>>, Reason> {
    let text = str::from_utf8(text).map_err(|_| Reason::Malformed)?;
    let mut clocks = 0;
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let clock = fields.next().ok_or(Reason::Malformed)?;
        let mut number =
            || fields.next().and_then(|field| field.parse::<i64>().ok()).ok_or(Reason::Malformed);
        let offset = (number()?, number()?);
        if offset != (0, 0) {
            return Ok(Some(format!("{clock} {} {}", offset.0, offset.1).into_bytes()));
        }
        clocks += 1;
    }
    if clocks == 0 { Err(Reason::Malformed) } else { Ok(None) }
}

const OFFSETS_BYTES_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_of_any_clock_counts_and_none_is_clear() {
        for (text, want) in [
            ("monotonic           0         0\nboottime            0         0\n", Ok(None)),
            (
                "monotonic           0         0\nboottime        86400         0\n",
                Ok(Some("boottime 86400 0")),
            ),
            (
                "monotonic          -1 500000000\nboottime            0         0\n",
                Ok(Some("monotonic -1 500000000")),
            ),
            ("monotonic           0         1\n", Ok(Some("monotonic 0 1"))),
            ("monotonic x 0\n", Err(Reason::Malformed)),
            ("monotonic 0\n", Err(Reason::Malformed)),
            ("", Err(Reason::Malformed)),
        ] {
            assert_eq!(
                shifted(text.as_bytes()),
                want.map(|line| line.map(|line| line.as_bytes().to_vec())),
                "{text:?}"
            );
        }
    }

    #[test]
    fn this_process_is_not_shifted() {
        assert_eq!(TimeNamespace.look(&mut Scene::new()), Sight::Clear);
    }
}
