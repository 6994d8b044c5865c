"""A small Flask service for the golden diffs: what it got, and answers of every kind.

Run as `app.py PORT`. HTTP/1.1 with kept connections, one thread a connection.
"""

import sys
import time

from flask import Flask, Response, redirect, request
from werkzeug.serving import WSGIRequestHandler, make_server

app = Flask(__name__)
HOP = {"connection", "keep-alive", "transfer-encoding", "te"}


@app.route("/echo", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def echo():
    """Method, target, end-to-end fields and body as they came."""
    lines = [f"{request.method} {request.full_path} {request.host}"]
    fields = sorted((name.lower(), value) for name, value in request.headers)
    lines += [
        f"{name}: {value}"
        for name, value in fields
        if name not in HOP and not name.startswith("glacis-")
    ]
    return Response("\n".join(lines).encode() + b"\n\n" + request.get_data(), mimetype="text/plain")


@app.route("/size", methods=["POST", "PUT"])
def size():
    """The length of a body that is read piece by piece."""
    total = 0
    while piece := request.stream.read(65536):
        total += len(piece)
    return {"bytes": total}


@app.route("/stream")
def stream():
    """A body of unknown length, slowly."""

    def pieces():
        for n in range(5):
            yield f"piece {n}\n"
            time.sleep(0.02)

    return Response(pieces(), mimetype="text/plain")


@app.route("/cookies")
def cookies():
    """The same field more than once, in order."""
    answer = Response("ok")
    answer.headers.add("Set-Cookie", "b=2; Path=/")
    answer.headers.add("Set-Cookie", "a=1; HttpOnly")
    answer.headers.add("X-Same", "one")
    answer.headers.add("X-Same", "two")
    return answer


@app.route("/redirect")
def away():
    """A redirect."""
    return redirect("/echo?from=redirect", 307)


@app.route("/gzip")
def coded():
    """A coded body that must stay as it is."""
    answer = Response(b"\x1f\x8b\x08not really gzip\x00\xff")
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


@app.route("/nothing", methods=["GET", "DELETE"])
def nothing():
    """No content."""
    return "", 204


@app.route("/etag")
def etag():
    """A conditional answer."""
    answer = Response("tagged")
    answer.set_etag("v1")
    return answer.make_conditional(request)


@app.route("/fail")
def fail():
    """An error of the service itself."""
    raise RuntimeError("as intended")


@app.route("/teapot")
def teapot():
    """A status that few know."""
    return Response("short and stout", 418, {"X-Long": "y" * 4000})


if __name__ == "__main__":
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    make_server("127.0.0.1", int(sys.argv[1]), app, threaded=True).serve_forever()
