//! Backup of a running store and the making of a new one from a backup.
//!
//! A backup holds the store and nothing else: keys are few, change rarely, and whoever has both has the installation,
//! so they are kept apart. A restore needs the keys first, since they say whose store it may be; it overwrites nothing.

use crate::edge_api::problem;
use crate::error::{ServeError, ServeErrorKind};
use crate::installation::Installation;
use crate::keys;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use glacis_cloud::server::writer::CloudHandle;
use glacis_cloud::{Birth, CloudErrorKind};
use glacis_seal::Context;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

/// `POST /serve/v1/backup` on the control socket.
pub(crate) fn router(handle: CloudHandle) -> Router {
    Router::new().route("/serve/v1/backup", post(backup)).with_state(handle)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupBody {
    file: PathBuf,
}

/// The copy is made beside the writer, on a thread that may wait for the disk.
async fn backup(State(handle): State<CloudHandle>, Json(body): Json<BackupBody>) -> Response {
    if !body.file.is_absolute() {
        return problem(StatusCode::BAD_REQUEST, "invalid", "the file must have an absolute path");
    }
    let copied = tokio::task::spawn_blocking(move || handle.backup_to(&body.file)).await;
    match copied {
        Ok(Ok(copied)) => {
            let answer = json!({ "bytes": copied.bytes }).to_string();
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
        Ok(Err(error)) => {
            let status = StatusCode::from_u16(error.kind().status());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            problem(status, error.kind().code(), error.detail())
        }
        Err(_ended) => problem(StatusCode::SERVICE_UNAVAILABLE, "stopped", "the process is about to end"),
    }
}

/// A store that was made, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where.
    pub store: PathBuf,
    /// Whose.
    pub context: Context,
    /// Its size; `None` where nothing was made. Unit: bytes.
    pub bytes: Option<u64>,
}

/// Makes the store of the folder `data_dir`, which holds its keys already, of the backup `file`.
///
/// # Errors
/// If there is a store already, no keys, a process that runs there, or if the backup is damaged or somebody else's.
pub fn restore(file: &Path, data_dir: &Path, dry_run: bool) -> Result<Restored, ServeError> {
    let installation = Installation::open(data_dir, false)?;
    let keys = keys::open_private(&installation.keys_dir(), false)?;
    let context = keys::owner(&keys)?.ok_or_else(|| {
        let what = format!(
            "no keys in {}: bring them first, a backup holds none",
            installation.keys_dir().display()
        );
        ServeError::new(ServeErrorKind::Missing, what)
    })?;
    let store = installation.store();
    let refuse = |kind, what: String| Err(ServeError::new(kind, what));
    if store.exists() {
        return refuse(ServeErrorKind::Exists, format!("{}: there is a store already", store.display()));
    }
    if std::os::unix::net::UnixStream::connect(installation.control()).is_ok() {
        return refuse(
            ServeErrorKind::Exists,
            format!("{}: a process serves this folder", data_dir.display()),
        );
    }
    if !file.is_file() {
        return refuse(ServeErrorKind::Missing, format!("{}: no such file", file.display()));
    }
    if dry_run {
        return Ok(Restored { store, context, bytes: None });
    }
    let birth = Birth { tenant: context.tenant.clone(), realm: context.realm };
    let copied = glacis_cloud::restore(file, &store, &birth).map_err(|error| match error.kind() {
        CloudErrorKind::NotAStore | CloudErrorKind::NewerStore => {
            ServeError::new(ServeErrorKind::Usage, format!("{}: {}", file.display(), error.detail()))
        }
        _ => error.into(),
    })?;
    Ok(Restored { store, context, bytes: Some(copied.bytes) })
}
