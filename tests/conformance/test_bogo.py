"""The shim, its fork server and the rules, without the suite; and a sample of the suite where its runner is at hand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conformance.bogo import flags, relay, scope
from tests.conformance.bogo.__main__ import fork_server
from tests.conformance.bogo.report import Report
from tests.handshake.support import client_config, credential, server_config
from tlsocket.connection import Connection
from tlsocket.errors import Reason
from tlsocket.handshake.tickets import TicketKeys
from tlsocket.pki.keys import private_key_pem

FOLDER = Path(__file__).parent / "bogo"
SAMPLE = "Basic-*;WrongMessageType-*;TrailingMessageData-*;CurveTest-*;ALPN*;KeyUpdate*;Shutdown-*;ClientAuth-*"
WAIT = 20.0


def rules() -> Sequence[scope.Rule]:
    return scope.Scope.load().rules


def test_every_rule_has_a_reason_of_its_own_and_leaves_something_out() -> None:
    reasons = [rule.reason for rule in rules()]
    assert len(set(reasons)) == len(reasons)
    assert all(rule.names or rule.flags for rule in rules())


def test_flags_that_leave_tests_out_are_those_that_the_shim_does_not_know() -> None:
    """A rule with a flag that the shim has learnt is out of date, but for these."""
    deliberate = {"cipher", "no-ticket"}
    known = {flag for rule in rules() for flag in rule.flags if flags._arity(flag) is not None}
    assert known <= deliberate


def test_first_rule_that_fits_gives_the_reason() -> None:
    table = scope.Scope(
        [
            scope._rule({"reason": "by name", "kind": "design", "names": ["A-*"]}),
            scope._rule({"reason": "by flag", "kind": "later", "flags": ["dtls"]}),
        ]
    )
    by_name = table.left_out("A-1", ["-dtls"])
    by_flag = table.left_out("B-1", ["-on-resume-dtls"])
    assert by_name is not None
    assert by_name.reason == "by name"
    assert by_flag is not None
    assert by_flag.reason == "by flag"
    assert table.left_out("B-1", ["-server", "dtls"]) is None


def test_rule_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError):
        scope._rule({"reason": "?", "kind": "whim", "names": ["*"]})


def test_error_map_names_reasons_that_there_are() -> None:
    table = tomllib.loads((FOLDER / "errors.toml").read_text(encoding="utf-8"))["errors"]
    named = {name for names in table.values() for name in ([names] if isinstance(names, str) else names)}
    assert named <= set(Reason.__members__)


def test_configuration_escapes_what_a_pattern_would_read() -> None:
    rule = scope._rule({"reason": "why", "kind": "design", "names": ["*"]})
    disabled = scope.shim_config({"A[1]*": rule})["DisabledTests"]
    assert disabled == {r"A\[1]\*": "why"}


def test_flags_of_one_connection_and_of_all() -> None:
    initial, resume = flags.parse(
        ["-server", "-port", "4711", "-on-resume-select-alpn", "h2", "-curves", "29", "-curves", "23", "-async"]
    )
    assert initial.server
    assert resume.port == 4711
    assert initial.curves == [29, 23]
    assert (initial.select_alpn, resume.select_alpn) == (b"", b"h2")
    assert resume.use_async


def test_credential_flags_belong_to_the_credential_before_them() -> None:
    added = ["-new-x509-credential", "-cert-file", "a", "-signing-prefs", "1027", "-new-x509-credential"]
    settings, _ = flags.parse(["-cert-file", "old", *added, "-cert-file", "b"])
    assert settings.legacy.cert_file == "old"
    assert [files.cert_file for files in settings.credentials] == ["a", "b"]
    assert settings.credentials[0].signing_prefs == [1027]


@pytest.mark.parametrize("arguments", [["-no-such-flag"], ["-port"], ["-legacy"], ["-credentials", "x"]])
def test_unknown_flag_is_reported(arguments: list[str]) -> None:
    with pytest.raises(flags.UnknownFlag):
        flags.parse(arguments)


def test_report_counts_what_the_shim_could_not_do_as_failed() -> None:
    rule = scope._rule({"reason": "why", "kind": "later", "names": ["C"]})
    report = Report("v", ["A", "B", "C", "D"], {"C": rule}, {"A": "PASS", "B": "SKIP", "D": "FAIL"}, {"D": "said"})
    assert not report.clean
    assert "1 passed, 2 failed" in report.summary()
    assert "| in scope | 3 |" in report.page()
    assert "| why | 1 |" in report.page()
    assert Report("v", ["A"], {}, {"A": "PASS"}, {}).clean


# The shim, played against this library


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The relay and the environment that leads it to a fork server."""
    folder = tmp_path_factory.mktemp("bogo")
    program = relay.build(folder)
    with fork_server(folder) as environment:
        yield program, environment


def peer(listener: socket.socket, conn: Connection) -> bytes:
    """Be the runner: shake hands, send "ping", and return what comes back."""
    sock, _ = listener.accept()
    with sock:
        sock.settimeout(WAIT)
        assert sock.recv(8, socket.MSG_WAITALL) == (7).to_bytes(8, "little")
        conn.start()
        written = False
        while True:
            if conn.handshake_complete and not written:
                written = True
                conn.write(b"ping")
            data = conn.data_to_send()
            if data:
                sock.sendall(data)
            if conn.handshake_complete:
                echoed = conn.read()
                if echoed:
                    conn.close()
                    sock.sendall(conn.data_to_send())
                    return echoed
            received = sock.recv(65536)
            assert received, "the shim went away"
            conn.receive_data(received)


@pytest.mark.parametrize("way", [[], ["-async"]], ids=["descriptor", "stepwise"])
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
def test_shim_shakes_hands_and_echoes(
    relayed: tuple[Path, dict[str, str]], tmp_path: Path, way: list[str], server: bool
) -> None:
    program, environment = relayed
    arguments = ["-shim-id", "7", "-expect-no-hrr", *way]
    if server:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding

        leaf = x509.load_der_x509_certificate(credential().certificate_chain[0])
        (tmp_path / "cert").write_bytes(leaf.public_bytes(Encoding.PEM))
        (tmp_path / "key").write_bytes(private_key_pem(credential().signer._private))  # type: ignore[attr-defined]
        arguments += ["-server", "-cert-file", str(tmp_path / "cert"), "-key-file", str(tmp_path / "key")]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT)
        arguments += ["-port", str(listener.getsockname()[1])]
        shim = subprocess.Popen([program, *arguments], env=environment, stderr=subprocess.PIPE)
        try:
            # A client of the suite looks for a ticket.
            config = client_config() if server else server_config(ticket_store=TicketKeys(), send_tickets=1)
            conn = Connection(config, server_name="x" if server else None)
            assert peer(listener, conn) == bytes(255 - octet for octet in b"ping")
            assert shim.wait(WAIT) == 0, shim.stderr.read() if shim.stderr else b""
        finally:
            shim.kill()
            shim.communicate()


def test_shim_says_that_it_does_not_know_a_flag(relayed: tuple[Path, dict[str, str]]) -> None:
    program, environment = relayed
    done = subprocess.run([program, "-warp"], env=environment, capture_output=True, timeout=WAIT, check=False)
    assert done.returncode == flags.UNIMPLEMENTED


def test_shim_names_the_reason_of_a_failure(relayed: tuple[Path, dict[str, str]]) -> None:
    program, environment = relayed
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT)
        arguments = ["-shim-id", "7", "-port", str(listener.getsockname()[1])]
        shim = subprocess.Popen([program, *arguments], env=environment, stderr=subprocess.PIPE)
        sock, _ = listener.accept()
        with sock:
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            _, said = shim.communicate(timeout=WAIT)
    assert shim.returncode == 1
    assert b":HTTP_RESPONSE:" in said


@pytest.mark.long
@pytest.mark.timeout(600)
def test_sample_of_the_suite(tmp_path: Path) -> None:
    if not os.environ.get("TLSOCKET_BOGO_RUNNER") or not os.environ.get("TLSOCKET_BOGO_FOLDER"):
        pytest.skip("BoGo's runner is not here: see tests/conformance/bogo/README.md")
    command = [sys.executable, "-m", "tests.conformance.bogo", "--tests", SAMPLE, "--json", str(tmp_path / "results")]
    done = subprocess.run(command, cwd=FOLDER.parents[2], capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
