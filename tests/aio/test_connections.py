"""Handshakes over our asyncio transport: refusals, timeouts, cancellation, start_tls, streams, other people's loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.aio.conftest import Contexts, Run
from tests.aio.support import Noting, connect, port_of, serving
from tlsocket import aio


@pytest.fixture
def silent() -> Any:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("library", ["tlsocket", "ssl"])
def test_a_client_certificate_reaches_the_server(run: Run, contexts: Contexts, library: str) -> None:
    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server(mutual=True)) as port:
            transport, protocol = await connect(library, Noting, port, contexts.client(library, certificate=True))
            await end.made
            subject = end.transport.get_extra_info("peercert")["subject"]
            assert ((("commonName", "someone"),)) in subject
            transport.close()
            await protocol.lost

    run(main())


def test_a_client_without_the_certificate_asked_for_is_refused(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        ends: list[Noting] = []

        def factory() -> Noting:
            ends.append(Noting())
            return ends[-1]

        async with serving("tlsocket", factory, contexts.server(mutual=True)) as port:
            _, protocol = await connect("tlsocket", Noting, port, contexts.client())
            error = await protocol.lost
            assert isinstance(error, ssl.SSLError)
            assert error.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
            assert not ends[0].calls

    run(main())


@pytest.mark.parametrize("library", ["tlsocket", "ssl"])
def test_an_untrusted_server_is_refused(run: Run, contexts: Contexts, library: str) -> None:
    async def main() -> None:
        async with serving(library, Noting, contexts.server(library)) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect("tlsocket", Noting, port, contexts.client(trusting=False))
            with pytest.raises(ssl.SSLCertVerificationError, match="elsewhere"):
                await connect("tlsocket", Noting, port, contexts.client(), server_hostname="elsewhere")

    run(main())


def test_a_peer_that_does_not_speak_tls_is_told_from_one_that_does(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 good morning\r\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            await connect("tlsocket", Noting, port_of(server), contexts.client())
        server.close()
        await server.wait_closed()

    run(main())


def test_a_peer_that_leaves_during_the_handshake_is_an_error(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.close()

        server = await asyncio.start_server(leave, "127.0.0.1", 0)
        with pytest.raises(ConnectionResetError):
            await connect("tlsocket", Noting, port_of(server), contexts.client())
        server.close()
        await server.wait_closed()

    run(main())


def test_a_handshake_has_an_end(run: Run, contexts: Contexts, silent: int) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionAbortedError, match=r"longer than 0\.1 seconds"):
            await connect("tlsocket", Noting, silent, contexts.client(), ssl_handshake_timeout=0.1)
        with pytest.raises(ValueError, match="positive"):
            await connect("tlsocket", Noting, silent, contexts.client(), ssl_handshake_timeout=0)

    run(main())


def test_a_servers_handshake_has_an_end(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async with serving("tlsocket", Noting, contexts.server(), ssl_handshake_timeout=0.1) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    run(main())


def test_cancellation_at_every_point_of_a_handshake_leaves_nothing_open(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        ends: list[Noting] = []
        done = 0

        def factory() -> Noting:
            ends.append(Noting())
            return ends[-1]

        async with serving("tlsocket", factory, contexts.server()) as port:
            for turns in range(40):
                task = asyncio.ensure_future(connect("tlsocket", Noting, port, contexts.client()))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    transport, _ = await task
                except asyncio.CancelledError:
                    continue
                done += 1
                transport.abort()
            await asyncio.sleep(0.05)
        assert all(end.lost.done() for end in ends if end.made.done())
        assert done < 40

    run(main())


def test_a_cancelled_handshake_closes_its_connection(run: Run, contexts: Contexts, silent: int) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connect("tlsocket", Noting, silent, contexts.client())

    run(main())


# start_tls


@pytest.mark.parametrize("client", ["tlsocket", "ssl"])
def test_a_connection_begins_tls_when_both_are_ready(run: Run, contexts: Contexts, client: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def serve(plain: Noting) -> bytes:
            await plain.until(8)
            plain.received.clear()
            raw = plain.transport
            raw.pause_reading()
            raw.write(b"GO AHEAD")
            secure = await aio.start_tls(raw, plain, contexts.server(), server_side=True)
            await plain.until(5)
            secure.write(b"world")
            assert await plain.lost is None
            return bytes(plain.received)

        end = Noting()
        server = await loop.create_server(lambda: end, "127.0.0.1", 0)
        raw, protocol = await loop.create_connection(Noting, "127.0.0.1", port_of(server))
        task = asyncio.ensure_future(serve(await _made(end)))
        raw.write(b"STARTTLS")
        await protocol.until(8)
        protocol.received.clear()
        start: Any = aio.start_tls if client == "tlsocket" else loop.start_tls
        transport = await start(raw, protocol, contexts.client(client), server_hostname="localhost")
        transport.write(b"hello")
        assert await protocol.until(5) == b"world"
        assert protocol.calls.count("connection_made") == 1
        transport.close()
        assert await task == b"hello"
        await protocol.lost
        server.close()
        await server.wait_closed()

    run(main())


async def _made(end: Noting) -> Noting:
    await end.made
    return end


def test_a_refusal_in_start_tls_is_raised(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async with serving("tlsocket", Noting, contexts.server()) as port:
            loop = asyncio.get_running_loop()
            raw, protocol = await loop.create_connection(Noting, "127.0.0.1", port)
            with pytest.raises(ssl.SSLCertVerificationError):
                await aio.start_tls(raw, protocol, contexts.client(trusting=False), server_hostname="localhost")
            with pytest.raises(TypeError):
                await aio.start_tls(object(), protocol, contexts.client())
            with pytest.raises(TypeError, match="SSLContext"):
                await aio.start_tls(raw, protocol, contexts.client("ssl"))

    run(main())


@pytest.mark.parametrize("inner", ["tlsocket", "ssl"])
def test_tls_runs_within_tls(contexts: Contexts, inner: str) -> None:
    async def main() -> None:
        end = Noting()

        async def serve() -> None:
            await end.made
            end.transport.pause_reading()
            end.transport.write(b"GO")
            await aio.start_tls(end.transport, end, contexts.server(), server_side=True)

        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            outer, protocol = await connect("tlsocket", Noting, port, contexts.client())
            task = asyncio.ensure_future(serve())
            await protocol.until(2)
            loop = asyncio.get_running_loop()
            start: Any = aio.start_tls if inner == "tlsocket" else loop.start_tls
            transport = await start(outer, protocol, contexts.client(inner), server_hostname="localhost")
            await task
            transport.write(b"z" * 3_000_000)
            assert await end.until(3_000_000) == b"z" * 3_000_000
            transport.close()
            await protocol.lost
            await end.lost

    asyncio.run(asyncio.wait_for(main(), 20))


# Streams


async def _upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    data = await reader.read()
    writer.write(data.upper())
    writer.close()
    await writer.wait_closed()


def test_streams_close_each_direction_by_itself(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        server = await aio.start_server(_upper, "127.0.0.1", 0, ssl=contexts.server())
        reader, writer = await aio.open_connection(
            "127.0.0.1", port_of(server), ssl=contexts.client(), server_hostname="localhost"
        )
        writer.write(b"some words" * 50_000)
        await writer.drain()
        writer.write_eof()
        assert await reader.read() == b"SOME WORDS" * 50_000
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_a_stream_begins_tls(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async with serving("tlsocket", lambda: _Upper(), contexts.server()) as port:
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader(loop=loop)
            protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
            transport, _ = await loop.create_connection(lambda: protocol, "127.0.0.1", port)
            writer = aio.StreamWriter(transport, protocol, reader, loop)
            await writer.start_tls(contexts.client(), server_hostname="localhost")
            writer.write(b"word")
            assert await reader.readexactly(4) == b"WORD"
            writer.close()
            await writer.wait_closed()

    run(main())


class _Upper(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())


def test_a_default_context_and_a_name_are_found(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        async with serving("tlsocket", _Upper, contexts.server()) as port:
            # The platform does not know our authority: the default context refuses, for `localhost` as asked.
            with pytest.raises(ssl.SSLCertVerificationError):
                await aio.create_connection(Noting, "localhost", port)
            with socket.socket() as sock, pytest.raises(ValueError, match="server_hostname"):
                await aio.create_connection(Noting, sock=sock)
            with pytest.raises(TypeError, match="SSLContext"):
                await aio.create_connection(Noting, "localhost", port, ssl=contexts.client("ssl"))

    run(main())


def test_a_unix_socket_carries_tls(run: Run, contexts: Contexts, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "s")
        server = await aio.create_unix_server(_Upper, path, ssl=contexts.server())
        with pytest.raises(ValueError, match="server_hostname"):
            await aio.create_unix_connection(Noting, path, ssl=contexts.client())
        transport, protocol = await aio.create_unix_connection(
            Noting, path, ssl=contexts.client(), server_hostname="localhost"
        )
        transport.write(b"word")
        assert await protocol.until(4) == b"WORD"
        transport.close()
        await protocol.lost
        server.close()

    run(main())


# Other people's loops


def test_a_loop_uses_our_transport_for_our_contexts_only(run: Run, contexts: Contexts, tmp_path: Path) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        aio.enable(loop)
        aio.enable(loop)
        for library in ("tlsocket", "ssl"):
            ours = library == "tlsocket"
            server = await loop.create_server(_Upper, "127.0.0.1", 0, ssl=contexts.server(library))
            transport, protocol = await loop.create_connection(
                Noting, "127.0.0.1", port_of(server), ssl=contexts.client(library), server_hostname="localhost"
            )
            assert isinstance(transport, aio.TLSTransport) is ours
            transport.write(b"word")
            assert await protocol.until(4) == b"WORD"
            transport.close()
            await protocol.lost
            raw, plain = await loop.create_connection(Noting, "127.0.0.1", port_of(server))
            secure = await loop.start_tls(raw, plain, contexts.client(library), server_hostname="localhost")
            assert isinstance(secure, aio.TLSTransport) is ours
            secure.abort()
            await plain.lost
            server.close()
            path = str(tmp_path / library)
            server = await loop.create_unix_server(_Upper, path, ssl=contexts.server(library))
            transport, protocol = await loop.create_unix_connection(
                Noting, path, ssl=contexts.client(library), server_hostname="localhost"
            )
            assert isinstance(transport, aio.TLSTransport) is ours
            transport.abort()
            await protocol.lost
            server.close()
        with socket.socket() as sock, pytest.raises(ValueError, match="server_hostname"):
            await loop.create_connection(Noting, sock=sock, ssl=contexts.client())
        with pytest.raises(ValueError, match="server_hostname"):
            await loop.create_unix_connection(Noting, "nowhere", ssl=contexts.client())

    run(main())


def test_an_accepted_socket_is_taken_over(run: Run, contexts: Contexts) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        aio.enable(loop)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.ensure_future(connect("tlsocket", Noting, listener.getsockname()[1], contexts.client()))
            listener.setblocking(False)
            accepted, _ = await loop.sock_accept(listener)
        accepted.setblocking(False)
        transport, end = await loop.connect_accepted_socket(Noting, accepted, ssl=contexts.server())
        client, protocol = await task
        client.write(b"x")
        await end.until(1)
        transport.close()
        assert await protocol.lost is None

    run(main())


def test_a_mixin_makes_a_loop_of_ours(contexts: Contexts) -> None:
    class Loop(aio.LoopMixin, asyncio.SelectorEventLoop):
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        aio.enable(loop)
        server = await loop.create_server(_Upper, "127.0.0.1", 0, ssl=contexts.server())
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=contexts.client(), server_hostname="localhost"
        )
        assert isinstance(writer.transport, aio.TLSTransport)
        writer.write(b"word")
        assert await reader.readexactly(4) == b"WORD"
        writer.close()
        await writer.wait_closed()
        server.close()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(asyncio.wait_for(main(), 20))


def test_run_enables_its_loop(contexts: Contexts) -> None:
    async def main() -> str:
        server = await asyncio.start_server(_upper, "127.0.0.1", 0, ssl=contexts.server())
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(server), ssl=contexts.client(), server_hostname="localhost"
        )
        name = type(writer.transport).__name__
        writer.close()
        await writer.wait_closed()
        server.close()
        return name

    assert aio.run(main()) == "TLSTransport"


def test_two_loops_in_two_threads_share_nothing(contexts: Contexts) -> None:
    failures: list[BaseException] = []

    async def main() -> None:
        end = Noting()
        async with serving("tlsocket", lambda: end, contexts.server()) as port:
            transport, protocol = await connect("tlsocket", Noting, port, contexts.client())
            for _ in range(50):
                transport.write(bytes(100_000))
            await end.until(5_000_000)
            transport.close()
            await protocol.lost
        assert not any(end.received)

    def work() -> None:
        try:
            asyncio.run(asyncio.wait_for(main(), 20))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert tlsocket.SSLContext is type(contexts.server())
