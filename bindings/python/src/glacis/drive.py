"""A loop around a flow, and a transport for it over the standard library.

What any owner of sockets does: send what the flow wants sent, hand the answer back, ask the user when the flow prompts.
How often to try again is the flow's business; time-outs are the transport's.
"""

import http.client
import ssl
from collections.abc import Callable
from typing import Optional, Protocol

from .glacis import Ended, Flow, HttpHeader, HttpRequest, HttpResponse, Outcome, Prompt, Reply, Step


class Lost(Exception):
    """No complete answer came; the request may have been carried out all the same."""


class Transport(Protocol):
    """Sends one request and waits for its answer."""

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """The answer; raises `Lost` if none came."""
        ...


User = Callable[[Prompt], Reply]


def nobody(_prompt: Prompt) -> Reply:
    """Nobody to ask: every prompt is declined."""
    return Reply.DECLINED()


def drive(flow: Flow, transport: Transport, user: User = nobody) -> Ended:
    """Runs a flow to its end, and says how it ended. Raises `GlacisError` where nothing was decided.

    Whatever else is raised in between, by the transport or the user's side, cancels the flow, so that its client is free.
    """
    try:
        while True:
            step = flow.next()
            if step.is_done():
                return step.ended
            if step.is_send():
                try:
                    answer = transport.exchange(step.request)
                except Lost:
                    flow.lost()
                else:
                    flow.receive(answer)
            else:
                flow.reply(user(step.prompt))
    finally:
        flow.cancel()


def decide(flow: Flow, transport: Transport, user: User = nobody) -> Outcome:
    """Runs a guarded action to its decision. Go on only if the verdict is an allow."""
    ended = drive(flow, transport, user)
    if not ended.is_decided():
        raise TypeError(f"the flow is no action; it ended as {type(ended).__name__}")
    return ended.outcome


class Http:
    """One edge, over `http.client`: one connection a request, no redirects, no proxies, bounded answers.

    With `tls`, an `ssl.SSLContext`, it speaks HTTPS; `ssl.create_default_context()` checks names and chains.
    """

    ANSWER_BYTES_MAX = 64 << 20

    def __init__(self, authority: str, tls: Optional[ssl.SSLContext] = None, timeout_s: float = 30.0) -> None:
        self._authority = authority
        self._tls = tls
        self._timeout_s = timeout_s

    def exchange(self, request: HttpRequest) -> HttpResponse:
        connection = self._connection()
        try:
            # Sent as it is: nothing that was signed is written anew.
            connection.putrequest(request.method, request.path + request.query, skip_host=True, skip_accept_encoding=True)
            connection.putheader("host", self._authority)
            for header in request.headers:
                connection.putheader(header.name, header.value)
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body or None)
            answer = connection.getresponse()
            body = answer.read(self.ANSWER_BYTES_MAX + 1)
            if len(body) > self.ANSWER_BYTES_MAX:
                raise Lost("the answer is longer than any")
            if answer.length:
                raise Lost("the answer is cut")
            headers = [HttpHeader(name=name, value=value) for name, value in answer.getheaders()]
            return HttpResponse(status=answer.status, headers=headers, body=body)
        except (OSError, http.client.HTTPException) as error:
            raise Lost(str(error)) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._authority, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self._authority, timeout=self._timeout_s, context=self._tls)
