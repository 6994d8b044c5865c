//! The control socket: how an operator on the same machine speaks to a running installation.
//!
//! A Unix socket of mode 0600 in a folder of mode 0700: who can open it could read the keys beside it, so no token
//! is asked for and the actor is `local`. It serves the control plane's admin routes and `/edge/v1/…` of the gateway,
//! whichever runs in this process. A socket that is left from a process that died is replaced; one that somebody
//! answers on is not.

use crate::edge_api;
use crate::error::{ServeError, ServeErrorKind};
use crate::listen;
use crate::reload::Reloader;
use axum::Router;
use glacis_edge::EdgeCore;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio::sync::watch;

/// A bound control socket; removed when dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    file: SocketFile,
}

/// Removes the socket at the end.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "control socket was not there any more");
        }
    }
}

impl Control {
    /// Binds the socket.
    ///
    /// # Errors
    /// [`ServeErrorKind::Exists`] where another process answers on it.
    pub(crate) fn bind(path: &Path) -> Result<Self, ServeError> {
        let fail = |kind, what: String| ServeError::new(kind, format!("{}: {what}", path.display()));
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_somebody) => {
                let what = "another process serves this data folder".to_owned();
                return Err(fail(ServeErrorKind::Exists, what));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
                std::fs::remove_file(path)
                    .map_err(|error| fail(ServeErrorKind::Failed, format!("stale, and stays: {error}")))?;
            }
            Err(_nothing_there) => {}
        }
        let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => {
                let what =
                    "the path of a socket has at most 107 bytes: name the data folder by a shorter path";
                fail(ServeErrorKind::Usage, what.to_owned())
            }
            _ => fail(ServeErrorKind::Failed, error.to_string()),
        })?;
        let file = SocketFile(path.to_owned());
        // The folder is private already, so nobody can have come in between.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| fail(ServeErrorKind::Failed, error.to_string()))?;
        Ok(Self { listener, file })
    }

    /// Serves until `stopped` closes, then removes the socket.
    pub(crate) async fn serve(
        self,
        admin: Option<Router>,
        edge: Option<(Arc<EdgeCore>, Arc<Reloader>)>,
        stopped: watch::Receiver<()>,
    ) {
        let Self { listener, file } = self;
        let router = admin.unwrap_or_else(|| Router::new().fallback(edge_api::not_here));
        let router = match edge {
            Some((core, reloader)) => router.merge(edge_api::router(core, reloader)),
            None => router,
        };
        listen::serve(listener, router, stopped).await;
        drop(file);
    }
}

/// A plain file refuses connections as well, and is not ours to remove.
fn is_socket(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind, as by kill -9");
        let control = Control::bind(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let second = Control::bind(&path).unwrap_err();
        assert_eq!(second.kind(), ServeErrorKind::Exists, "{second}");
        drop(control);
        assert!(!path.exists());
        Control::bind(&path).unwrap();
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_for_a_socket_is_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let refused = Control::bind(&folder.path().join("d".repeat(120))).unwrap_err();
        assert_eq!(refused.kind(), ServeErrorKind::Usage);
        assert!(refused.to_string().contains("shorter path"), "{refused}");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        std::fs::write(&path, "precious").unwrap();
        let refused = Control::bind(&path);
        let kept = std::fs::read_to_string(&path).ok();
        assert!(refused.is_err() && kept.as_deref() == Some("precious"), "{refused:?} {kept:?}");
    }
}
