"""Values in Python's own terms: `True`, `3`, `"text"` for signals, keyword arguments for actions."""

from collections.abc import Iterable, Mapping
from typing import Union

from .glacis import Action, HttpHeader, HttpRequest, SignalValue

Plain = Union[bool, int, float, str, bytes, "list[str]", None, SignalValue]


def signal(value: Plain) -> SignalValue:
    """A signal's value. `None` says that the signal has none; what is not stated at all is withheld.

    Whole numbers are `int`; a signal of type `uint` is stated as `SignalValue.UINT(value)`.
    """
    if isinstance(value, SignalValue):
        return value
    if value is None:
        return SignalValue.MISSING()
    # A truth value is an `int` in Python, so it is asked for first.
    if isinstance(value, bool):
        return SignalValue.TRUTH(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError("a whole number of a signal has 64 bits")
        return SignalValue.INT(value)
    if isinstance(value, float):
        return SignalValue.DOUBLE(value)
    if isinstance(value, str):
        return SignalValue.TEXT(value)
    if isinstance(value, (bytes, bytearray)):
        return SignalValue.BYTES(bytes(value))
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return SignalValue.TEXTS(list(value))
    raise TypeError(f"a signal has no value of type {type(value).__name__}")


def action(
    event: str,
    method: str,
    path: str,
    *,
    headers: "Mapping[str, str] | Iterable[tuple[str, str]]" = (),
    body: bytes = b"",
    signals: "Mapping[str, Plain] | None" = None,
    said: "Mapping[str, Plain] | None" = None,
) -> Action:
    """A guarded request. `path` may have a query; `signals` is what the app knows, `said` what the request says."""
    path, mark, query = path.partition("?")
    fields = headers.items() if isinstance(headers, Mapping) else headers
    request = HttpRequest(
        method=method,
        authority="",
        path=path,
        query=mark + query,
        headers=[HttpHeader(name=name, value=value) for name, value in fields],
        body=body,
    )
    return Action(
        event=event,
        request=request,
        signals={name: signal(value) for name, value in (signals or {}).items()},
        said={name: signal(value) for name, value in (said or {}).items()},
    )
