"""The words of the command line, without a connection: events, chains, errors."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tests.cli.test_demo import told
from tlsocket import events
from tlsocket.cli import demo, root
from tlsocket.cli.chain import chain_lines, owner
from tlsocket.cli.narration import Narrator
from tlsocket.cli.output import describe_error
from tlsocket.config import Role
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import CertificateReason, CertificateRejected, InvalidMessage, PeerMisbehaved, Reason
from tlsocket.pki.authority import Authority
from tlsocket.registry import AlertDescription, NamedGroup

SUITE = TLS13_SUITES[0x1301]


def tell(side: Role, *reported: events.Event) -> list[tuple[int, str, str]]:
    out = io.StringIO()
    listener = Narrator(Console(file=out, width=200, markup=False, highlight=False)).listener(side)
    for event in reported:
        listener(event)
    return told(out.getvalue())


@pytest.mark.parametrize(("side", "step"), [(Role.SERVER, 2), (Role.CLIENT, 1)])
def test_a_retry_is_told(side: Role, step: int) -> None:
    kind = events.HelloRetryRequestSent if side is Role.SERVER else events.HelloRetryRequestReceived
    ((told_step, _, text),) = tell(side, kind(SUITE, NamedGroup.SECP256R1, False))
    assert told_step == step
    assert "secp256r1" in text
    ((_, _, text),) = tell(side, kind(SUITE, None, True))
    assert "the same group" in text


def test_a_declined_request_is_told_by_both_sides() -> None:
    assert tell(Role.CLIENT, events.CertificateSent(()))[0][0] == 4
    ((step, _, text),) = tell(Role.SERVER, events.CertificateReceived(()))
    assert step == 7
    assert "no certificate" in text


def test_certificates_above_the_first_are_counted() -> None:
    chain = Authority.create("one").create_intermediate("two").issue("localhost").chain
    assert tell(Role.SERVER, events.CertificateSent(chain))[0][2].endswith('"CN=localhost" and 1 above it')


def test_authorities_named_in_a_request_are_counted() -> None:
    ((_, _, text),) = tell(Role.SERVER, events.CertificateRequested(True, (b"a", b"b")))
    assert "of one of 2 authorities" in text


def test_the_application_protocol_is_told_without_control_characters() -> None:
    ((_, _, text),) = tell(Role.CLIENT, events.EncryptedExtensionsReceived(b"h2"))
    assert text.endswith("application protocol h2")


def test_tickets_are_told_where_they_come() -> None:
    assert tell(Role.CLIENT, events.TicketReceived(7200))[0][:2] == (8, "client")
    assert "sends 2 session tickets, good for 60 seconds" in tell(Role.SERVER, events.TicketsSent(2, 60))[0][2]
    assert "sends a session ticket, " in tell(Role.SERVER, events.TicketsSent(1, 60))[0][2]


def test_changes_of_keys_are_no_step() -> None:
    assert tell(Role.CLIENT, events.KeysUpdated(True)) == []


@pytest.mark.parametrize("resumed", [set(), {Role.CLIENT}], ids=["by nobody", "by one"])
def test_a_demonstration_that_does_not_resume_says_so_and_exits_1(
    resumed: set[Role], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(stage: demo.Stage, narrator: Narrator) -> demo.Outcome:
        narrator.resumed |= resumed
        return demo.Outcome(received={Role.SERVER: demo.GREETING, Role.CLIENT: demo.GREETING})

    monkeypatch.setattr(demo, "play", play)
    assert root.run(["demo", "--no-speed"]) == 1
    assert "The session was not resumed" in capsys.readouterr().out


def test_a_second_connection_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [demo.Outcome(received={Role.SERVER: demo.GREETING, Role.CLIENT: demo.GREETING})]
    outcomes.append(demo.Outcome({Role.SERVER: OSError("no luck")}))
    monkeypatch.setattr(demo, "play", lambda stage, narrator: outcomes.pop(0))
    assert root.run(["demo", "--no-speed"]) == 1
    assert "The server failed: no luck" in capsys.readouterr().out


def test_a_client_without_a_name_says_so() -> None:
    hello = events.ClientHelloSent(None, (0x0304,), (0x1301,), (0x001D,), (0x001D,), ())
    assert "asks for no name" in tell(Role.CLIENT, hello)[0][2]


@pytest.mark.parametrize(("side", "step"), [(Role.CLIENT, 6), (Role.SERVER, 7)])
def test_what_is_neither_certificate_nor_offer_is_told_where_its_side_refuses(side: Role, step: int) -> None:
    error = PeerMisbehaved(Reason.BAD_FINISHED)
    assert tell(side, events.AlertSent(AlertDescription.DECRYPT_ERROR, error))[0][0] == step


def test_bytes_that_are_no_certificate_are_called_that() -> None:
    assert owner(b"no certificate") == "a certificate that cannot be parsed"
    lines = list(chain_lines([b"no certificate"]))
    assert any("broken" in line for line in lines)
    assert "SHA-256" in lines[-1]


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        (FileNotFoundError(2, "No such file or directory", "x.pem"), "x.pem: No such file or directory", 3),
        (TimeoutError("timed out"), "timed out", 3),
        (
            InvalidMessage(Reason.TRUNCATED_MESSAGE, "ClientHello"),
            "a message ends before its fields do: ClientHello",
            1,
        ),
        (KeyError("slot"), "unexpected KeyError: 'slot' (--debug shows where)", 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_become_one_line_and_a_status(error: BaseException, words: str, status: int) -> None:
    assert describe_error(error) == (words, status)


def test_ctrl_c_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "play", interrupted)
    assert root.run(["demo", "--no-speed"]) == 130


def fake_play(outcome: demo.Outcome, errors: list[tuple[Role, BaseException]]) -> Any:
    def play(stage: demo.Stage, narrator: Narrator) -> demo.Outcome:
        narrator.errors.extend(errors)
        return outcome

    return play


def test_a_demonstration_that_fails_says_so_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "play", fake_play(demo.Outcome({Role.CLIENT: OSError("no luck")}), []))
    assert root.run(["demo", "--no-speed"]) == 1
    assert "The client failed: no luck" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error",
    [CertificateRejected(CertificateReason.EXPIRED), PeerMisbehaved(Reason.BAD_FINISHED), OSError("no luck")],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_for_another_reason_is_not_the_one_to_show(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    both: dict[Role, BaseException] = {Role.CLIENT: error, Role.SERVER: error}
    monkeypatch.setattr(demo, "play", fake_play(demo.Outcome(both), [(Role.CLIENT, error)]))
    assert root.run(["demo", "--no-speed", "--fail", "name"]) == 1
    assert "not the refusal that was to be shown" in capsys.readouterr().out
