"""No secret shows: not in the repr or str of anything that a connection leads to, nor in errors, events and logs.

The key log tells which bytes are secret; private keys of the credentials, shared secrets and derived keys are added.
Everything reachable from the connections is then asked for its `repr`. What is reachable is found by following
references, not by knowing the classes, so that a class added later is covered.
"""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from tests.handshake.support import Link, Verifier, client_config, credential, server_config
from tlsocket.config import ClientAuthentication, DecisionKind
from tlsocket.connection import Connection
from tlsocket.crypto import groups
from tlsocket.errors import CertificateReason, TLSError
from tlsocket.key_schedule import secrets
from tlsocket.registry import ContentType

OPAQUE = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, type)
"""Not followed: they lead to the whole program."""
RAW = (bytes, bytearray, memoryview, str, int, float, type(None))
"""A secret must be stored as something; what counts is that no object of ours shows it."""


def reachable(roots: Iterable[Any]) -> Iterator[Any]:
    """Every object that these lead to, but for raw bytes and numbers."""
    seen: dict[int, Any] = {}
    waiting = list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, OPAQUE + RAW):
            continue
        seen[id(item)] = item
        assert len(seen) < 20_000, "this leads to everything"
        waiting += gc.get_referents(item)
        for name in slots(item):
            waiting.append(getattr(item, name, None))
        yield item


def slots(item: Any) -> Iterator[str]:
    for cls in type(item).__mro__:
        names = cls.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            yield f"_{cls.__name__.lstrip('_')}{name}" if name.startswith("__") and not name.endswith("__") else name


class Watch:
    """What must not show."""

    def __init__(self) -> None:
        self.secrets: set[bytes] = set()

    def key_log(self, line: str) -> None:
        self.secrets.add(bytes.fromhex(line.split()[2]))

    def spellings(self) -> list[str]:
        assert len(self.secrets) > 5
        found = []
        for secret in self.secrets:
            # Eight bytes are more than chance gives, and find a secret that is cut short.
            start = secret[:8]
            found += [start.hex(), start.hex().upper(), repr(start)[2:-1], str(list(start))[1:-1], start.hex(":")]
            # A quotation mark further on makes `repr` escape the apostrophes that it left alone in eight bytes.
            found.append(repr(start)[2:-1].replace("'", "\\'"))
            found.append(str(int.from_bytes(secret, "big")))
        return found

    def check(self, texts: Iterable[str]) -> None:
        text = "\n".join(texts)
        assert text
        shown = [spelling for spelling in self.spellings() if spelling in text]
        assert not shown


def texts_of(item: Any) -> Iterator[str]:
    # Containers show their items, which are asked themselves; of raw bytes a container of ours never holds secrets
    # unless its repr says so too.
    if type(item) in (dict, list, tuple, set, frozenset):
        return
    yield repr(item)
    yield str(item)
    if isinstance(item, BaseException):
        yield "".join(traceback.format_exception(item))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Collects, beside the key log, every shared secret and every key."""
    watched = Watch()
    key_and_iv = secrets.TrafficSecret.key_and_iv
    handshake_key_and_iv = secrets.HandshakeTrafficSecret.key_and_iv

    def collect(make: Any) -> Any:
        def wrapped(self: Any) -> tuple[bytes, bytes]:
            key, iv = made = make(self)
            watched.secrets.update((self.secret, key, iv))
            return made  # type: ignore[no-any-return]

        return wrapped

    monkeypatch.setattr(secrets.TrafficSecret, "key_and_iv", collect(key_and_iv))
    monkeypatch.setattr(secrets.HandshakeTrafficSecret, "key_and_iv", collect(handshake_key_and_iv))
    exchange = groups._x25519_exchange

    def exchanging(*arguments: Any) -> bytes:
        secret = exchange(*arguments)
        watched.secrets.add(secret)
        return secret

    monkeypatch.setattr(groups, "_x25519_exchange", exchanging)
    return watched


def mutual(watch: Watch, **changes: Any) -> Link:
    """Two ends with certificates and the key log, not yet started."""
    for name in ("server.example", "client"):
        key: Any = credential(host=name).signer
        watch.secrets.add(key._private.private_numbers().private_value.to_bytes(32, "big"))
    client = {"credentials": (credential(host="client"),), "key_log": watch.key_log, **changes}
    return Link(
        client_config(**client),
        server_config(client_authentication=ClientAuthentication.REQUIRED, key_log=watch.key_log),
    )


def everything(link: Link) -> list[Any]:
    return [link.client, link.server, link.client_events, link.server_events, link.client_error, link.server_error]


def check(watch: Watch, roots: Iterable[Any]) -> None:
    watch.check(text for item in reachable(roots) for text in texts_of(item))


def test_the_search_finds_what_is_shown(watch: Watch) -> None:
    link = mutual(watch).connect()

    class Careless:
        def __init__(self) -> None:
            self.deep = [{"secret": link.client._post}]

        def __repr__(self) -> str:
            return f"Careless({self.deep[0]['secret']._receive_secret.secret!r})"  # type: ignore[union-attr]

    with pytest.raises(AssertionError):
        check(watch, [[Careless()]])
    with pytest.raises(AssertionError):
        watch.check([f"key {min(watch.secrets).hex()}"])
    for tail in (b"", b"'", b'"', b"'\""):
        for start in (b"abcdefgh", b"abc'efgh", b'abc"efgh', b"abc'e\"gh"):
            quoted = Watch()
            quoted.secrets = {*watch.secrets, start + tail}
            with pytest.raises(AssertionError):
                quoted.check([repr(start + tail)])
    kinds = {type(item).__name__ for item in reachable(everything(link))}
    assert {"TrafficSecret", "ExporterSecret", "LocalSigner", "ClientConfig"} <= kinds


def test_an_established_connection(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    link = mutual(watch).connect()
    link.client.update_keys(request_peer=True)
    link.server.receive_data(link.client.data_to_send())
    link.client.receive_data(link.server.data_to_send())
    watch.secrets.add(link.client.export_keying_material(b"EXPORTER-test", None, 32))
    check(watch, everything(link))
    watch.check([caplog.text + "."])


@pytest.mark.parametrize("kind", list(DecisionKind))
def test_in_the_middle_of_a_handshake(watch: Watch, kind: DecisionKind) -> None:
    """Suspended, with the handshake's own objects alive."""
    link = mutual(watch, suspend_for=frozenset({kind})).run()
    assert link.client.suspended is not None
    handshake: Any = link.client._handshake
    check(watch, [*everything(link), handshake, handshake.shares, handshake.transcript])


def test_a_client_with_its_shares(watch: Watch) -> None:
    mutual(watch).connect()
    link = mutual(watch)
    link.client.start()
    handshake: Any = link.client._handshake
    share: Any = handshake.shares[handshake.config.groups[0]]
    watch.secrets.add(share.component._private.private_bytes_raw())
    watch.secrets.add(share._decapsulation_key.private_bytes_raw())
    check(watch, everything(link))


def failures() -> dict[str, Any]:
    def damaged(link: Link) -> TLSError:
        link.connect()
        link.client.write(b"data")
        data = bytearray(link.client.data_to_send())
        data[-1] ^= 1
        return failing(link.server, data)

    def wrong_message(link: Link) -> TLSError:
        link.connect()
        link.client.writer.queue(ContentType.HANDSHAKE, b"\x14\0\0\x20" + bytes(32))
        return failing(link.server, link.client.data_to_send())

    def damaged_flight(link: Link) -> TLSError:
        link.client.start()
        link.server.receive_data(link.client.data_to_send())
        data = bytearray(link.server.data_to_send())
        data[-1] ^= 1
        return failing(link.client, data)

    return {"damaged": damaged, "wrong message": wrong_message, "damaged flight": damaged_flight}


def failing(connection: Connection, data: bytes | bytearray) -> TLSError:
    with pytest.raises(TLSError) as caught:
        connection.receive_data(data)
    return caught.value


@pytest.mark.parametrize("name", list(failures()))
def test_errors_and_what_they_lead_to(watch: Watch, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    mutual(watch).connect()
    link = mutual(watch)
    error = failures()[name](link)
    watch.check([repr(error), str(error), "".join(traceback.format_exception(error)), repr(error.__dict__)])
    error.__traceback__ = None
    check(watch, [*everything(link), error, error.__cause__, error.__context__])
    watch.check([caplog.text + "."])


def test_a_refused_certificate(watch: Watch) -> None:
    mutual(watch).connect()
    link = mutual(watch, verifier=Verifier(CertificateReason.EXPIRED)).run()
    for error in (link.client_error, link.server_error):
        assert isinstance(error, TLSError)
        error.__traceback__ = None
    check(watch, everything(link))
