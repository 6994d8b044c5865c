//! A flow of the SDK as a coroutine: it runs until it wants something from the app, and stands still until that comes.
//!
//! A flow of the SDK borrows its client, and no object that an app holds can borrow from another one. An asynchronous block
//! can own the client and the flow that borrows it, and stop between the two: so each flow is one future, polled by hand.
//! No executor and no thread is there; what it waits for is on its [`Desk`], which only the app fills.

use crate::convert;
use crate::remedy;
use crate::surface::error::GlacisError;
use crate::surface::types::{Ended, HttpResponse, Prompt, Reply, Step};
use glacis_dtx::UserVerification;
use glacis_sdk::drive::Reply as Answered;
use glacis_sdk::{Flow, Step as Wanted};
use glacis_wire::http::{Request, Response};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A flow that stands still, or has ended.
pub(crate) struct Coroutine {
    work: Option<Work>,
    desk: Arc<Desk>,
    awaited: Awaited,
}

/// What runs between two calls of the app.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<Ended, GlacisError>> + Send>>;

/// Between a flow and the app: the one question, and then its answer.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Papers>);

#[derive(Debug, Default)]
struct Papers {
    question: Option<Question>,
    answer: Option<Answer>,
}

#[derive(Debug)]
enum Question {
    Send(Request),
    Ask(Prompt),
}

#[derive(Debug)]
enum Answer {
    Response(Response),
    Lost,
    Reply(Answered),
}

/// What the app was asked for and has not answered.
#[derive(Debug)]
enum Awaited {
    Nothing,
    Response,
    Reply(Prompt),
}

impl Coroutine {
    /// A coroutine that has not begun.
    pub(crate) fn new(work: impl FnOnce(Arc<Desk>) -> Work) -> Self {
        let desk = Arc::<Desk>::default();
        Self { work: Some(work(Arc::clone(&desk))), desk, awaited: Awaited::Nothing }
    }

    /// Runs until the app has to do something.
    pub(crate) fn next(&mut self) -> Result<Step, GlacisError> {
        match std::mem::replace(&mut self.awaited, Awaited::Nothing) {
            Awaited::Nothing => {}
            Awaited::Response => self.desk.answer(Answer::Lost),
            Awaited::Reply(prompt) => {
                self.awaited = Awaited::Reply(prompt.clone());
                return Ok(Step::Ask { prompt });
            }
        }
        // Taken out first: what panics is not polled again, and gives its client back.
        let mut work = self.work.take().ok_or_else(remedy::ended)?;
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => ended.map(|ended| Step::Done { ended }),
            Poll::Pending => {
                self.work = Some(work);
                match self.desk.lock().question.take() {
                    Some(Question::Send(request)) => {
                        self.awaited = Awaited::Response;
                        Ok(Step::Send { request: convert::request_out(request) })
                    }
                    Some(Question::Ask(prompt)) => {
                        self.awaited = Awaited::Reply(prompt.clone());
                        Ok(Step::Ask { prompt })
                    }
                    // A flow waits for its desk and for nothing else.
                    None => Err(remedy::ended()),
                }
            }
        }
    }

    /// The answer to a request.
    pub(crate) fn receive(&mut self, response: HttpResponse) {
        self.answered(Answer::Response(convert::response_in(response)));
    }

    /// No answer.
    pub(crate) fn lost(&mut self) {
        self.answered(Answer::Lost);
    }

    fn answered(&mut self, answer: Answer) {
        if matches!(self.awaited, Awaited::Response) {
            self.awaited = Awaited::Nothing;
            self.desk.answer(answer);
        }
    }

    /// The user's answer.
    pub(crate) fn reply(&mut self, reply: Reply) {
        let Awaited::Reply(prompt) = &self.awaited else { return };
        let reply = match reply {
            Reply::Approved => Answered::Verified(UserVerification::claimed_by_app(&prompt.message)),
            Reply::Assertion { json } => Answered::Assertion(json.into_bytes()),
            Reply::Code { code } => Answered::Code(code),
            Reply::Declined => Answered::Declined,
        };
        self.awaited = Awaited::Nothing;
        self.desk.answer(Answer::Reply(reply));
    }

    /// Lets go of the client.
    pub(crate) fn cancel(&mut self) {
        self.work = None;
        self.awaited = Awaited::Nothing;
    }
}

impl Desk {
    /// Runs a flow of the SDK to its end.
    pub(crate) async fn drive<F: Flow>(&self, mut flow: F) -> Result<F::Output, GlacisError> {
        loop {
            match flow.next() {
                Wanted::Send(request) => match self.ask(Question::Send(request)).await {
                    Answer::Response(response) => flow.receive(response),
                    _ => flow.lost(),
                },
                Wanted::Prompt(prompt) => match self.ask(Question::Ask(convert::prompt_out(prompt))).await {
                    Answer::Reply(reply) => flow.reply(reply),
                    _ => flow.reply(Answered::Declined),
                },
                Wanted::Done(result) => return result.map_err(|error| remedy::of_flow(&error)),
            }
        }
    }

    async fn ask(&self, question: Question) -> Answer {
        self.lock().question = Some(question);
        poll_fn(|_| self.lock().answer.take().map_or(Poll::Pending, Poll::Ready)).await
    }

    fn answer(&self, answer: Answer) {
        self.lock().answer = Some(answer);
    }

    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Coroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.work.is_none();
        f.debug_struct("Coroutine").field("ended", &ended).finish_non_exhaustive()
    }
}
