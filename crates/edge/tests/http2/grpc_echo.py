"""A gRPC service and its client with the gateway between them: grpc_echo.py SERVICE_PORT GATEWAY.

Each case prints a line; the last line counts them. The methods are generic, so nothing is generated.
"""

import sys
from concurrent import futures

import grpc

PLAIN = {"request_deserializer": None, "response_serializer": None}
LARGE = 3 << 20


def unary(request, context):
    meta = dict(context.invocation_metadata())
    context.set_trailing_metadata((("x-seen", meta.get("x-sent", "")), ("x-forged", meta.get("glacis-decision", "none"))))
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked for")
    return request


def down(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def up(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def both(requests, context):
    for request in requests:
        yield request[::-1]


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(8), options=OPTIONS)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary, **PLAIN),
        "Down": grpc.unary_stream_rpc_method_handler(down, **PLAIN),
        "Up": grpc.stream_unary_rpc_method_handler(up, **PLAIN),
        "Both": grpc.stream_stream_rpc_method_handler(both, **PLAIN),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("public", handlers),))
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    return server


OPTIONS = (("grpc.max_receive_message_length", 8 << 20), ("grpc.max_send_message_length", 8 << 20))


def cases(channel):
    call = channel.unary_unary("/public/Unary")

    def echo():
        answer, done = call.with_call(b"hello", metadata=(("x-sent", "yes"),), timeout=20)
        trailers = dict(done.trailing_metadata())
        assert answer == b"hello" and trailers["x-seen"] == "yes", trailers

    def forged():
        _, done = call.with_call(b"x", metadata=(("glacis-decision", "allow"),), timeout=20)
        assert dict(done.trailing_metadata())["x-forged"] == "none"

    def large():
        body = bytes(range(256)) * (LARGE // 256)
        assert call(body, timeout=20) == body

    def fails():
        try:
            call(b"fail", timeout=20)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
            assert error.details() == "as asked for"
        else:
            raise AssertionError("no error came")

    def unknown():
        try:
            channel.unary_unary("/public/Nothing")(b"", timeout=20)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        else:
            raise AssertionError("no error came")

    def streams_down():
        got = list(channel.unary_stream("/public/Down")(b"500", timeout=20))
        assert got == [str(number).encode() for number in range(500)]

    def streams_up():
        sent = (b"x" * 1000 for _ in range(300))
        assert channel.stream_unary("/public/Up")(sent, timeout=20) == b"300000"

    def streams_both():
        sent = [f"message {number}".encode() for number in range(200)]
        got = list(channel.stream_stream("/public/Both")(iter(sent), timeout=20))
        assert got == [one[::-1] for one in sent]

    def answers_before_the_end():
        # The next message is sent when the answer to the last one is there.
        import queue

        ready = queue.Queue()
        ready.put(b"0")
        sent = iter(lambda: ready.get(timeout=20), b"")
        count = 0
        for answer in channel.stream_stream("/public/Both")(sent, timeout=20):
            count += 1
            ready.put(b"" if count == 20 else str(count).encode())
        assert count == 20

    def many_at_once():
        calls = [call.future(str(number).encode(), timeout=20) for number in range(200)]
        assert [one.result() for one in calls] == [str(number).encode() for number in range(200)]

    def cancelled():
        stream = channel.unary_stream("/public/Down")(b"1000000", timeout=20)
        next(stream)
        stream.cancel()
        assert call(b"after", timeout=20) == b"after"

    return [
        echo, forged, large, fails, unknown, streams_down, streams_up, streams_both, answers_before_the_end, many_at_once,
        cancelled,
    ]


def main():
    server = serve(int(sys.argv[1]))
    wrong = 0
    with grpc.insecure_channel(sys.argv[2], options=OPTIONS) as channel:
        for case in cases(channel):
            try:
                case()
                print("right", case.__name__)
            except Exception as error:  # every case is told of, whatever it raised
                wrong += 1
                print("WRONG", case.__name__, repr(error))
        print(f"{len(cases(channel)) - wrong} right, {wrong} WRONG")
    server.stop(0)
    sys.exit(1 if wrong else 0)


main()
