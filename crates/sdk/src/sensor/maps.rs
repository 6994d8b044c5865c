//! `/proc/self/maps`: which file bytes back an address.
//!
//! Parsing is strict: a line that is not as proc(5) documents it is malformed, and whoever asked does not know.
//! Nothing here follows a path except to the running executable itself or to a file whose inode the kernel named.

use super::Reason;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// One executable, file-backed mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    inode: u64,
    path: Vec<u8>,
}

impl Mapping {
    /// Offset in the file of `len` bytes at `address`, if this mapping holds all of them.
    fn file_offset(&self, address: u64, len: u64) -> Option<u64> {
        let inside = address >= self.start && address.checked_add(len)? <= self.end;
        inside.then(|| (address - self.start).checked_add(self.offset)).flatten()
    }

    /// The backing file: the running executable through its own link, which names the running inode even after
    /// the path was replaced; any other only if the path still leads to the inode that is mapped.
    fn open(&self) -> Result<File, Reason> {
        let executable = fs::read_link("/proc/self/exe").map_err(|_| Reason::Unreadable)?;
        if executable.as_os_str().as_bytes() == self.path {
            return File::open("/proc/self/exe").map_err(|_| Reason::Unreadable);
        }
        let path = Path::new(std::ffi::OsStr::from_bytes(&self.path));
        let file = File::open(path).map_err(|_| Reason::Unreadable)?;
        match file.metadata() {
            Ok(found) if found.ino() == self.inode => Ok(file),
            Ok(_) => Err(Reason::NoBaseline),
            Err(_) => Err(Reason::Unreadable),
        }
    }
}

/// The file, and the offset in it, that backs `len` bytes of code at `address`.
pub(super) fn backing(maps: &[u8], address: u64, len: u64) -> Result<(File, u64), Reason> {
    for line in maps.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(mapping) = executable(line)? else { continue };
        if let Some(offset) = mapping.file_offset(address, len) {
            return Ok((mapping.open()?, offset));
        }
    }
    Err(Reason::NoBaseline)
}

/// Parses one line; `None` for a mapping that is not executable or has no file behind it.
fn executable(line: &[u8]) -> Result<Option<Mapping>, Reason> {
    let text = |field: Option<&'_ [u8]>| field.and_then(|bytes| str::from_utf8(bytes).ok().map(String::from));
    // At most six fields; only the last, the path, may contain spaces.
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let range = text(fields.next()).ok_or(Reason::Malformed)?;
    let rights = text(fields.next()).ok_or(Reason::Malformed)?;
    let offset = text(fields.next()).ok_or(Reason::Malformed)?;
    let _device = fields.next().ok_or(Reason::Malformed)?;
    let inode = text(fields.next()).ok_or(Reason::Malformed)?;
    let path = fields.next().unwrap_or(&[]).trim_ascii_start();
    let hex = |digits: &str| u64::from_str_radix(digits, 16).map_err(|_| Reason::Malformed);
    let (start, end) = range.split_once('-').ok_or(Reason::Malformed)?;
    let mapping = Mapping {
        start: hex(start)?,
        end: hex(end)?,
        offset: hex(&offset)?,
        inode: inode.parse().map_err(|_| Reason::Malformed)?,
        path: path.to_vec(),
    };
    let executable = rights.as_bytes().get(2).ok_or(Reason::Malformed)? == &b'x';
    Ok((executable && mapping.inode != 0).then_some(mapping))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"55d0c0a01000-55d0c0a45000 r-xp 00001000 fe:01 1311 /srv/an app";

    #[test]
    fn an_address_maps_to_its_file_offset_only_if_the_whole_range_lies_inside() {
        let mapping = executable(LINE).unwrap().unwrap();
        assert_eq!(mapping.path, b"/srv/an app");
        assert_eq!(mapping.inode, 1311);
        for (address, len, want) in [
            (0x55d0_c0a0_1000, 64, Some(0x1000)),
            (0x55d0_c0a0_1234, 64, Some(0x1234)),
            (0x55d0_c0a4_4fc0, 64, Some(0x44fc0)),
            (0x55d0_c0a4_4fc1, 64, None),
            (0x55d0_c0a0_0fff, 64, None),
            (u64::MAX, 64, None),
        ] {
            assert_eq!(mapping.file_offset(address, len), want, "{address:x}");
        }
    }

    #[test]
    fn only_executable_file_backed_mappings_count() {
        for (line, want) in [
            (&b"00400000-00401000 r--p 00000000 fe:01 7 /bin/x"[..], Ok(None)),
            (b"7f00-7f10 rwxp 00000000 00:00 0", Ok(None)),
            (b"7f00-7f10 r-xp 00000000 00:00 0                          [vdso]", Ok(None)),
            (b"7f00 r-xp 00000000 00:00 0", Err(Reason::Malformed)),
            (b"7f00-zz10 r-xp 00000000 00:00 1 /x", Err(Reason::Malformed)),
            (b"7f00-7f10 r-xp", Err(Reason::Malformed)),
            (b"7f00-7f10 r 0 00:00 1 /x", Err(Reason::Malformed)),
        ] {
            assert_eq!(executable(line), want, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn code_that_no_file_backs_has_no_baseline() {
        let found = backing(b"7f00-7f10 rwxp 00000000 00:00 0\n", 0x7f00, 16);
        assert_eq!(found.err(), Some(Reason::NoBaseline));
        assert_eq!(backing(b"nonsense\n", 0x7f00, 16).err(), Some(Reason::Malformed));
    }
}
