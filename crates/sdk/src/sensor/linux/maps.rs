//! `/proc/self/maps`: what is mapped where, and which file bytes back an address.
//!
//! Parsing is strict: a line that is not as proc(5) documents it is malformed, and whoever asked does not know.
//! Nothing here follows a path except to the running executable itself or to a file whose inode the kernel named.

use super::Reason;
use glacis_host::kernel::{self, RawFile};
use std::collections::BTreeSet;
use std::ops::Range;

/// All mappings of this process at one moment, in order of address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Maps {
    text: Vec<u8>,
    rows: Vec<Row>,
}

/// Names a file on this machine: device and inode. Inodes alone are not unique; system images begin at small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    pub(super) inode: u64,
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) write: bool,
    pub(super) execute: bool,
    pub(super) shared: bool,
    pub(super) offset: u64,
    /// The file behind it.
    pub(super) file: Option<FileId>,
    path: Range<usize>,
}

impl Row {
    /// Bytes that it spans.
    pub(super) const fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it holds `address`.
    pub(super) const fn holds(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Offset in the file of `len` bytes at `address`, if this mapping holds all of them.
    fn file_offset(&self, address: u64, len: u64) -> Option<u64> {
        let inside = address >= self.start && address.checked_add(len)? <= self.end;
        inside.then(|| (address - self.start).checked_add(self.offset)).flatten()
    }
}

impl Maps {
    /// Reads those of this process.
    pub(super) fn read() -> Result<Self, Reason> {
        Self::parse(kernel::read("/proc/self/maps", BYTES_MAX).map_err(|_| Reason::Unreadable)?)
    }

    /// Parses the whole text of a maps file.
    pub(super) fn parse(text: Vec<u8>) -> Result<Self, Reason> {
        let mut rows = Vec::with_capacity(text.len() / LINE_BYTES_TYPICAL);
        let mut from = 0;
        for line in text.split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                rows.push(row(line, from).ok_or(Reason::Malformed)?);
            }
            from += line.len() + 1;
        }
        Ok(Self { text, rows })
    }

    /// All of them.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> + Clone {
        self.rows.iter()
    }

    /// Those whose code can run.
    pub(super) fn executable(&self) -> impl Iterator<Item = &Row> + Clone {
        self.rows().filter(|row| row.execute)
    }

    /// Files of all code.
    pub(super) fn code(&self) -> BTreeSet<FileId> {
        self.executable().filter_map(|row| row.file).collect()
    }

    /// What the kernel calls it: a path, a name in brackets, or nothing.
    pub(super) fn path(&self, row: &Row) -> &[u8] {
        self.text.get(row.path.clone()).unwrap_or_default()
    }

    /// The mapping that holds `address`.
    pub(super) fn at(&self, address: u64) -> Option<&Row> {
        let after = self.rows.partition_point(|row| row.end <= address);
        self.rows.get(after).filter(|row| row.holds(address))
    }

    /// The file, and the offset in it, that backs `len` bytes of code at `address`.
    pub(super) fn backing(&self, address: u64, len: u64) -> Result<(RawFile, u64), Reason> {
        let row =
            self.at(address).filter(|row| row.execute && row.file.is_some()).ok_or(Reason::NoBaseline)?;
        let offset = row.file_offset(address, len).ok_or(Reason::NoBaseline)?;
        Ok((self.open(row)?, offset))
    }

    /// The file behind a mapping: the running executable through its own link, which names the running inode even
    /// after the path was replaced; any other only if the path still leads to the inode that is mapped.
    pub(super) fn open(&self, row: &Row) -> Result<RawFile, Reason> {
        let path = self.path(row);
        let executable = kernel::read_link("/proc/self/exe").map_err(|_| Reason::Unreadable)?;
        if executable == path {
            return RawFile::open("/proc/self/exe").map_err(|_| Reason::Unreadable);
        }
        let file = RawFile::open(path).map_err(|_| Reason::Unreadable)?;
        match file.inode() {
            Ok(found) if row.file.is_some_and(|mapped| mapped.inode == found) => Ok(file),
            Ok(_) => Err(Reason::NoBaseline),
            Err(_) => Err(Reason::Unreadable),
        }
    }
}

/// Parses one line, which begins at `from` in the text. At most six fields; only the last, the path, has spaces.
fn row(line: &[u8], from: usize) -> Option<Row> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut range = fields.next()?.split(|byte| *byte == b'-');
    let (start, end) = (hex(range.next()?)?, hex(range.next()?)?);
    let &[read, write, execute, shared] = fields.next()? else { return None };
    let flags = [(read, b'r'), (write, b'w'), (execute, b'x')];
    if !flags.iter().all(|(flag, set)| flag == set || *flag == b'-') || !matches!(shared, b'p' | b's') {
        return None;
    }
    let offset = hex(fields.next()?)?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let device = hex(device.next()?)? << 32 | hex(device.next()?)?;
    let inode = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    let path_from = from + line.len() - path.len();
    Some(Row {
        start,
        end,
        write: write == b'w',
        execute: execute == b'x',
        shared: shared == b's',
        offset,
        file: (inode != 0).then_some(FileId { device, inode }),
        path: path_from..path_from + path.len(),
    })
}

/// A number in hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut value = 0;
    for digit in digits {
        value = value << 4 | u64::from(char::from(*digit).to_digit(16)?);
    }
    Some(value)
}

/// Most text that is read: a process with the kernel's limit of 65,530 mappings has about half of it.
pub(super) const BYTES_MAX: usize = 16 << 20;
/// What a line takes, to make room ahead.
const LINE_BYTES_TYPICAL: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &[u8] = b"55d0c0a01000-55d0c0a45000 r-xp 00001000 fe:01 1311 /srv/an app";

    fn one(line: &[u8]) -> Result<Maps, Reason> {
        Maps::parse(line.to_vec())
    }

    #[test]
    fn an_address_maps_to_its_file_offset_only_if_the_whole_range_lies_inside() {
        let maps = one(LINE).unwrap();
        let row = maps.rows().next().unwrap();
        assert_eq!(maps.path(row), b"/srv/an app");
        assert_eq!(row.file, Some(FileId { device: 0xfe << 32 | 1, inode: 1311 }));
        for (address, len, want) in [
            (0x55d0_c0a0_1000, 64, Some(0x1000)),
            (0x55d0_c0a0_1234, 64, Some(0x1234)),
            (0x55d0_c0a4_4fc0, 64, Some(0x44fc0)),
            (0x55d0_c0a4_4fc1, 64, None),
            (0x55d0_c0a0_0fff, 64, None),
            (u64::MAX, 64, None),
        ] {
            assert_eq!(row.file_offset(address, len), want, "{address:x}");
        }
    }

    #[test]
    fn lines_are_as_documented_or_malformed() {
        for (line, want) in [
            (&b"00400000-00401000 r--p 00000000 fe:00 7 /bin/x"[..], Ok((false, false, false, 7))),
            (b"7f00-7f10 rwxp 00000000 00:00 0", Ok((true, true, false, 0))),
            (b"7f00-7f10 rwxs 00000000 00:00 0 ", Ok((true, true, true, 0))),
            (b"7f00-7f10 r-xp 00000000 00:00 0                          [vdso]", Ok((false, true, false, 0))),
            (b"7f00 r-xp 00000000 00:00 0", Err(Reason::Malformed)),
            (b"7f00-zz10 r-xp 00000000 00:00 1 /x", Err(Reason::Malformed)),
            (b"7f00-7f10 r-xp", Err(Reason::Malformed)),
            (b"7f00-7f10 r-xp 0 fe 1 /x", Err(Reason::Malformed)),
            (b"7f00-7f10 r 0 00:00 1 /x", Err(Reason::Malformed)),
            (b"7f00-7f10 r?xp 0 00:00 1 /x", Err(Reason::Malformed)),
            (b"7f00-7f10 r-xq 0 00:00 1 /x", Err(Reason::Malformed)),
            (b"7f00-7f10 r-xp 0 00:00 x /x", Err(Reason::Malformed)),
        ] {
            let found = one(line).map(|maps| {
                let row = maps.rows().next().unwrap();
                (row.write, row.execute, row.shared, row.file.map_or(0, |file| file.inode))
            });
            assert_eq!(found, want, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn paths_and_addresses_are_those_of_their_own_row() {
        let text = b"1000-2000 r--p 0 fe:00 7 /bin/x\n2000-3000 r-xp 1000 fe:00 7 /bin/x y\n\
            5000-6000 rw-p 0 00:00 0 \n7000-8000 r-xp 0 00:00 0    [vdso]\n";
        let maps = one(text).unwrap();
        let paths: Vec<_> = maps.rows().map(|row| String::from_utf8_lossy(maps.path(row))).collect();
        assert_eq!(paths, ["/bin/x", "/bin/x y", "", "[vdso]"]);
        for (address, want) in [
            (0xfff, None),
            (0x1000, Some(0x1000)),
            (0x2fff, Some(0x2000)),
            (0x3000, None),
            (0x7001, Some(0x7000)),
            (u64::MAX, None),
        ] {
            assert_eq!(maps.at(address).map(|row| row.start), want, "{address:x}");
        }
        assert_eq!(maps.executable().count(), 2);
    }

    #[test]
    fn code_that_no_file_backs_has_no_baseline() {
        let maps = one(b"7f00-7f10 rwxp 00000000 00:00 0\n8f00-8f10 r--p 0 fe:00 1 /x\n").unwrap();
        assert_eq!(maps.backing(0x7f00, 16).err(), Some(Reason::NoBaseline));
        assert_eq!(maps.backing(0x8f00, 16).err(), Some(Reason::NoBaseline), "no code");
        assert_eq!(one(b"nonsense\n").err(), Some(Reason::Malformed));
    }

    proptest! {
        /// Whatever the text, parsing ends, and what is a row lies within the text.
        #[test]
        fn any_text_parses_or_is_malformed(text in "([0-9a-f]{1,17}-[0-9a-f]{1,17} [rwxps-]{3,5} [0-9a-f:]{1,9} [0-9a-f:]{1,6} [0-9]{1,21} {0,9}[ -~]{0,9}\n|[ -~]{0,40}\n){0,4}") {
            if let Ok(maps) = one(text.as_bytes()) {
                for row in maps.rows() {
                    prop_assert!(maps.path(row).len() <= text.len());
                    prop_assert!(row.len() <= row.end);
                    maps.at(row.start);
                }
            }
        }

        #[test]
        fn any_bytes_parse_or_are_malformed(bytes: Vec<u8>) {
            prop_assert!(one(&bytes).map_or_else(|reason| reason == Reason::Malformed, |maps| maps.rows().count() <= bytes.len()));
        }
    }

    #[test]
    fn those_of_this_process_parse_and_hold_this_function() {
        let maps = Maps::read().unwrap();
        let here = Maps::read as fn() -> Result<Maps, Reason> as usize as u64;
        assert!(maps.at(here).unwrap().execute);
        assert!(maps.backing(here, 16).is_ok());
    }
}
