//! Which mapped files matter most: the executable, the C library, and the module that this code is in.
//!
//! An attacker patches these; most else that is mapped is not ours to judge. In a native app executable and own
//! module are one; in a virtual machine this code is a library of its own. Names are only used to find the C
//! library: what its bytes are compared with is the file that is mapped.

use super::maps::{FileId, Maps, Row};
use glacis_host::kernel;

/// What a module is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// The program that was started.
    Executable,
    /// The C library.
    Libc,
    /// Holds this code, where it is not the executable.
    Own,
}

impl Role {
    /// The name in evidence.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Libc => "libc",
            Self::Own => "own",
        }
    }
}

/// The modules that matter, as they are mapped now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Modules(Vec<(Role, FileId)>);

impl Modules {
    /// Finds them.
    pub(super) fn find(maps: &Maps) -> Self {
        let here = Self::find as fn(&Maps) -> Self as usize;
        Self::among(maps, &executable(), u64::try_from(here).unwrap_or(0))
    }

    fn among(maps: &Maps, executable: &[u8], here: u64) -> Self {
        let code = || maps.executable().filter(|row| row.file.is_some());
        let by_path = |wanted: &dyn Fn(&[u8]) -> bool| code().find(|row| wanted(maps.path(row)));
        let found = [
            (Role::Executable, by_path(&|path| path == executable)),
            (Role::Libc, by_path(&is_libc)),
            (Role::Own, code().find(|row| row.holds(here))),
        ];
        let mut modules = Self::default();
        for (role, row) in found {
            let Some(file) = row.and_then(|row| row.file) else { continue };
            if modules.0.iter().all(|(_, known)| *known != file) {
                modules.0.push((role, file));
            }
        }
        modules
    }

    /// The module that this code is in, which may be the executable.
    pub(super) fn own(maps: &Maps) -> Option<FileId> {
        let here = u64::try_from(Self::find as fn(&Maps) -> Self as usize).ok()?;
        maps.at(here).and_then(|row| row.file)
    }

    /// What a mapping belongs to, if it is one of them.
    pub(super) fn role(&self, row: &Row) -> Option<Role> {
        self.0.iter().find(|(_, file)| Some(*file) == row.file).map(|(role, _)| *role)
    }

    /// Whether none was found.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Path of the running executable as `maps` writes it; empty if it cannot be read.
pub(super) fn executable() -> Vec<u8> {
    kernel::read_link("/proc/self/exe").unwrap_or_default()
}

/// The last part of a path.
pub(super) fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether a path is that of a C library: glibc (also before 2.34), musl, bionic.
pub(super) fn is_libc(path: &[u8]) -> bool {
    let name = file_name(path);
    name == b"libc.so.6"
        || name == b"libc.so"
        || name.starts_with(b"libc-2.")
        || name.starts_with(b"ld-musl-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "\
        1000-2000 r--p 0 fe:00 7 /srv/app\n2000-3000 r-xp 1000 fe:00 7 /srv/app\n\
        5000-6000 r-xp 0 fe:00 9 /lib/libc.so.6\n7000-8000 r-xp 0 fe:00 11 /srv/libglacis.so\n\
        9000-a000 r-xp 0 00:00 0 \n";

    #[test]
    fn roles_go_by_path_and_by_where_this_code_is() {
        let maps = Maps::parse(APP.as_bytes().to_vec()).unwrap();
        let roles =
            |modules: &Modules| -> Vec<_> { maps.executable().map(|row| modules.role(row)).collect() };
        let (exe, libc, own) = (Some(Role::Executable), Some(Role::Libc), Some(Role::Own));
        assert_eq!(roles(&Modules::among(&maps, b"/srv/app", 0x2100)), [exe, libc, None, None]);
        assert_eq!(roles(&Modules::among(&maps, b"/srv/app", 0x7100)), [exe, libc, own, None]);
        assert_eq!(roles(&Modules::among(&maps, b"/srv/other", 0x9100)), [None, libc, None, None]);
        assert!(Modules::among(&Maps::default(), b"", 0).is_empty());
    }

    #[test]
    fn c_libraries_are_known_by_name() {
        for (path, want) in [
            (&b"/usr/lib/x86_64-linux-gnu/libc.so.6"[..], true),
            (b"/lib/libc-2.31.so", true),
            (b"/lib/ld-musl-x86_64.so.1", true),
            (b"/apex/com.android.runtime/lib64/bionic/libc.so", true),
            (b"/usr/lib/libc++.so.1", false),
            (b"/usr/lib/libcap.so.2", false),
            (b"", false),
        ] {
            assert_eq!(is_libc(path), want, "{}", String::from_utf8_lossy(path));
        }
    }
}
