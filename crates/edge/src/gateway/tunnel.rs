//! A WebSocket that its upstream granted: bytes both ways, unread.
//!
//! The handshake was decided like any request; nothing in the tunnel is. It ends when either side ends it, or when
//! the gateway stops.

use super::Shared;
use super::link::Link;
use super::speak::Socket;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

/// Carries bytes between both ends; `early` is what the client sent before it saw the answer.
pub(super) async fn run<S: Socket>(mut client: S, early: &[u8], link: Link, shared: &Shared) {
    let (mut upstream, sent) = link.into_socket();
    let carry = async {
        upstream.write_all(early).await?;
        client.write_all(&sent).await?;
        copy_bidirectional(&mut client, &mut upstream).await
    };
    tokio::select! {
        carried = carry => {
            if let Err(error) = carried {
                tracing::debug!(%error, "tunnel ended");
            }
        }
        () = shared.stopped() => {}
    }
}
