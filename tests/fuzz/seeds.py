"""Writes the corpora: `python -m tests.fuzz.seeds` takes the messages out of handshakes of our own.

Run it when a message or an extension is new; what a fuzzer found worth keeping is added by hand.
"""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.targets import (
    _BLOCKS,
    FOR_CHANGE_CIPHER_SPEC,
    AnySeal,
    client_configs,
    server_configs,
    ticket_configs,
    tls12_configs,
)
from tests.handshake.support import NAME, Link, credential, split_messages
from tlsocket import messages
from tlsocket.config import ClientAuthentication, ClientConfig, ServerConfig
from tlsocket.connection import Connection
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.registry import ContentType
from tlsocket.wire import Writer

CORPUS = Path(__file__).parent / "corpus"


class _Tap:
    """Stands in for a writer and keeps the handshake messages."""

    def __init__(self, connection: Connection) -> None:
        self.messages: list[bytes] = []
        self._writer = connection.writer
        connection._handshake.writer = self  # type: ignore[union-attr]

    def __getattr__(self, attribute: str) -> object:
        return getattr(self._writer, attribute)

    def queue(self, content_type: int, payload: bytes) -> None:
        if content_type == ContentType.HANDSHAKE:
            self.messages += split_messages(payload)
        elif content_type == ContentType.CHANGE_CIPHER_SPEC:
            self.messages.append(bytes((FOR_CHANGE_CIPHER_SPEC, 0, 0, 0)))
        self._writer.queue(content_type, payload)


def handshake(client: ClientConfig, server: ServerConfig) -> tuple[list[bytes], list[bytes]]:
    """The client's and the server's messages; the change_cipher_specs of TLS 1.2 among them."""
    link = Link(client, server)
    taps = _Tap(link.client), _Tap(link.server)
    link.connect()
    return taps[0].messages, taps[1].messages


def write(target: str, name: str, data: bytes) -> None:
    """One entry of a corpus."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main() -> None:
    """Write all of them."""
    seen: dict[str, bytes] = {}
    for index, client in enumerate(client_configs()):
        for number, server in enumerate(server_configs()):
            if server.client_authentication is ClientAuthentication.REQUIRED and not client.credentials:
                continue
            if not set(client.groups) & set(server.groups):
                continue
            sent, received = handshake(client, server)
            name = f"handshake-{index}{number}"
            for target in ("server_flight", "server_flight_lenient"):
                write(target, name, bytes([index]) + b"".join(received))
            for target in ("client_flight", "client_flight_lenient"):
                write(target, name, bytes([number]) + b"".join(sent))
            write("client_hello", name, bytes([number]) + sent[0][4:])
            for part in (*sent, *received):
                seen[type(messages.parse(part)).__name__.lower()] = part
            write("deframer", name, b"\x05" + b"".join(_record(part) for part in received))
    seen["keyupdate"] = b"\x18\0\0\1\1"
    seen["newsessionticket"] = b"\x04\0\0\x0f" + bytes.fromhex("00000e10 00000007 01 00 0001 aa 0000")
    for name, part in seen.items():
        write("message", name, part)
        parsed = messages.parse(part)
        block = getattr(parsed, "extensions", None)
        if block is not None:
            writer = Writer()
            block.serialize(writer)
            write("extensions", name, bytes([_BLOCKS.index(type(block))]) + bytes(writer.buffer))
    for name in ("keyupdate", "newsessionticket"):
        write("post_handshake", f"{name}-to-client", b"\0" + seen[name])
        write("post_handshake", f"{name}-to-server", b"\1" + seen[name])
    for kind in ("ecdsa-p256", "rsa-2048", "ed25519"):
        write("certificate", kind, credential(kind, NAME).certificate_chain[0])
    for index, server in enumerate(ticket_configs(AnySeal)):
        # Binding and clock of the state are made right (4 and 8): other certificates, other times.
        write_sessions(f"authentication-{server.client_authentication.value}", index + 12, index)
    configs = tls12_configs()
    half = len(configs) // 2
    for number, (ours, theirs) in enumerate(zip(configs[:half], configs[half:], strict=True)):
        assert isinstance(ours, ClientConfig)
        assert isinstance(theirs, ServerConfig)
        sent, received = handshake(ours, theirs)
        write("tls12_lenient", f"to-client-{number}", bytes((number,)) + b"".join(received))
        write("tls12_lenient", f"to-server-{number}", bytes((number + half,)) + b"".join(sent))
    write("records", "mixed", b"\x05ping\x17\x06\x18\0\0\1\0\x16\x03\1\0\x15\x03\0\0\x17")
    write("records", "padded", b"\x09data\x17\0\0\0\0\x01\0")


def write_sessions(name: str, flags: int, index: int) -> None:
    """A session of a server that asks for a certificate in the `index`th manner, on either end, and its ticket."""
    link = Link(client_configs()[index != 0], ticket_configs(TicketKeys)[index]).connect()
    kept = link.client.tickets[-1]
    write("session", name, kept.to_bytes())
    write("ticket", name, kept.ticket)
    store = ticket_configs(TicketKeys)[index].ticket_store
    state = None if store is None else store.redeem(kept.ticket)
    if state is None:
        raise AssertionError("a ticket that its own keys do not open")
    write("ticket_lenient", name, bytes([flags]) + state)


def _record(part: bytes) -> bytes:
    return b"\x16\x03\x03" + len(part).to_bytes(2, "big") + part


if __name__ == "__main__":
    main()
