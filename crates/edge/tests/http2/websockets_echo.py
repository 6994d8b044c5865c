"""A WebSocket service and its client with the gateway between them: websockets_echo.py SERVICE_PORT GATEWAY."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError, InvalidStatus


async def echo(socket):
    async for message in socket:
        if message == "close":
            await socket.close(4001, "as asked for")
            return
        await socket.send(message)


def first(_, offered):
    return offered[0] if offered else None


async def texts(url):
    async with connect(url) as socket:
        for text in ("", "a", "ä€😀", "x" * 100_000):
            await socket.send(text)
            assert await socket.recv() == text


async def bytes_of_all_sizes(url):
    async with connect(url, max_size=None) as socket:
        for size in (0, 1, 125, 126, 65_535, 65_536, 1 << 20):
            body = bytes(range(256)) * (size // 256) + bytes(size % 256)
            await socket.send(body)
            assert await socket.recv() == body


async def fragments(url):
    async with connect(url) as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"


async def pings(url):
    async with connect(url) as socket:
        for _ in range(20):
            await asyncio.wait_for(await socket.ping(), 20)


async def compressed(url):
    async with connect(url, compression="deflate") as socket:
        await socket.send("again " * 10_000)
        assert await socket.recv() == "again " * 10_000
        assert socket.protocol.extensions, "negotiated end to end"


async def closes_with_its_code(url):
    async with connect(url) as socket:
        await socket.send("close")
        try:
            await socket.recv()
        except ConnectionClosedError as error:
            assert error.rcvd.code == 4001 and error.rcvd.reason == "as asked for", error
        else:
            raise AssertionError("not closed")


async def subprotocol(url):
    async with connect(url, subprotocols=["chat", "other"]) as socket:
        assert socket.subprotocol == "chat"


async def fifty_at_once(url):
    async def one(number):
        async with connect(url) as socket:
            for step in range(10):
                await socket.send(f"{number} {step}")
                assert await socket.recv() == f"{number} {step}"

    await asyncio.gather(*(one(number) for number in range(50)))


async def refused_where_there_is_no_route(url):
    try:
        async with connect(url.replace("/public/", "/nowhere/")):
            raise AssertionError("let in")
    except InvalidStatus as error:
        assert error.response.status_code == 404, error


CASES = [
    texts, bytes_of_all_sizes, fragments, pings, compressed, closes_with_its_code, subprotocol, fifty_at_once,
    refused_where_there_is_no_route,
]


async def main():
    wrong = 0
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), select_subprotocol=first, max_size=None):
        for case in CASES:
            try:
                await asyncio.wait_for(case(f"ws://{sys.argv[2]}/public/ws"), 60)
                print("right", case.__name__)
            except Exception as error:  # every case is told of, whatever it raised
                wrong += 1
                print("WRONG", case.__name__, repr(error))
    print(f"{len(CASES) - wrong} right, {wrong} WRONG")
    sys.exit(1 if wrong else 0)


asyncio.run(main())
