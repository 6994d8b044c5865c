//! A WebSocket that its upstream granted: bytes both ways, unread.
//!
//! The handshake was decided like any request; nothing in the tunnel is. It ends when either side ends it (the other has
//! a moment for what is still on its way), or when the gateway stops.

use super::link::Link;
use super::{LINGER, Shared};
use tokio::io::{self, AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// Carries bytes between both ends; `early` is what the client sent before it saw the answer.
pub(super) async fn run(
    client: impl AsyncRead + AsyncWrite + Unpin,
    early: &[u8],
    link: Link,
    shared: &Shared,
) {
    let (upstream, sent) = link.into_socket();
    let (from_client, to_client) = io::split(client);
    let (from_upstream, to_upstream) = io::split(upstream);
    let carry = async {
        let mut up = std::pin::pin!(pass(from_client, to_upstream, early));
        let mut down = std::pin::pin!(pass(from_upstream, to_client, &sent));
        tokio::select! {
            done = &mut up => {
                done?;
                tokio::time::timeout(LINGER, down).await.unwrap_or(Ok(()))
            }
            done = &mut down => {
                done?;
                tokio::time::timeout(LINGER, up).await.unwrap_or(Ok(()))
            }
        }
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

/// What is at hand, then all that comes, to its end.
async fn pass<R, W>(mut from: ReadHalf<R>, mut to: WriteHalf<W>, first: &[u8]) -> io::Result<()>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    to.write_all(first).await?;
    io::copy(&mut from, &mut to).await?;
    to.shutdown().await
}
