"""Cases of RFC 9113 against a server of HTTP/2 in clear text: what a client may do, and what must not pass.

Each case has a name, a section, and the outcomes that the section allows; the frames are hyperframe's, the header
blocks hpack's, and the codes and the good conversation h2's. Prints one line a case, and ends with status 1 if one
came out otherwise.

`right` is what the section says. `general` is the right end of the connection with PROTOCOL_ERROR in place of a code
that says more, or in place of the end of one stream (5.4.1 lets the connection end for it). `known` is one of
DEVIATIONS, each with what it does instead; one that no longer occurs is wrong, so that the list stays true.

    rfc9113.py HOST:PORT
"""

import socket
import struct
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, ResponseReceived, StreamEnded
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GOOD = [(":method", "POST"), (":scheme", "http"), (":authority", "shop.test"), (":path", "/public/a")]
PATIENCE = 10.0
CASES = []
# The server's library does not look at pseudo-fields of trailers. They are dropped there, so nothing of them goes on.
DEVIATIONS = {"trailers with a pseudo-field": "status 200"}


def case(section, name, *allowed):
    """Registers a case. It returns what came out; `allowed` are the outcomes that are right."""

    def register(function):
        CASES.append((section, name, allowed, function))
        return function

    return register


def raw(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def without(*names):
    return [field for field in GOOD if field[0] not in names]


class Client:
    """A connection after the preface and both settings."""

    def __init__(self, address, settings=None, shake=True):
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.server = {}
        if shake:
            self.send(PREFACE, SettingsFrame(0, settings=settings or {}))
            while not self.server:
                frame = self.read()
                if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                    self.server = frame.settings or {0: 0}
            self.send(SettingsFrame(0, flags=["ACK"]))

    def send(self, *frames):
        data = b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # What it answered before it closed counts.

    def fields(self, fields):
        return self.encoder.encode(fields, huffman=False)

    def headers(self, stream, fields, *flags):
        return HeadersFrame(stream, data=self.fields(fields), flags=["END_HEADERS", *flags])

    def ask(self, stream=1, fields=GOOD):
        """A whole request without a body."""
        return self.headers(stream, fields, "END_STREAM")

    def take(self, count):
        while len(self.bytes) < count:
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                return None
            self.bytes += piece
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return taken

    def read(self):
        """The next frame; None at the end."""
        head = self.take(9)
        if head is None:
            return None
        frame, length = Frame.parse_frame_header(memoryview(head))
        body = self.take(length)
        if body is None:
            return None
        frame.parse_body(memoryview(body))
        return frame

    def outcome(self, stream=1):
        """What becomes of a stream, or of the connection."""
        while True:
            try:
                frame = self.read()
            except TimeoutError:
                return "silence"
            match frame:
                case None:
                    return "closed"
                case GoAwayFrame():
                    return f"goaway {ErrorCodes(frame.error_code).name}"
                case RstStreamFrame() if frame.stream_id == stream:
                    return f"reset {ErrorCodes(frame.error_code).name}"
                case HeadersFrame():
                    fields = dict(self.decoder.decode(frame.data))
                    if frame.stream_id == stream:
                        return f"status {fields[':status']}"

    def alive(self):
        """Whether the connection still answers."""
        self.send(PingFrame(0, opaque_data=b"STILL-ON"))
        while True:
            try:
                frame = self.read()
            except TimeoutError:
                return "silence"
            match frame:
                case None:
                    return "closed"
                case GoAwayFrame():
                    return f"goaway {ErrorCodes(frame.error_code).name}"
                case PingFrame() if "ACK" in frame.flags and frame.opaque_data == b"STILL-ON":
                    return "alive"

    def says(self, *frames, stream=1):
        self.send(*frames)
        return self.outcome(stream)


def simple(section, name, allowed, build, stream=1):
    """A case that sends what `build` makes and looks what comes."""

    @case(section, name, *allowed)
    def run(address):
        client = Client(address)
        return client.says(*build(client), stream=stream)


PROTOCOL = ("goaway PROTOCOL_ERROR",)
SIZE = ("goaway FRAME_SIZE_ERROR",)
FLOW = ("goaway FLOW_CONTROL_ERROR",)
COMPRESSION = ("goaway COMPRESSION_ERROR",)
MALFORMED = ("reset PROTOCOL_ERROR",)
CLOSED = ("goaway STREAM_CLOSED", "reset STREAM_CLOSED")


@case("3.4", "a wrong preface is not answered in HTTP/2", "HTTP/1.1 400")
def wrong_preface(address):
    client = Client(address, shake=False)
    client.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", SettingsFrame(0))
    return client.take(12).decode()


@case("3.4", "settings follow the preface from the server", "settings")
def server_preface(address):
    client = Client(address, shake=False)
    client.send(PREFACE, SettingsFrame(0))
    return "settings" if isinstance(client.read(), SettingsFrame) else "another frame"


@case("3.4", "requests may come before the server's settings", "status 200")
def early(address):
    client = Client(address, shake=False)
    return client.says(PREFACE, SettingsFrame(0), client.ask())


simple("4.1", "a frame of unknown type is passed over", ("status 200",), lambda c: [raw(0x16, 0, 0, b"?" * 8), c.ask()])
simple("4.1", "unknown flags are passed over", ("status 200",), lambda c: [raw(6, 0x16, 0, b"12345678"), c.ask()])
simple(
    "4.1",
    "the reserved bit is passed over",
    ("status 200",),
    lambda c: [raw(6, 0, 0x80000000, b"12345678"), c.ask()],
)
simple(
    "4.2",
    "data beyond the largest frame",
    ("goaway FRAME_SIZE_ERROR", "reset FRAME_SIZE_ERROR"),
    lambda c: [c.headers(1, GOOD), raw(0, 1, 1, b"x" * 16385)],
)
simple("4.2", "headers beyond the largest frame", SIZE, lambda c: [raw(1, 5, 1, b"\0" * 16385)])
simple("4.3", "a header block that is none", COMPRESSION, lambda c: [raw(1, 5, 1, b"\xff\xff\xff\xff\xff\xff")])
simple("4.3", "index 0 (RFC 7541 6.1)", COMPRESSION, lambda c: [raw(1, 5, 1, b"\x80")])
simple("4.3", "an index beyond both tables (RFC 7541 2.3.3)", COMPRESSION, lambda c: [raw(1, 5, 1, b"\xff\x20")])
simple(
    "4.3",
    "a table larger than allowed (RFC 7541 6.3)",
    COMPRESSION,
    lambda c: [raw(1, 5, 1, b"\x3f\xe2\x1f" + c.fields(GOOD))],
)
simple(
    "4.3",
    "a change of the table's size after a field (RFC 7541 4.2)",
    COMPRESSION,
    lambda c: [raw(1, 5, 1, c.fields(GOOD) + b"\x20")],
)
simple(
    "4.3",
    "the end-of-string symbol in a text (RFC 7541 5.2)",
    COMPRESSION,
    lambda c: [raw(1, 5, 1, c.fields(GOOD) + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")],
)
simple(
    "4.3",
    "another frame within a header block",
    PROTOCOL,
    lambda c: [HeadersFrame(1, data=c.fields(GOOD)), PriorityFrame(1, depends_on=0, stream_weight=1)],
)
simple(
    "4.3",
    "another stream within a header block",
    PROTOCOL,
    lambda c: [HeadersFrame(1, data=c.fields(GOOD)), c.ask(3)],
)
simple(
    "4.3",
    "an unknown frame within a header block",
    PROTOCOL,
    lambda c: [HeadersFrame(1, data=c.fields(GOOD)), raw(0x16, 0, 0, b"")],
)
simple("5.1", "data on an idle stream", PROTOCOL, lambda c: [DataFrame(1, data=b"x", flags=["END_STREAM"])])
simple("5.1", "a reset of an idle stream", PROTOCOL, lambda c: [RstStreamFrame(1, error_code=8)])
simple("5.1", "a window for an idle stream", PROTOCOL, lambda c: [WindowUpdateFrame(1, window_increment=1)])
simple("5.1", "a continuation on an idle stream", PROTOCOL, lambda c: [ContinuationFrame(1, flags=["END_HEADERS"])])
simple(
    "5.1",
    "data after the end of a stream",
    CLOSED,
    lambda c: [c.headers(1, GOOD, "END_STREAM"), DataFrame(1, data=b"x")],
)
simple("5.1", "headers after the end of a stream", CLOSED, lambda c: [c.ask(), c.ask()])


@case("5.1", "data after a reset", *CLOSED, "alive")
def data_after_reset(address):
    client = Client(address)
    client.send(client.headers(1, GOOD), RstStreamFrame(1, error_code=8), DataFrame(1, data=b"x"))
    return client.alive()


@case("5.1", "headers after a reset", *CLOSED, "goaway PROTOCOL_ERROR")
def headers_after_reset(address):
    client = Client(address)
    return client.says(client.headers(1, GOOD), RstStreamFrame(1, error_code=8), client.ask())


@case("5.1", "a window after the end of a stream", "alive")
def window_after_end(address):
    client = Client(address)
    client.says(client.ask())
    client.send(WindowUpdateFrame(1, window_increment=1))
    return client.alive()


simple("5.1.1", "a stream with an even number", PROTOCOL, lambda c: [c.ask(2)], 2)
simple(
    "5.1.1",
    "a stream below one that was used",
    ("goaway PROTOCOL_ERROR", "goaway STREAM_CLOSED"),
    lambda c: [c.ask(5), c.ask(3)],
    3,
)


@case("5.1.2", "more streams at once than allowed", "reset REFUSED_STREAM", "reset PROTOCOL_ERROR")
def too_many(address):
    client = Client(address)
    most = client.server[SettingsFrame.MAX_CONCURRENT_STREAMS]
    asks = [client.headers(1 + 2 * at, GOOD) for at in range(most + 1)]
    return client.says(*asks, stream=1 + 2 * most)


simple("5.3", "a priority that depends on itself is passed over", ("status 200",), lambda c: [raw(2, 0, 1, struct.pack(">IB", 1, 7)), c.ask(3)], 3)
simple("6.1", "data on stream 0", PROTOCOL, lambda c: [raw(0, 0, 0, b"x")])
simple(
    "6.1",
    "padding as long as the data",
    PROTOCOL,
    lambda c: [c.headers(1, GOOD), raw(0, 9, 1, b"\x05" + b"\0" * 4)],
)
simple(
    "6.1",
    "padded data are data",
    ("status 200",),
    lambda c: [
        c.headers(1, [*GOOD, ("content-length", "5")]),
        raw(0, 9, 1, b"\x03hello\0\0\0"),
    ],
)
simple("6.2", "headers on stream 0", PROTOCOL, lambda c: [raw(1, 5, 0, c.fields(GOOD))])
simple("6.2", "padding longer than the headers", PROTOCOL, lambda c: [raw(1, 13, 1, b"\x40" + c.fields(GOOD[:1]))])
simple("6.2", "padded headers with a priority", ("status 200",), lambda c: [raw(1, 0x2D, 1, b"\x02" + struct.pack(">IB", 0, 9) + c.fields(GOOD) + b"\0\0")])
simple("6.3", "a priority on stream 0", PROTOCOL, lambda c: [raw(2, 0, 0, b"\0" * 5)])
simple(
    "6.3",
    "a priority of the wrong size",
    ("goaway FRAME_SIZE_ERROR", "reset FRAME_SIZE_ERROR"),
    lambda c: [c.headers(1, GOOD), raw(2, 0, 1, b"\0" * 4)],
)
simple("6.4", "a reset of stream 0", PROTOCOL, lambda c: [raw(3, 0, 0, b"\0" * 4)])
simple("6.4", "a reset of the wrong size", SIZE, lambda c: [c.headers(1, GOOD), raw(3, 0, 1, b"\0" * 3)])
simple("6.5", "an acknowledgement with settings", SIZE, lambda c: [raw(4, 1, 0, b"\0" * 6)])
simple("6.5", "settings on a stream", PROTOCOL, lambda c: [raw(4, 0, 1, b"")])
simple("6.5", "settings of the wrong size", SIZE, lambda c: [raw(4, 0, 0, b"\0" * 5)])


def setting(number, value):
    return raw(4, 0, 0, struct.pack(">HI", number, value))


simple("6.5.2", "a push that is neither on nor off", PROTOCOL, lambda c: [setting(2, 2)])
simple("6.5.2", "a window beyond 31 bits", FLOW, lambda c: [setting(4, 1 << 31)])
simple("6.5.2", "a frame size below the least", PROTOCOL, lambda c: [setting(5, 16383)])
simple("6.5.2", "a frame size beyond the most", PROTOCOL, lambda c: [setting(5, 1 << 24)])
simple("6.5.2", "an unknown setting is passed over", ("status 200",), lambda c: [setting(0xFF, 7), c.ask()])


@case("6.5.3", "settings are acknowledged", "acknowledged")
def acknowledged(address):
    client = Client(address)
    client.send(setting(4, 70000))
    count = 0
    while count < 2:
        frame = client.read()
        count += isinstance(frame, SettingsFrame) and "ACK" in frame.flags
    return "acknowledged"


simple(
    "6.6",
    "a push of a client",
    PROTOCOL,
    lambda c: [c.headers(1, GOOD), PushPromiseFrame(1, promised_stream_id=2, data=c.fields(GOOD), flags=["END_HEADERS"])],
)


@case("6.7", "a ping is answered with its bytes", "alive")
def ping(address):
    return Client(address).alive()


@case("6.7", "an answer to a ping is not answered", "alive")
def ping_ack(address):
    client = Client(address)
    client.send(PingFrame(0, opaque_data=b"ANSWERED", flags=["ACK"]))
    return client.alive()


simple("6.7", "a ping on a stream", PROTOCOL, lambda c: [raw(6, 0, 1, b"\0" * 8)])
simple("6.7", "a ping of the wrong size", SIZE, lambda c: [raw(6, 0, 0, b"\0" * 6)])
simple("6.8", "a goodbye on a stream", PROTOCOL, lambda c: [raw(7, 0, 1, b"\0" * 8)])
simple("6.9", "a window of nothing for the connection", PROTOCOL, lambda c: [raw(8, 0, 0, b"\0" * 4)])
simple(
    "6.9",
    "a window of nothing for a stream",
    ("reset PROTOCOL_ERROR", "goaway PROTOCOL_ERROR"),
    lambda c: [c.headers(1, GOOD), raw(8, 0, 1, b"\0" * 4)],
)
simple("6.9", "a window of the wrong size", SIZE, lambda c: [raw(8, 0, 0, b"\0" * 3)])


@case("6.9.1", "data beyond the window", "reset FLOW_CONTROL_ERROR", "goaway FLOW_CONTROL_ERROR")
def beyond_window(address):
    client = Client(address)
    # All at once, so that no further window can come between.
    pieces = [DataFrame(1, data=b"x" * 16384) for _ in range(64)]
    return client.says(client.headers(1, [*without(":path"), (":path", "/slow/a")]), *pieces)


simple(
    "6.9.1",
    "windows of the connection beyond 31 bits",
    FLOW,
    lambda c: [WindowUpdateFrame(0, window_increment=(1 << 31) - 1)] * 2,
)
simple(
    "6.9.1",
    "windows of a stream beyond 31 bits",
    ("reset FLOW_CONTROL_ERROR", "goaway FLOW_CONTROL_ERROR"),
    lambda c: [c.headers(1, GOOD), *[WindowUpdateFrame(1, window_increment=(1 << 31) - 1)] * 2],
)
simple(
    "6.9.2",
    "settings that take a window beyond 31 bits",
    FLOW,
    lambda c: [c.headers(1, GOOD), WindowUpdateFrame(1, window_increment=(1 << 31) - 1 - 65535), setting(4, 65536)],
)


@case("6.9.2", "a window of nothing holds the answer back until it is opened", "ok")
def closed_window(address):
    client = Client(address, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    if client.says(client.ask()) != "status 200" or client.alive() != "alive":
        return "no head"
    client.send(WindowUpdateFrame(1, window_increment=1))
    first = client.read()
    client.send(WindowUpdateFrame(1, window_increment=1))
    second = client.read()
    return (first.data + second.data).decode()


def pieces(client, *rest):
    block = client.fields(GOOD)
    return [
        HeadersFrame(1, data=block[:5], flags=["END_STREAM"]),
        *[ContinuationFrame(1, data=block[at : at + 10]) for at in range(5, len(block) - 10, 10)],
        *rest,
        ContinuationFrame(1, data=block[5 + 10 * len(range(5, len(block) - 10, 10)) :], flags=["END_HEADERS"]),
    ]


simple("6.10", "a header block in pieces", ("status 200",), pieces)
simple("6.10", "data within a header block", PROTOCOL, lambda c: pieces(c, DataFrame(1, data=b"x")))
simple("6.10", "a continuation on stream 0", PROTOCOL, lambda c: [HeadersFrame(1, data=c.fields(GOOD)), raw(9, 4, 0, b"")])
simple("6.10", "a continuation of another stream", PROTOCOL, lambda c: [HeadersFrame(1, data=c.fields(GOOD)), raw(9, 4, 3, b"")])
simple(
    "6.10",
    "a continuation of what has ended",
    PROTOCOL,
    lambda c: [c.headers(1, GOOD), ContinuationFrame(1, flags=["END_HEADERS"])],
)
simple("8.1", "trailers that do not end the stream", MALFORMED, lambda c: [c.headers(1, GOOD), c.headers(1, [("x-a", "1")])])
simple(
    "8.1",
    "trailers with a pseudo-field",
    MALFORMED,
    lambda c: [c.headers(1, GOOD), c.headers(1, [(":method", "GET")], "END_STREAM")],
)
simple(
    "8.1",
    "trailers after a body",
    ("status 200",),
    lambda c: [c.headers(1, GOOD), DataFrame(1, data=b"x"), c.headers(1, [("x-a", "1")], "END_STREAM")],
)


def length(client, number, *bodies):
    ends = [["END_STREAM"] if at == len(bodies) - 1 else [] for at in range(len(bodies))]
    frames = [DataFrame(1, data=body, flags=flags) for body, flags in zip(bodies, ends)]
    return [client.headers(1, [*GOOD, ("content-length", str(number))]), *frames]


simple("8.1.1", "a length that the data do not have", MALFORMED, lambda c: length(c, 1, b"hello"))
simple("8.1.1", "a length that all data together do not have", MALFORMED, lambda c: length(c, 1, b"he", b"llo"))
simple("8.1.1", "a length that all data together have", ("status 200",), lambda c: length(c, 5, b"he", b"", b"llo"))
simple("8.1.1", "a length without data", MALFORMED, lambda c: [c.ask(1, [*GOOD, ("content-length", "5")])])
simple("8.2.1", "an upper-case name", MALFORMED, lambda c: [c.ask(1, [*GOOD, ("X-Upper", "1")])])
simple("8.2.1", "a line end in a value", MALFORMED, lambda c: [c.ask(1, [*GOOD, ("x-a", "1\r\nx-b: 2")])])
simple("8.2.1", "a blank before a value", ("status 400", *MALFORMED), lambda c: [c.ask(1, [*GOOD, ("x-a", " 1")])])
for field in [("connection", "x"), ("keep-alive", "1"), ("proxy-connection", "1"), ("transfer-encoding", "chunked"), ("upgrade", "h2c")]:
    simple("8.2.2", f"the field {field[0]}", MALFORMED, lambda c, field=field: [c.ask(1, [*GOOD, field])])
simple("8.2.2", "te of anything but trailers", MALFORMED, lambda c: [c.ask(1, [*GOOD, ("te", "trailers, deflate")])])
simple("8.2.2", "te of trailers", ("status 200",), lambda c: [c.ask(1, [*GOOD, ("te", "trailers")])])
simple("8.3", "an unknown pseudo-field", MALFORMED, lambda c: [c.ask(1, [*GOOD, (":test", "1")])])
simple("8.3", "a pseudo-field of answers", MALFORMED, lambda c: [c.ask(1, [*GOOD, (":status", "200")])])
simple("8.3", "a pseudo-field after others", MALFORMED, lambda c: [c.ask(1, [*GOOD[:3], ("x-a", "1"), GOOD[3]])])
simple("8.3.1", "an empty path", MALFORMED, lambda c: [c.ask(1, [*GOOD[:3], (":path", "")])])
for name in [":method", ":scheme", ":path"]:
    simple("8.3.1", f"no {name}", MALFORMED, lambda c, name=name: [c.ask(1, without(name))])
for field in GOOD:
    simple("8.3.1", f"{field[0]} twice", MALFORMED, lambda c, field=field: [c.ask(1, [field, *GOOD])])
simple("8.3.1", "no authority and no host", ("status 400", *MALFORMED), lambda c: [c.ask(1, without(":authority"))])
simple("8.3.1", "a host that is not the authority", ("status 400", *MALFORMED), lambda c: [c.ask(1, [*GOOD, ("host", "evil.test")])])
simple("8.3.1", "a host in place of the authority", ("status 200",), lambda c: [c.ask(1, [*without(":authority"), ("host", "shop.test")])])
simple("8.5", "a tunnel", ("status 400", *MALFORMED), lambda c: [c.headers(1, [(":method", "CONNECT"), (":authority", "shop.test:443")])])


@case("10.5", "streams that are opened and taken back at once", "goaway ENHANCE_YOUR_CALM", "closed")
def rapid_reset(address):
    client = Client(address)
    for at in range(5000):
        client.send(client.headers(1 + 2 * at, GOOD), RstStreamFrame(1 + 2 * at, error_code=8))
    return client.outcome(0)


@case("10.5.1", "a header block without an end", "goaway ENHANCE_YOUR_CALM", "closed")
def endless_block(address):
    client = Client(address)
    client.send(HeadersFrame(1, data=client.fields(GOOD)))
    for _ in range(5000):
        client.send(ContinuationFrame(1, data=b""))
    return client.outcome(0)


@case("8", "a conversation of the h2 library: three requests with bodies", "ok ok ok")
def conversation(address):
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    wire = socket.create_connection(address, PATIENCE)
    for stream in (1, 3, 5):
        connection.send_headers(stream, [*GOOD, ("content-length", "5")])
        connection.send_data(stream, b"hello", end_stream=True)
    wire.sendall(connection.data_to_send())
    bodies, ended = {}, 0
    while ended < 3:
        for event in connection.receive_data(wire.recv(65536)):
            if isinstance(event, ResponseReceived):
                assert dict(event.headers)[b":status"] == b"200", event
                bodies[event.stream_id] = b""
            elif isinstance(event, DataReceived):
                bodies[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            ended += isinstance(event, StreamEnded)
        wire.sendall(connection.data_to_send())
    return " ".join(bodies[stream].decode() for stream in (1, 3, 5))


def judge(name, got, allowed):
    if name in DEVIATIONS:
        return "known" if got == DEVIATIONS[name] else "WRONG"
    if got in allowed:
        return "right"
    is_error = any(outcome.startswith(("goaway", "reset")) for outcome in allowed)
    return "general" if is_error and got == "goaway PROTOCOL_ERROR" else "WRONG"


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    verdicts = []
    for section, name, allowed, function in CASES:
        got = function((host, int(port)))
        verdicts.append(judge(name, got, allowed))
        print(f"{verdicts[-1]}\t{section}\t{name}\t{got}\t{' | '.join(allowed)}", flush=True)
    print(", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("right", "general", "known", "WRONG")))
    return 1 if "WRONG" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
