//! Bodies of the layer: a request's that may have been read already, and an answer's that may be ours.
//!
//! What was read is kept and comes first when the service reads; nothing is read twice or lost, but for trailers
//! of a body that was read whole, which no signature covers.

use crate::layer::strip;
use bytes::{Bytes, BytesMut};
use glacis_wire::message::refusal::Refusal;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body behind the pipeline: what was read already, then the rest.
#[derive(Debug)]
pub struct Passed<B> {
    begun: Option<Bytes>,
    /// `None` where it was read to its end.
    rest: Option<B>,
    /// How much of the rest may come. Unit: bytes.
    left: usize,
}

/// A body is longer than its route allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body is longer than the route allows")]
pub(crate) struct TooLong;

impl<B> Passed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    pub(crate) const fn new(body: B) -> Self {
        Self { begun: None, rest: Some(body), left: usize::MAX }
    }

    /// Lets no more than `left` bytes of the rest come.
    pub(crate) fn limit(&mut self, left: usize) {
        self.left = left;
    }

    /// Reads all of it, at most `limit` bytes and within `wait`, and keeps it.
    pub(crate) async fn keep(&mut self, limit: usize, wait: Duration) -> Result<Bytes, Refusal> {
        tokio::time::timeout(wait, self.read(limit)).await.unwrap_or(Err(Refusal::Framing))
    }

    async fn read(&mut self, limit: usize) -> Result<Bytes, Refusal> {
        let mut read = BytesMut::new();
        while let Some(rest) = &mut self.rest {
            match rest.frame().await {
                None => self.rest = None,
                Some(Err(_)) => return Err(Refusal::Framing),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        read.extend_from_slice(&data);
                    }
                }
            }
            if read.len() > limit {
                self.begun = Some(read.freeze());
                return Err(Refusal::BodyTooLarge);
            }
        }
        let whole = read.freeze();
        self.begun = (!whole.is_empty()).then(|| whole.clone());
        Ok(whole)
    }
}

impl<B> Body for Passed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(begun) = self.begun.take() {
            return Poll::Ready(Some(Ok(Frame::data(begun))));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let Some(frame) = ready!(Pin::new(rest).poll_frame(context)) else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into).map(without_ours);
        let length = frame.as_ref().ok().and_then(|frame| frame.data_ref()).map_or(0, Bytes::len);
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                frame
            }
            None => Err(TooLong.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_none() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let begun = self.begun.as_ref().map_or(0, |begun| u64::try_from(begun.len()).unwrap_or(u64::MAX));
        let Some(rest) = &self.rest else { return SizeHint::with_exact(begun) };
        let rest = rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(begun.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(begun.saturating_add(upper));
        }
        hint
    }
}

/// Trailers of a client without what only the pipeline may say.
fn without_ours(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        strip(trailers);
    }
    frame
}

/// A response body: the pipeline's or the service's.
#[derive(Debug)]
pub enum Answered<R> {
    /// The pipeline answered.
    Ours(Full<Bytes>),
    /// The service answered.
    Theirs(R),
}

impl<R: Body<Data = Bytes> + Unpin> Body for Answered<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.get_mut() {
            Self::Ours(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Self::Theirs(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ours(body) => body.is_end_stream(),
            Self::Theirs(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ours(body) => body.size_hint(),
            Self::Theirs(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    #[test]
    fn what_was_read_comes_first_and_no_more_than_may() {
        block_on(async {
            let wait = Duration::from_secs(60);
            let mut whole = Passed::new(Full::new(Bytes::from_static(b"abcdef")));
            assert_eq!(whole.keep(6, wait).await.unwrap(), "abcdef");
            assert_eq!(whole.size_hint().exact(), Some(6));
            assert_eq!(BodyExt::collect(whole).await.unwrap().to_bytes(), "abcdef");
            let mut long = Passed::new(Full::new(Bytes::from_static(b"abcdef")));
            assert_eq!(long.keep(5, wait).await, Err(Refusal::BodyTooLarge));
            assert_eq!(
                BodyExt::collect(long).await.unwrap().to_bytes(),
                "abcdef",
                "where nothing acts, all goes on"
            );
            let mut cut = Passed::new(Full::new(Bytes::from_static(b"abcdef")));
            cut.limit(5);
            assert!(BodyExt::collect(cut).await.unwrap_err().is::<TooLong>());
        });
    }
}
