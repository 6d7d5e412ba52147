"""Other languages' own stacks, both roles: Go's crypto/tls (with the hybrids), Node's, and Java's JSSE.

Their programs are in `peers/`: Go's is built once per session, Java's started from its source, standard libraries only.
Each exchange is a megabyte out and back, with new keys asked for on the way and an orderly end from both sides.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tlsocket
from tests.interop.cells import KEYS
from tests.interop.face import Face, Listener
from tests.interop.materials import CLIENT, NAME, Materials
from tests.interop.programs import LOOPBACK, Program, dial

Find = Callable[[str], str]

FOLDER = Path(__file__).resolve().parent / "peers"
COUNT = 1_000_000
LONG_WAIT = 60.0
"""A Java program compiles itself before it says anything, on a machine that may do other things too."""

CLASSICAL = {
    "x25519": ("29", "X25519"),
    "secp256r1": ("23", "P-256"),
    "secp384r1": ("24", "P-384"),
    "secp521r1": ("25", "P-521"),
}
HYBRID = {"X25519MLKEM768": ("4588", ""), "SecP256r1MLKEM768": ("4587", ""), "SecP384r1MLKEM1024": ("4589", "")}
NAMES = {**CLASSICAL, **HYBRID, "x448": ("", "X448")}
"""Our name of a group to Go's and Node's; Java's is ours."""
GROUPS = {"go": (*CLASSICAL, *HYBRID), "node": (*CLASSICAL, "x448"), "java": (*CLASSICAL, "x448")}


@dataclass(frozen=True)
class Language:
    """How a peer is started."""

    name: str
    command: tuple[str, ...]

    def start(self, role: str, materials: Materials, **options: str) -> Program:
        if "groups" in options:
            go, node = NAMES[options["groups"]]
            options["groups"] = {"go": go, "node": node, "java": options["groups"]}[self.name]
        arguments = [*self.command, role, "-authority", materials.authority]
        for option, value in options.items():
            # Go's flag package takes a boolean only with an equals sign.
            arguments += [f"-{option}={value}"] if self.name == "go" else [f"-{option}", value]
        return Program(arguments)


@pytest.fixture(scope="session")
def go_program(peer: Find, tmp_path_factory: pytest.TempPathFactory) -> str:
    go = peer("go")
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": "-mod=mod"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [go, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # A program without a module gets the settings of an old Go, which knows no hybrids.
    version = run("env", "GOVERSION").strip().removeprefix("go").rpartition(".")[0]
    (folder / "go.mod").write_text(f"module peer\n\ngo {version}\n", encoding="utf-8")
    shutil.copy(FOLDER / "peer.go", folder)
    run("build", "-o", "peer", ".")
    return str(folder / "peer")


@pytest.fixture
def language(request: pytest.FixtureRequest, peer: Find) -> Language:
    name: str = request.param
    if name == "go":
        return Language(name, (request.getfixturevalue("go_program"),))
    source = FOLDER / {"node": "peer.js", "java": "Peer.java"}[name]
    return Language(name, (peer(name), str(source)))


def wait_for_port(program: Program) -> int:
    program.wait_for(rb"port \d+\n", timeout=LONG_WAIT)
    return int(bytes(program.output).split()[1])


def facts(program: Program) -> dict[str, Any]:
    """The line of JSON."""
    program.wait_for(rb"\{.*\}\n", timeout=LONG_WAIT)
    line = next(line for line in bytes(program.output).splitlines() if line.startswith(b"{"))
    found: dict[str, Any] = json.loads(line)
    return found


def exchange(sock: Any) -> None:
    """A megabyte out and back, with new keys half-way, and both ends closed in order."""
    pattern = b"tlsocket" * (COUNT // 8)

    def send() -> None:
        sock.sendall(pattern[: COUNT // 2])
        if hasattr(sock, "update_keys"):
            sock.update_keys(request_peer=True)
        sock.sendall(pattern[COUNT // 2 :])
        sock.shutdown(1)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    got = bytearray()
    while piece := sock.recv(1 << 17):
        got += piece
    sender.join(LONG_WAIT)
    assert not sender.is_alive()
    assert got == pattern


def echo(sock: Any) -> dict[str, Any]:
    """The server's half; what our side knows of the connection."""
    while piece := sock.recv(1 << 17):
        sock.sendall(piece)
    sock.shutdown(1)
    certificate = sock.getpeercert()
    subject = dict(pair[0] for pair in certificate["subject"]) if certificate else {}
    return {"group": sock.group(), "alpn": sock.selected_alpn_protocol(), "peer": subject.get("commonName", "")}


def cells() -> list[Any]:
    """Every group of every peer; Java's middle ones in the long run only, since it starts so slowly."""
    found = []
    for name, groups in GROUPS.items():
        for group in groups:
            late = name == "java" and group in ("secp384r1", "secp521r1")
            found.append(pytest.param(name, group, marks=pytest.mark.long if late else (), id=f"{name}-{group}"))
    return found


UNKNOWN_KEYS: dict[tuple[str, str], str] = {
    ("go", "rsa-pss-2048"): "Go's crypto/tls takes no certificate with an id-RSASSA-PSS key",
}
"""What a peer cannot load or verify, as it says itself."""


def keys() -> list[Any]:
    """Every key of every peer that takes it; Java's first and last in the short run."""
    found = []
    for name in GROUPS:
        for key in KEYS:
            if (name, key) not in UNKNOWN_KEYS:
                late = name == "java" and key not in (KEYS[0], KEYS[-1])
                found.append(pytest.param(name, key, marks=pytest.mark.long if late else (), id=f"{name}-{key}"))
    return found


@pytest.fixture(autouse=True)
def _only_ours(face: Face) -> None:
    if face.module is not tlsocket:
        pytest.skip("these tests use what `ssl` does not have")


every_language = pytest.mark.parametrize("language", GROUPS, indirect=True)


@pytest.mark.parametrize(("language", "group"), cells(), indirect=["language"])
def test_group_of_their_server(face: Face, materials: Materials, language: Language, group: str) -> None:
    files = materials.servers["ecdsa-p256"]
    with language.start("serve", materials, cert=files.certificate, key=files.key, groups=group) as program:
        port = wait_for_port(program)
        with face.connect(face.client_context(materials), port, program, timeout=LONG_WAIT) as sock:
            assert sock.group() == group  # type: ignore[attr-defined]
            exchange(sock)
        said = facts(program)
    assert said["version"] == 0x0304
    if language.name == "go":
        assert said["group"] == int(NAMES[group][0])


@pytest.mark.parametrize(("language", "group"), cells(), indirect=["language"])
def test_group_of_our_server(face: Face, materials: Materials, language: Language, group: str) -> None:
    context: Any = face.server_context(materials.servers["ecdsa-p256"])
    context.set_groups(group)
    with Listener(context, echo, timeout=LONG_WAIT) as listener:
        # The others are offered too, so that a group without a share costs a HelloRetryRequest where they have it.
        options = {} if language.name == "go" else {"groups": group}
        with language.start("connect", materials, address=f"{LOOPBACK}:{listener.port}", **options) as program:
            assert program.finish(timeout=LONG_WAIT) == 0, program.describe()
            said = facts(program)
        assert listener.result()["group"] == group
    if language.name == "go":
        assert said["group"] == int(NAMES[group][0])
        # Go sends shares for X25519MLKEM768 and X25519.
        assert said["retried"] == (group not in ("X25519MLKEM768", "x25519"))


@pytest.mark.parametrize(("language", "key"), keys(), indirect=["language"])
def test_their_certificate(face: Face, materials: Materials, language: Language, key: str) -> None:
    files = materials.servers[key]
    with language.start("serve", materials, cert=files.certificate, key=files.key, alpn="h2,echo") as program:
        context = face.client_context(materials, alpn=["echo"])
        with face.connect(context, wait_for_port(program), program, timeout=LONG_WAIT) as sock:
            assert sock.selected_alpn_protocol() == "echo"
            exchange(sock)


@pytest.mark.parametrize(("language", "key"), keys(), indirect=["language"])
def test_our_certificate(face: Face, materials: Materials, language: Language, key: str) -> None:
    context = face.server_context(materials.servers[key], alpn=["echo"])
    with Listener(context, echo, timeout=LONG_WAIT) as listener:
        address = f"{LOOPBACK}:{listener.port}"
        with language.start("connect", materials, address=address, alpn="echo") as program:
            assert program.finish(timeout=LONG_WAIT) == 0, program.describe()
            said = facts(program)
        assert listener.result()["alpn"] == said["alpn"] == "echo"
    assert said["peer"] == NAME


@every_language
def test_our_client_certificate(face: Face, materials: Materials, language: Language) -> None:
    files = materials.servers["ecdsa-p256"]
    with language.start("serve", materials, cert=files.certificate, key=files.key, require="true") as program:
        context = face.client_context(materials, credential=materials.clients["ecdsa-p256"])
        with face.connect(context, wait_for_port(program), program, timeout=LONG_WAIT) as sock:
            exchange(sock)
        assert facts(program)["peer"] == CLIENT


@every_language
def test_their_client_certificate(face: Face, materials: Materials, language: Language) -> None:
    """Chosen by the authorities that we name."""
    files = materials.clients["ecdsa-p256"]
    context = face.server_context(materials.servers["ecdsa-p256"], clients=materials.authority, require=True)
    with Listener(context, echo, timeout=LONG_WAIT) as listener:
        address = f"{LOOPBACK}:{listener.port}"
        with language.start("connect", materials, address=address, cert=files.certificate, key=files.key) as program:
            assert program.finish(timeout=LONG_WAIT) == 0, program.describe()
        assert listener.result()["peer"] == CLIENT


@every_language
def test_no_client_certificate_where_one_is_required(face: Face, materials: Materials, language: Language) -> None:
    files = materials.servers["ecdsa-p256"]
    with language.start("serve", materials, cert=files.certificate, key=files.key, require="true") as program:
        sock = face.connect(face.client_context(materials), wait_for_port(program), program, timeout=LONG_WAIT)
        with sock, pytest.raises((tlsocket.SSLError, ConnectionError)):
            sock.recv(1)
            raise AssertionError("the server let us in")


@every_language
def test_small_records(face: Face, materials: Materials, language: Language) -> None:
    """max_fragment_length, or that it is ignored; the records get through either way."""
    files = materials.servers["ecdsa-p256"]
    with language.start("serve", materials, cert=files.certificate, key=files.key) as program:
        context: Any = face.client_context(materials)
        context.max_fragment_length, context.record_size_limit = 512, 1024
        with face.connect(context, wait_for_port(program), program, timeout=LONG_WAIT) as sock:
            exchange(sock)


def test_go_resumes_in_tls12(face: Face, materials: Materials, go_program: str) -> None:
    """With our tickets (RFC 5077)."""
    context = face.server_context(materials.servers["ecdsa-p256"], tls12=True)
    reused: list[bool] = []

    def handle(sock: Any) -> None:
        reused.append(sock.session_reused)
        echo(sock)

    with Listener(context, handle, timeout=LONG_WAIT, connections=3) as listener:
        options = {"address": f"{LOOPBACK}:{listener.port}", "tls12": "true", "connections": "3", "count": "8000"}
        with Language("go", (go_program,)).start("connect", materials, **options) as program:
            assert program.finish(timeout=LONG_WAIT) == 0, program.describe()
            lines = [json.loads(line) for line in bytes(program.output).splitlines()]
        listener.results()
    assert reused == [line["resumed"] for line in lines] == [False, True, True]
    assert {line["version"] for line in lines} == {0x0303}


def test_a_server_of_go_resumes_in_tls12(face: Face, materials: Materials, go_program: str) -> None:
    files = materials.servers["ecdsa-p256"]
    options = {"cert": files.certificate, "key": files.key, "tls12": "true"}
    with Language("go", (go_program,)).start("serve", materials, **options) as program:
        port, session = wait_for_port(program), None
        context = face.client_context(materials, tls12=True)
        for turn in range(3):
            raw = dial(port, program, timeout=LONG_WAIT)
            with context.wrap_socket(raw, server_hostname=NAME, session=session) as sock:
                sock.sendall(b"word")
                assert sock.recv(4) == b"word"
                assert sock.session_reused is (turn > 0)
                session = sock.session


def test_a_port_is_dialled_by_hand(face: Face, materials: Materials, go_program: str) -> None:
    """A client that lists the hybrid and sends a share for X25519 only is asked for the hybrid by Go, as by us."""
    files = materials.servers["ecdsa-p256"]
    language = Language("go", (go_program,))
    with language.start("serve", materials, cert=files.certificate, key=files.key) as program:
        context: Any = face.client_context(materials)
        context.set_groups("X25519MLKEM768:*X25519")
        raw = dial(wait_for_port(program), program, timeout=LONG_WAIT)
        with context.wrap_socket(raw, server_hostname=NAME) as sock:
            assert sock.group() == "X25519MLKEM768"
            exchange(sock)
        assert facts(program)["retried"] is True
