//! Files as the kernel has them: read without the C library, so that nobody who sits in the library can answer.
//!
//! What a program reads about itself is the first thing that an attacker rewrites: a hooked `open` or `read` shows a
//! mapping table without his mapping. On Linux these calls are made by rustix itself, with no function of a
//! library in between; elsewhere they are the standard library's. For sensors only: everything here reads, nothing
//! creates, writes or follows a policy. Paths are bytes, as the kernel takes them.

use std::io;

/// An open file.
#[derive(Debug)]
pub struct RawFile(Inner);

impl RawFile {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn open(path: impl AsRef<[u8]>) -> io::Result<Self> {
        inner::open(path.as_ref(), false).map(Self)
    }

    /// Reads at an offset; fewer bytes than there is room for are no error, and none is the end.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        inner::read_at(&self.0, room, offset)
    }

    /// Fills all of `room`.
    ///
    /// # Errors
    /// As the kernel says, or if the file ends before.
    pub fn read_exact_at(&self, room: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = room.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = u64::try_from(done).ok().and_then(|done| offset.checked_add(done));
            match self.read_at(rest, at.ok_or(io::ErrorKind::InvalidInput)?) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The whole of it, whose size the kernel may not tell before; `FileTooLarge` past `most` bytes.
    ///
    /// # Errors
    /// As the kernel says, or if there is more.
    pub fn read_all(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut text = vec![0; FIRST_BYTES];
        let mut filled = 0;
        loop {
            let at = u64::try_from(filled).map_err(|_| io::ErrorKind::FileTooLarge)?;
            match self.read_at(text.get_mut(filled..).unwrap_or_default(), at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if filled > most {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            if text.len() - filled < ROOM_BYTES_MIN {
                text.resize(text.len() * 2, 0);
            }
        }
        text.truncate(filled);
        Ok(text)
    }

    /// Its inode.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn inode(&self) -> io::Result<u64> {
        inner::inode(&self.0)
    }
}

/// The whole of the file at `path`, at most `most` bytes.
///
/// # Errors
/// As [`RawFile::open`] and [`RawFile::read_all`].
pub fn read(path: impl AsRef<[u8]>, most: usize) -> io::Result<Vec<u8>> {
    RawFile::open(path)?.read_all(most)
}

/// Where a symbolic link leads.
///
/// # Errors
/// As the kernel says.
pub fn read_link(path: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
    inner::read_link(path.as_ref())
}

/// Inode of what `path` leads to.
///
/// # Errors
/// As the kernel says.
pub fn inode(path: impl AsRef<[u8]>) -> io::Result<u64> {
    inner::inode_of(path.as_ref())
}

/// Names in a folder, without itself and its parent; at most `most` of them.
///
/// # Errors
/// As the kernel says.
pub fn names(path: impl AsRef<[u8]>, most: usize) -> io::Result<Vec<Vec<u8>>> {
    inner::names(path.as_ref(), most)
}

/// Room for a small file.
const FIRST_BYTES: usize = 4 << 10;
/// Files that the kernel makes up come in whole lines, at most a page at once: less room would cut one off.
const ROOM_BYTES_MIN: usize = 2 << 10;

#[cfg(target_os = "linux")]
use inner::Inner;
#[cfg(target_os = "linux")]
mod inner {
    use rustix::fs::{Dir, Mode, OFlags};
    use std::io;

    pub(super) type Inner = std::os::fd::OwnedFd;

    pub(super) fn open(path: &[u8], folder: bool) -> io::Result<Inner> {
        let kind = if folder { OFlags::DIRECTORY } else { OFlags::empty() };
        Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | kind, Mode::empty())?)
    }

    pub(super) fn read_at(file: &Inner, room: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pread(file, room, offset)?)
    }

    pub(super) fn inode(file: &Inner) -> io::Result<u64> {
        Ok(rustix::fs::fstat(file)?.st_ino)
    }

    pub(super) fn inode_of(path: &[u8]) -> io::Result<u64> {
        Ok(rustix::fs::stat(path)?.st_ino)
    }

    pub(super) fn read_link(path: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlink(path, Vec::new())?.into_bytes())
    }

    pub(super) fn names(path: &[u8], most: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::new(open(path, true)?)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
            if names.len() >= most {
                break;
            }
        }
        Ok(names)
    }
}

#[cfg(not(target_os = "linux"))]
use inner::Inner;
#[cfg(not(target_os = "linux"))]
mod inner {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::io;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::os::unix::fs::{FileExt, MetadataExt};

    pub(super) type Inner = File;

    pub(super) fn open(path: &[u8], _folder: bool) -> io::Result<Inner> {
        File::open(OsStr::from_bytes(path))
    }

    pub(super) fn read_at(file: &Inner, room: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(room, offset)
    }

    pub(super) fn inode(file: &Inner) -> io::Result<u64> {
        Ok(file.metadata()?.ino())
    }

    pub(super) fn inode_of(path: &[u8]) -> io::Result<u64> {
        Ok(fs::metadata(OsStr::from_bytes(path))?.ino())
    }

    pub(super) fn read_link(path: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::read_link(OsStr::from_bytes(path))?.into_os_string().into_vec())
    }

    pub(super) fn names(path: &[u8], most: usize) -> io::Result<Vec<Vec<u8>>> {
        let entries = fs::read_dir(OsStr::from_bytes(path))?.take(most);
        entries.map(|entry| Ok(entry?.file_name().into_vec())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn files_are_read_to_their_end_and_not_past_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words");
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &text).unwrap();
        let path = path.as_os_str().as_bytes();
        assert_eq!(read(path, 1 << 20).unwrap(), text);
        assert_eq!(read(path, 1 << 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let file = RawFile::open(path).unwrap();
        let mut word = [0; 4];
        file.read_exact_at(&mut word, 4 * 77_777).unwrap();
        assert_eq!(u32::from_le_bytes(word), 77_777);
        let end = file.read_exact_at(&mut word, 400_000 - 2).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(file.read_at(&mut word, 400_000).unwrap(), 0);
        assert_eq!(file.inode().unwrap(), inode(path).unwrap());
    }

    #[test]
    fn folders_and_links_are_as_the_standard_library_sees_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "two", "three"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("one", folder.path().join("link")).unwrap();
        let path = folder.path().as_os_str().as_bytes();
        let mut found = names(path, 100).unwrap();
        found.sort();
        assert_eq!(found, [&b"link"[..], b"one", b"three", b"two"]);
        assert_eq!(names(path, 2).unwrap().len(), 2);
        assert_eq!(read_link([path, b"/link"].concat()).unwrap(), b"one");
        assert_eq!(read_link([path, b"/one"].concat()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        for missing in [read(b"/nonexistent", 1).err(), names(b"/nonexistent", 1).err()] {
            assert_eq!(missing.unwrap().kind(), io::ErrorKind::NotFound);
        }
    }
}
