"""Our asyncio transport against the standard library's, in both roles: data, flow control, ends."""

from __future__ import annotations

import array
import asyncio
import random
import socket
import ssl
import tempfile
from typing import Any

import pytest

import tlsocket
from tests.aio.conftest import Contexts, Run
from tests.aio.support import Buffered, Noting, connect, serving
from tlsocket import aio
from tlsocket.aio.protocol import READ_BUFFER
from tlsocket.record import pool_statistics

PAIRS = [("tlsocket", "tlsocket"), ("tlsocket", "ssl"), ("ssl", "tlsocket")]
"""(server, client)"""
pairs = pytest.mark.parametrize(("server", "client"), PAIRS)


@pairs
@pytest.mark.parametrize("protocol", [Noting, Buffered])
def test_random_sizes_arrive_whole_in_both_directions(
    run: Run, contexts: Contexts, server: str, client: str, protocol: type[Noting]
) -> None:
    numbers = random.Random(7)
    pieces = [numbers.randbytes(int(2 ** numbers.uniform(0, 20))) for _ in range(60)]
    data = b"".join(pieces)

    async def main() -> None:
        ends: list[Noting] = []

        def factory() -> Noting:
            ends.append(protocol())
            return ends[-1]

        async with serving(server, factory, contexts.server(server)) as port:
            transport, one = await connect(client, protocol, port, contexts.client(client))
            other = ends[0]
            await other.made
            for piece in pieces:
                transport.write(piece)
                other.transport.write(piece)
            assert await one.until(len(data)) == data
            assert await other.until(len(data)) == data
            transport.close()
            assert await one.lost is None
            assert await other.lost is None

    run(main())


def test_a_client_knows_what_was_negotiated(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async with serving("ssl", Noting, contexts.server("ssl")) as port:
            context = contexts.client()
            transport, protocol = await connect("tlsocket", Noting, port, context)
            obj = transport.get_extra_info("ssl_object")
            assert transport.get_extra_info("sslcontext") is context
            assert isinstance(obj, ssl.SSLObject)
            assert obj.version() == "TLSv1.3"
            assert transport.get_extra_info("cipher") == obj.cipher()
            assert ("DNS", "localhost") in transport.get_extra_info("peercert")["subjectAltName"]
            assert transport.get_extra_info("compression") is None
            assert transport.get_extra_info("peername") == ("127.0.0.1", port)
            assert transport.get_extra_info("nothing", 5) == 5
            assert transport.get_protocol() is protocol
            for call in (obj.read, obj.unwrap, lambda: obj.write(b"x")):
                with pytest.raises(tlsocket.SSLError, match="transport"):
                    call()
            transport.abort()
            assert await protocol.lost is None

    run(main())


def test_what_was_written_may_change_afterwards(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, _ = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            end.transport.pause_reading()
            data = bytearray(b"a" * (16 << 20))
            transport.write(data)
            data[:] = b"b" * len(data)
            transport.write(memoryview(array.array("I", [1, 2, 3])))
            transport.write(b"")
            transport.writelines([b"small", b"", bytes(40000), b"x" * 300])
            end.transport.resume_reading()
            expected = b"a" * (16 << 20) + array.array("I", [1, 2, 3]).tobytes() + b"small" + bytes(40000) + b"x" * 300
            assert await end.until(len(expected)) == expected
            with pytest.raises(TypeError):
                transport.write("text")
            transport.abort()

    run(main())


def test_many_small_buffers_share_records(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, _ = await connect("tlsocket", Noting, port, contexts.client())
            transport.writelines([b"0123456789"] * 1000)
            await end.until(10000)
            assert end.calls.count("data_received") <= 2
            transport.abort()

    run(main())


@pairs
def test_a_slow_reader_bounds_what_its_peer_may_write(run: Run, contexts: Contexts, server: str, client: str) -> None:
    async def main() -> None:
        end = Noting()
        async with serving(server, lambda: end, contexts.server(server)) as port:
            transport, protocol = await connect(client, Noting, port, contexts.client(client))
            await end.made
            end.transport.pause_reading()
            assert not end.transport.is_reading()
            sent = 0
            for _ in range(400):
                if "pause_writing" in protocol.calls:
                    break
                transport.write(bytes(65536))
                sent += 65536
                await asyncio.sleep(0)
            assert "pause_writing" in protocol.calls
            if client == "tlsocket":
                low, high = transport.get_write_buffer_limits()
                assert high < transport.get_write_buffer_size() < high + (2 << 20)
                assert low < high
            await asyncio.sleep(0.05)
            held = len(end.received)
            if server == "tlsocket":
                assert len(end.transport._tls._rest) <= READ_BUFFER
            assert "resume_writing" not in protocol.calls
            await asyncio.sleep(0.05)
            assert len(end.received) == held
            end.transport.resume_reading()
            await end.until(sent)
            while "resume_writing" not in protocol.calls:
                await asyncio.sleep(0.01)
            assert transport.get_write_buffer_size() == 0
            transport.abort()

    run(main())


def test_pausing_while_data_comes_delivers_the_rest_later(run: Run, contexts: Contexts) -> None:
    class Pausing(Buffered):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.0005, self.transport.resume_reading)

    async def main() -> None:
        end = Pausing()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("ssl", Noting, port, contexts.client("ssl"))
            data = random.Random(1).randbytes(150_000)
            transport.write(data)
            transport.close()
            assert await end.until(len(data)) == data
            assert await end.lost is None
            assert end.calls[-2:] == ["eof_received", "connection_lost"]
            assert await protocol.lost is None

    run(main())


@pairs
def test_tls_1_2_works_too(run: Run, contexts: Contexts, server: str, client: str) -> None:
    async def main() -> None:
        end = Noting()
        context = contexts.client(client)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with serving(server, lambda: end, contexts.server(server)) as port:
            transport, protocol = await connect(client, Noting, port, context)
            assert transport.get_extra_info("ssl_object").version() == "TLSv1.2"
            await end.made
            data = random.Random(3).randbytes(700_000)
            transport.write(data)
            end.transport.write(data)
            assert await end.until(len(data)) == data
            assert await protocol.until(len(data)) == data
            transport.close()
            assert await end.lost is None

    run(main())


def test_small_and_large_buffers_keep_their_order(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, _ = await connect("tlsocket", Noting, port, contexts.client())
            numbers = random.Random(5)
            buffers = [numbers.randbytes(numbers.choice([0, 1, 700, 16000, 16384, 90_000])) for _ in range(200)]
            transport.writelines(buffers)
            transport.writelines([])
            expected = b"".join(buffers)
            assert await end.until(len(expected)) == expected
            transport.abort()

    run(main())


def test_an_idle_connection_holds_no_record_buffer(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            transport.write(bytes(300_000))
            await end.until(300_000)
            end.transport.write(bytes(300_000))
            await protocol.until(300_000)
            assert pool_statistics()["in_use"] == 0
            assert not transport._tls._rest
            assert not end.transport._tls._rest
            assert transport._tls._free is end.transport._tls._free
            assert len(transport._tls._free) == 1
            transport.abort()
            # A loop that is closed while an aborted transport is still on it can wait for ever in uvloop.
            await protocol.lost
            await end.lost

    run(main())


def test_either_side_may_change_its_keys(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            transport.get_extra_info("ssl_object").update_keys(request_peer=True)
            transport.write(b"one")
            await end.until(3)
            end.transport.write(b"two")
            await protocol.until(3)
            transport.close()
            assert await end.lost is None

    run(main())


# Ends


@pairs
def test_close_sends_everything_first(run: Run, contexts: Contexts, server: str, client: str) -> None:
    async def main() -> None:
        end = Noting()
        async with serving(server, lambda: end, contexts.server(server)) as port:
            transport, protocol = await connect(client, Noting, port, contexts.client(client))
            transport.write(bytes(20_000_000))
            transport.close()
            assert transport.is_closing()
            assert len(await end.until(20_000_000)) == 20_000_000
            assert await protocol.lost is None
            assert await end.lost is None
            assert end.calls.count("eof_received") == 1
            transport.write(b"into the void")

    run(main())


def test_each_direction_closes_by_itself(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting(keep_open=True)
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            assert transport.can_write_eof()
            transport.write(b"question")
            transport.write_eof()
            transport.write_eof()
            with pytest.raises(RuntimeError):
                transport.write(b"more")
            await end.eof
            assert await end.until(8) == b"question"
            end.transport.write(b"answer" * 100_000)
            end.transport.write_eof()
            assert await protocol.until(600_000) == b"answer" * 100_000
            assert await protocol.lost is None
            assert await end.lost is None

    run(main())


def test_an_end_without_close_notify_is_an_error(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            client = contexts.client("ssl").wrap_bio(incoming := ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(),
                                                    server_hostname="localhost")  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while True:
                try:
                    client.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65536))
            client.write(b"almost")
            writer.write(outgoing.read())
            await end.until(6)
            # What is unread when a socket is closed makes it a reset, which is another error: take the tickets first.
            end.transport.write(b"!")
            await reader.read(65536)
            writer.close()
            error = await end.lost
            assert isinstance(error, ssl.SSLEOFError)
            assert "eof_received" not in end.calls
            await writer.wait_closed()

    run(main())


def test_an_end_without_close_notify_may_be_allowed(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        context = contexts.server()
        context.options |= tlsocket.OP_IGNORE_UNEXPECTED_EOF
        async with serving("tlsocket", lambda: end, context) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            end.transport.write(b"!")
            await protocol.until(1)
            transport.abort()
            assert await end.lost is None
            assert "eof_received" in end.calls

    run(main())


def test_an_abort_is_heard_of_once(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            transport.write(bytes(30_000_000))
            transport.abort()
            transport.abort()
            transport.close()
            assert await protocol.lost is None
            assert isinstance(await end.lost, OSError)
            assert protocol.calls.count("connection_lost") == 1

    run(main())


def test_a_broken_record_ends_the_connection_with_its_error(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            transport.write(b"good")
            transport._raw.write(b"\x17\x03\x03\x00\x20" + bytes(32))
            error = await end.lost
            assert end.received == b"good"
            assert isinstance(error, ssl.SSLError)
            assert error.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
            assert (await protocol.lost).reason == "SSLV3_ALERT_BAD_RECORD_MAC"

    run(main())


def test_an_error_of_the_application_closes_its_connection(contexts: Contexts) -> None:
    class Failing(Noting):
        def data_received(self, data: bytes) -> None:
            raise LookupError("the application's own")

    async def main() -> list[dict[str, Any]]:
        heard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: heard.append(context))
        end = Failing()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            transport.write(b"x")
            assert isinstance(await end.lost, LookupError)
            await protocol.lost
        return heard

    heard = asyncio.run(asyncio.wait_for(main(), 20))
    assert [type(context["exception"]) for context in heard] == [LookupError]


def test_shutdown_has_an_end(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client(), ssl_shutdown_timeout=0.1)
            await end.made
            end.transport.pause_reading()
            transport.close()
            assert isinstance(await protocol.lost, TimeoutError)
            end.transport.resume_reading()
            await end.lost

    run(main())


def test_a_paused_end_closes_all_the_same(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            transport.pause_reading()
            end.transport.write(bytes(2_000_000))
            await asyncio.sleep(0.01)
            received = len(protocol.received)
            transport.close()
            assert await protocol.lost is None
            assert len(protocol.received) == received

    run(main())


# Files


@pytest.mark.parametrize("how", ["ours", "loop"])
def test_a_file_is_sent(run: Run, contexts: Contexts, how: str) -> None:
    async def main() -> None:
        data = random.Random(2).randbytes(5_000_000)
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            loop = asyncio.get_running_loop()
            send: Any = aio.sendfile if how == "ours" else loop.sendfile
            if how == "loop" and "uvloop" in type(loop).__module__:
                aio.enable(loop)
                send = loop.sendfile
            with tempfile.TemporaryFile() as file:
                file.write(data)
                assert await send(transport, file, 1000, 4_000_000) == 4_000_000
                assert file.tell() == 4_001_000
            assert await end.until(4_000_000) == data[1000:4_001_000]
            end.transport.write(b"still there")
            await protocol.until(11)
            transport.close()
            assert await protocol.lost is None

    run(main())


def test_sending_a_file_ends_with_the_connection(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            end.transport.pause_reading()
            with tempfile.TemporaryFile() as file:
                file.truncate(1 << 28)
                sending = asyncio.ensure_future(aio.sendfile(transport, file))
                await asyncio.sleep(0.05)
                end.transport.abort()
                with pytest.raises(OSError):
                    await sending
                with pytest.raises(RuntimeError):
                    await aio.sendfile(transport, file)
            with pytest.raises(asyncio.SendfileNotAvailableError):
                await aio.sendfile(transport, file, fallback=False)
            await protocol.lost

    run(main())


def test_a_socket_that_breaks_while_writing_is_told(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            await end.made
            with socket.fromfd(transport._sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
                same.shutdown(socket.SHUT_WR)
                transport.write(b"x")
            assert isinstance(await protocol.lost, BrokenPipeError)
            await end.lost

    run(main())
