//! Response codes of a TPM 2.0, as far as somebody can do something about them.
//!
//! Format one carries an error and the handle, session or parameter that it is about; the place is dropped, for the
//! command that failed is known. What is not listed keeps its number. Nothing is retried here.
//!
//! Source: TPM 2.0 Library 1.59, Part 2, §6.6.

use super::error::TpmFault;

/// What a response code other than success says.
pub(super) fn fault(code: u32) -> TpmFault {
    // Bit 7: format one; its error is bits 0 to 5.
    if code & 0x80 != 0 && code < 0x1000 {
        return match code & 0xbf {
            // Bit 11: it is about a session.
            0x8b if code & 0x840 == 0x800 => TpmFault::SessionGone,
            0x8b => TpmFault::HandleGone,
            0x8e => TpmFault::AuthCounted,
            0xa2 => TpmFault::AuthWrong,
            0x9d | 0x99 | 0xa4 => TpmFault::PolicyFailed,
            0x9f => TpmFault::NotOfThisTpm,
            0x81..=0x84 | 0x86 | 0x89 | 0x8a | 0x8c | 0x91..=0x94 | 0x96 | 0xa6 => TpmFault::Unsupported,
            _ => TpmFault::Code(code),
        };
    }
    match code {
        0x100 => TpmFault::NotStarted,
        0x101 => TpmFault::Broken,
        0x128 => TpmFault::PcrChanged,
        0x143 => TpmFault::Unsupported,
        0x148 | 0x149 => TpmFault::NvForbidden,
        0x14a => TpmFault::NvEmpty,
        0x14b => TpmFault::NvFull,
        0x14c => TpmFault::NvThere,
        0x902 | 0x904 => TpmFault::ObjectsFull,
        0x903 | 0x905 => TpmFault::SessionsFull,
        0x910..=0x916 => TpmFault::HandleGone,
        0x918..=0x91e => TpmFault::SessionGone,
        0x921 => TpmFault::Lockout,
        _ if is_later(code) => TpmFault::Busy,
        _ => TpmFault::Code(code),
    }
}

/// Whether the same command may succeed if it is sent again: yielded, testing, NV rate, retry.
pub(super) const fn is_later(code: u32) -> bool {
    matches!(code, 0x908 | 0x90a | 0x920 | 0x922)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_wherever_they_point() {
        for (code, want) in [
            (0x18b, TpmFault::HandleGone),
            (0x28b, TpmFault::HandleGone),
            (0x910, TpmFault::HandleGone),
            (0x918, TpmFault::SessionGone),
            (0x98b, TpmFault::SessionGone),
            (0x1cb, TpmFault::HandleGone),
            (0x98e, TpmFault::AuthCounted),
            (0x9a2, TpmFault::AuthWrong),
            (0x99d, TpmFault::PolicyFailed),
            (0x1df, TpmFault::NotOfThisTpm),
            (0x2c3, TpmFault::Unsupported),
            (0x100, TpmFault::NotStarted),
            (0x128, TpmFault::PcrChanged),
            (0x902, TpmFault::ObjectsFull),
            (0x903, TpmFault::SessionsFull),
            (0x921, TpmFault::Lockout),
            (0x922, TpmFault::Busy),
            (0x1d5, TpmFault::Code(0x1d5)),
            (0xffff_ffff, TpmFault::Code(0xffff_ffff)),
        ] {
            assert_eq!(fault(code), want, "{code:#x}");
        }
    }
}
