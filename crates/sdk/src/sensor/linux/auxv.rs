//! The auxiliary vector: what the kernel told this program at its start (getauxval(3)).
//!
//! Read from `/proc/self/auxv`, not from the C library, so that what interposes on the library does not answer.
//! Only 64-bit processes are understood; elsewhere nothing is known.

use super::Reason;
use glacis_host::kernel;

/// Key and value pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Auxv(Vec<(u64, u64)>);

/// That of this process.
pub(super) fn read() -> Result<Auxv, Reason> {
    Auxv::parse(&kernel::read("/proc/self/auxv", BYTES_MAX).map_err(|_| Reason::Unreadable)?)
}

impl Auxv {
    fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: Vec<_> = words.iter().map(|word| u64::from_ne_bytes(*word)).collect();
        let (pairs, odd) = words.as_chunks::<2>();
        let pairs: Vec<_> =
            pairs.iter().map(|[key, value]| (*key, *value)).take_while(|(key, _)| *key != AT_NULL).collect();
        if pairs.is_empty() || !rest.is_empty() || !odd.is_empty() || cfg!(not(target_pointer_width = "64")) {
            return Err(Reason::Malformed);
        }
        Ok(Self(pairs))
    }

    fn value(&self, wanted: u64) -> Option<u64> {
        self.0.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value)
    }

    /// Bytes of a page.
    pub(super) fn page_bytes(&self) -> Option<u64> {
        self.value(AT_PAGESZ).filter(|bytes| bytes.is_power_of_two())
    }

    /// Where the kernel mapped its own library, the vdso.
    pub(super) fn vdso(&self) -> Option<u64> {
        self.value(AT_SYSINFO_EHDR).filter(|address| *address != 0)
    }

    /// Address and number of the executable's program headers.
    pub(super) fn program_headers(&self) -> Option<(u64, u64)> {
        Some((self.value(AT_PHDR)?, self.value(AT_PHNUM)?))
    }
}

/// Far more than any kernel hands out.
const BYTES_MAX: usize = 16 << 10;
const AT_NULL: u64 = 0;
const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_SYSINFO_EHDR: u64 = 33;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn pairs_end_at_null_and_half_pairs_are_malformed() {
        let auxv = Auxv::parse(&bytes(&[6, 4_096, 33, 0, 3, 0x40, 5, 9, 0, 0, 33, 1])).unwrap();
        assert_eq!(auxv.page_bytes(), Some(4_096));
        assert_eq!(auxv.vdso(), None, "zero is none, and what follows the end is not read");
        assert_eq!(auxv.program_headers(), Some((0x40, 9)));
        for odd in [&bytes(&[6])[..], &bytes(&[0, 0]), &[1, 2, 3], &[]] {
            assert_eq!(Auxv::parse(odd), Err(Reason::Malformed), "{odd:?}");
        }
        assert_eq!(Auxv::parse(&bytes(&[6, 4_095, 0, 0])).unwrap().page_bytes(), None);
    }

    #[test]
    fn this_process_has_one() {
        let auxv = read().unwrap();
        assert!(auxv.page_bytes().is_some() && auxv.program_headers().is_some());
    }
}
