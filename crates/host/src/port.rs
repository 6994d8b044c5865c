//! Who holds a port that cannot be listened on.
//!
//! "Address in use" sends an operator on a search that this process can mostly do itself: the kernel's tables name
//! the socket, and the open files of a process name its owner. It reads `/proc` only when a bind has failed, and
//! decides nothing.

use std::fmt;
use std::io;

/// Who holds a port, as far as this process may see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortHolder {
    /// The port is not taken; the reason is another.
    Nobody,
    /// Taken, and this process may not see by whom.
    Unknown,
    /// Taken by a process that this one may look at.
    Process {
        /// Its process id.
        id: u32,
        /// Its name as the kernel keeps it, at most 15 bytes.
        name: String,
    },
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("refused by the operating system"),
            Self::Unknown => f.write_str("in use by another process that this user may not look at"),
            Self::Process { id, name } => write!(f, "in use by `{name}` (process {id})"),
        }
    }
}

impl PortHolder {
    /// Who is in the way, after listening on `port` failed with `cause`.
    pub fn find(port: u16, cause: &io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::AddrInUse => holder(port).unwrap_or(Self::Unknown),
            _ => Self::Nobody,
        }
    }

    /// Why listening failed with `cause`, for an operator: who holds the port, or what the system said.
    pub fn reason(&self, cause: &io::Error) -> String {
        match self {
            Self::Nobody => format!("{self}: {cause}"),
            Self::Unknown | Self::Process { .. } => self.to_string(),
        }
    }
}

/// The process that listens on `port`: its socket's inode from `/proc/net/tcp`, found again among open files.
fn holder(port: u16) -> Option<PortHolder> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|to| links.iter().any(|link| to.as_os_str() == link.as_str()))
        };
        if files.flatten().any(holds) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(PortHolder::Process { id, name: name.trim().to_owned() });
        }
    }
    None
}

/// Inodes of sockets in state LISTEN (`0A`) on `port`, from a table in the form of `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let matches = columns.get(1)?.ends_with(&suffix) && *columns.get(3)? == "0A";
        matches.then(|| columns.get(9).map(|inode| (*inode).to_owned()))?
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_taken_port_is_traced_to_its_process_and_another_failure_is_not() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let cause = TcpListener::bind(("127.0.0.1", port)).unwrap_err();
        let found = PortHolder::find(port, &cause);
        assert!(
            matches!(&found, PortHolder::Process { id, name } if *id == std::process::id() && !name.is_empty())
        );
        assert!(found.to_string().starts_with("in use by `"));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(PortHolder::find(port, &denied), PortHolder::Nobody);
        assert_eq!(found.reason(&cause), found.to_string());
        let reason = PortHolder::Nobody.reason(&denied);
        assert_eq!(reason, "refused by the operating system: permission denied");
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx rx tr tm retrnsmt uid timeout inode\n\
            0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n\
            1: 0100007F:1F90 0100007F:9C40 01 0:0 0:0 0 0 0 4712 1\n\
            2: 0100007F:1F91 00000000:0000 0A 0:0 0:0 0 0 0 4713 1\n\
            3: cut short\n";
        assert_eq!(listening(table, 8_080), ["4711"]);
        assert!(listening("", 8_080).is_empty());
    }
}
