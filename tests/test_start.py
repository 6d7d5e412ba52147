"""What the import, a client's first handshake and the command load; and that loading late is loading well.

Each program runs in a process of its own. Nothing is timed here: see `tlsocket.bench.start`.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlsocket.pki.authority import Authority

IMPORT = {"tlsocket", "tlsocket._version", "__future__", "importlib", "warnings"}
"""All that `import tlsocket` may load beyond what the interpreter has loaded itself (`importlib` in several parts)."""

BASIS = """
import ssl, dataclasses, hmac, socket, encodings.idna
import cryptography.x509, cryptography.hazmat.primitives.ciphers.aead
"""
"""What a client cannot do without: the exceptions of `ssl`, values, certificates, ciphers, a name to connect to."""

BESIDE_THE_BASIS = {
    "_weakrefset",  # of threading
    "contextlib",  # since Python 3.13 nothing of the basis loads it
    "importlib",
    "threading",
}
CRYPTOGRAPHY = (
    "cryptography.hazmat.backends",  # ECDSA loads it
    "cryptography.hazmat.bindings",
    "cryptography.hazmat.primitives.asymmetric",
)
UNUSED = (
    "tlsocket.__main__",
    "tlsocket.aio",
    "tlsocket.bench",
    "tlsocket.cli",
    "tlsocket.dropin.ciphers",
    "tlsocket.dropin.debugging",
    "tlsocket.dropin.installation",
    "tlsocket.dropin.openssl_version",
    "tlsocket.dropin.private",
    "tlsocket.dropin.watching",
    "tlsocket.handshake.authentication_tls12",
    "tlsocket.handshake.client_tls12",
    "tlsocket.handshake.late_authentication",
    "tlsocket.handshake.machine_tls12",
    "tlsocket.handshake.negotiation_tls12",
    "tlsocket.handshake.observed",
    "tlsocket.handshake.resumption_tls12",
    "tlsocket.handshake.server_tls12",
    "tlsocket.key_schedule.tls12",
    "tlsocket.messages.tls12",
    "tlsocket.pki.alternative_names",
    "tlsocket.pki.authority",
    "tlsocket.pki.description",
    "tlsocket.pki.formats",
    "tlsocket.pki.issuers",
    "tlsocket.pki.names.attributes",
    "tlsocket.pki.names.distinguished_name",
    "tlsocket.pki.names.parsing",
    "tlsocket.pki.names.printing",
    "tlsocket.pki.ocsp",
    "tlsocket.pki.requests",
    "tlsocket.pki.stores.composition",
    "tlsocket.pki.stores.credentials",
    "tlsocket.pki.stores.distrust",
    "tlsocket.pki.stores.entry",
    "tlsocket.pki.stores.find",
    "tlsocket.pki.stores.folder",
    "tlsocket.pki.stores.layers",
    "tlsocket.pki.stores.memory",
    "tlsocket.pki.stores.pkcs12_file",
    "tlsocket.pki.stores.platform",
    "tlsocket.pki.stores.store",
    "tlsocket.pki.stores.transactions",
    "tlsocket.pki.trust.diagnosis",
    "tlsocket.pki.trust.policies",
    "tlsocket.pki.trust.review",
)
"""What a client of TLS 1.3 with a file of authorities has no use for, each with all that is below it."""

CLIENT = """
context = tls.create_default_context(cafile={root!r})
with socket.create_connection(("127.0.0.1", {port}), timeout=30) as sock:
    with context.wrap_socket(sock, server_hostname="localhost") as connection:
        assert connection.version() == "TLSv1.3"
        assert connection.recv(5) == b"hello"
"""
PRINT = "\nimport sys\nprint(*sorted(sys.modules))"


def run(program: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(program: str) -> set[str]:
    return set(run(program + PRINT).split("\n")[-2].split())


def below(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """The standard library's, which says hello to each client; its port and the file of its authority."""
    folder = tmp_path_factory.mktemp("start")
    authority = Authority.create("start")
    authority.write(folder / "root.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost").write(folder))

    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                sock.settimeout(30)
                with sock, context.wrap_socket(sock, server_side=True) as connection:
                    connection.sendall(b"hello")
                    connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield {"root": str(folder / "root.pem"), "port": listener.getsockname()[1]}
        # A thread in accept does not notice that its listener is closed.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=30)


def test_the_import_loads_the_package_and_its_version_only() -> None:
    more = loaded("import tlsocket") - loaded("")
    assert {name for name in more if name.partition(".")[0] != "importlib"} <= IMPORT
    assert {name for name in more if name.startswith("tlsocket")} == {"tlsocket", "tlsocket._version"}


def test_a_first_handshake_loads_no_more_than_it_uses(server: dict[str, object]) -> None:
    basis = loaded(BASIS)
    more = loaded("import socket, tlsocket as tls" + CLIENT.format(**server)) - basis
    assert "tlsocket.handshake.client_tls13" in more
    assert [name for name in sorted(more) if below(name, UNUSED)] == []
    assert "cryptography.hazmat.primitives.serialization" not in more
    others = {name for name in more if not below(name, ("tlsocket", "importlib", *CRYPTOGRAPHY))}
    # The record layer's own helper modules are named after the version of Cython.
    assert {name for name in others if not name.startswith(("_cython", "cython_runtime"))} <= BESIDE_THE_BASIS


@pytest.mark.parametrize("heavy", ["asyncio", "json", "logging", "pathlib", "sqlite3"])
def test_what_is_heavy_is_not_loaded(heavy: str, server: dict[str, object]) -> None:
    """By name, for whoever reads a failure; where a newer `ssl` or `cryptography` loads it anyway nothing is asked."""
    client = loaded("import socket, tlsocket as tls" + CLIENT.format(**server))
    assert heavy not in client - loaded(BASIS)


def test_what_is_not_used_exists() -> None:
    """A module that is renamed must not fall off the list."""
    source = Path(__file__).resolve().parents[1] / "src"
    for name in UNUSED:
        path = source.joinpath(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").exists(), name


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_the_command_tells_of_itself_without_tls(option: str) -> None:
    program = f"from tlsocket.cli.__main__ import main\nassert main([{option!r}]) == 0"
    more = loaded(program) - loaded("import click")
    assert {name for name in more if name.startswith("tlsocket")} <= {
        "tlsocket",
        "tlsocket._version",
        "tlsocket.cli",
        "tlsocket.cli.__main__",
        "tlsocket.cli.output",
        "tlsocket.cli.root",
    }
    assert [name for name in more if below(name, ("ssl", "_ssl", "cryptography", "rich"))] == []


def test_threads_may_meet_in_the_first_use(server: dict[str, object]) -> None:
    program = """
import socket, threading
import tlsocket as tls
gate, done = threading.Barrier(6), []
def client():
    gate.wait(timeout=30)
{client}
    done.append(True)
threads = [threading.Thread(target=client) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(timeout=50)
print(len(done))
"""
    indented = "".join(f"    {line}\n" for line in CLIENT.format(**server).splitlines())
    assert run(program.format(client=indented)) == "6\n"


@pytest.mark.parametrize("before", ["", "tls.SSLContext", "tls.create_default_context()"], ids=str)
def test_a_forked_child_may_be_the_first_to_use_it(before: str, server: dict[str, object]) -> None:
    program = f"""
import os, socket
import tlsocket as tls
{before}
child = os.fork()
if child == 0:
    try:
{{client}}
        os._exit(0)
    finally:
        os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    indented = "".join(f"        {line}\n" for line in CLIENT.format(**server).splitlines())
    assert run(program.format(client=indented)) == "0\n"


def test_all_names_come_with_a_star_in_dir_and_in_help() -> None:
    program = """
import tlsocket
assert set(tlsocket.__all__) <= set(dir(tlsocket))
from tlsocket import *
assert all(name in globals() for name in tlsocket.__all__)
assert SSLContext is tlsocket.SSLContext
import pydoc
assert "create_default_context" in pydoc.render_doc(tlsocket, renderer=pydoc.plaintext)
import typing
assert typing.get_type_hints(tlsocket.create_connection) is not None
import tlsocket.pki.names
assert tlsocket.pki.names.DistinguishedName.__name__ in tlsocket.pki.names.__all__
"""
    assert run(program) == ""


def test_installing_binds_names_that_nobody_has_asked_for_yet() -> None:
    program = """
import socket
import ssl
from ssl import SSLContext, create_default_context
import tlsocket
tlsocket.install()
assert SSLContext is tlsocket.SSLContext
assert create_default_context is tlsocket.create_default_context
import socket
import ssl
assert ssl is tlsocket
tlsocket.uninstall()
assert SSLContext is not tlsocket.SSLContext
"""
    assert run(program) == ""
