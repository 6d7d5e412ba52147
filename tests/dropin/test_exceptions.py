"""From our errors to those of `ssl`: nothing is forgotten, and the texts are OpenSSL's."""

from __future__ import annotations

import errno
import re
import ssl
from typing import Any

import pytest

import tlsocket
from tlsocket import _record, errors
from tlsocket.dropin import exceptions
from tlsocket.errors import CertificateReason, Reason
from tlsocket.pki.errors import MissingFile, PkiError
from tlsocket.registry.alerts import AlertDescription

OTHER_EXCEPTIONS = {Reason.HANDSHAKE_NOT_DONE, Reason.HANDSHAKE_TIMED_OUT}
"""A ValueError, as in `ssl`, and a TimeoutError."""


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in OTHER_EXCEPTIONS])
def test_every_reason_becomes_an_ssl_error(reason: Reason) -> None:
    error = exceptions.translate(errors.PeerMisbehaved(reason, "particulars"))
    assert isinstance(error, ssl.SSLError)
    assert error.library == "SSL"
    assert re.fullmatch(r"[A-Z0-9_]+", error.reason)
    assert str(error).startswith(f"[SSL: {error.reason}] {error.reason.lower().replace('_', ' ')}")
    assert "particulars" in str(error)
    assert error.errno == ssl.SSL_ERROR_SSL


@pytest.mark.parametrize("description", sorted({*AlertDescription, 200}))
def test_every_alert_becomes_an_ssl_error(description: int) -> None:
    error = exceptions.translate(errors.AlertReceived(2, description))
    assert isinstance(error, ssl.SSLError)
    known = description != 200 and description not in (0, 117, 121)
    assert ("ALERT_NUMBER" in error.reason) == (not known)


@pytest.mark.parametrize("reason", list(CertificateReason))
def test_every_certificate_reason_has_a_number(reason: CertificateReason) -> None:
    rejected = errors.CertificateRejected(reason, "particulars", depth=1, subject="CN=x", hint="do this")
    error = exceptions.translate(rejected, "example.test")
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert isinstance(error, tlsocket.CertificateError)
    assert error.verify_code > 0
    assert f"certificate verify failed: {error.verify_message}" in str(error)
    for words in ("particulars", "do this", "CN=x"):
        assert words in str(error)


def test_other_exceptions_pass_as_they_are() -> None:
    for error in (KeyboardInterrupt(), ZeroDivisionError(), OSError(errno.EPIPE, "x")):
        assert exceptions.translate(error) is error


def test_misuse_before_the_handshake_is_a_value_error() -> None:
    error = exceptions.translate(errors.ApiMisuse(Reason.HANDSHAKE_NOT_DONE))
    assert isinstance(error, ValueError)
    assert str(error) == "handshake not done yet"


@pytest.mark.parametrize(
    ("outcome", "error", "text"),
    [
        (_record.WANT_READ, ssl.SSLWantReadError, "did not complete"),
        (_record.WANT_WRITE, ssl.SSLWantWriteError, "did not complete"),
        (_record.TIMED_OUT, TimeoutError, "The read operation timed out"),
        (_record.TRUNCATED, ssl.SSLEOFError, "EOF occurred in violation of protocol"),
        (_record.SYSTEM_ERROR, ConnectionResetError, "reset"),
        (_record.BAD_LENGTH, ssl.SSLError, "BAD_LENGTH"),
        (_record.CLOSED, ssl.SSLError, "PROTOCOL_IS_SHUTDOWN"),
        (_record.STOPPED, ssl.SSLError, "INTERNAL_ERROR"),
    ],
)
def test_outcomes_of_the_record_layer_become_exceptions(outcome: int, error: type[BaseException], text: str) -> None:
    with pytest.raises(error, match=text):
        exceptions.raise_outcome(outcome, errno.ECONNRESET, "read")


def test_load_errors_keep_file_and_number() -> None:
    missing = MissingFile("x.pem", FileNotFoundError(errno.ENOENT, "No such file"), "look again")
    assert exceptions.translate_load_error(missing) is missing
    other = exceptions.translate_load_error(PkiError("a problem", "a remedy"))
    assert isinstance(other, ssl.SSLError)
    assert "a problem; a remedy" in str(other)


def test_an_application_refusal_keeps_its_alert() -> None:
    for number in AlertDescription:
        assert errors.alert_for(errors.ApplicationRefusal(number)) is number
    unknown: Any = errors.alert_for(errors.ApplicationRefusal(200))
    assert unknown is AlertDescription.HANDSHAKE_FAILURE
