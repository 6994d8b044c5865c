//! `Expect: 100-continue`: the client's body is asked for when the upstream asks for it.
//!
//! hyper sends its `100 Continue` to the client at the first look at the body, so nobody looks before the upstream
//! has answered `100`. An upstream that knows no such answer gets the body after a moment, as clients do it.

use crate::state::lock;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Sleep;

/// Longest wait for the upstream's word. Source: what the usual clients wait.
const WAIT: Duration = Duration::from_secs(1);

/// What the body waits behind.
#[derive(Debug)]
pub(super) struct Gate {
    state: Key,
    patience: Pin<Box<Sleep>>,
}

/// What opens a gate.
#[derive(Clone, Debug, Default)]
pub(super) struct Key(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    open: bool,
    waiting: Option<Waker>,
}

impl Gate {
    pub(super) fn new() -> (Self, Key) {
        let key = Key::default();
        (Self { state: key.clone(), patience: Box::pin(tokio::time::sleep(WAIT)) }, key)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state.0);
        if state.open {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        drop(state);
        self.patience.as_mut().poll(cx)
    }
}

impl Key {
    pub(super) fn open(&self) {
        let mut state = lock(&self.0);
        state.open = true;
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }
}
