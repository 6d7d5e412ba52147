"""`tlsocket show`: whatever is in a file, or what a server presents, in words a person can read.

The words are `tlsocket.pki.description`'s, telling parts of a file apart is `tlsocket.pki.formats.inspection`'s.
Nothing is verified: that is `verify`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from tlsocket.cli.addresses import format_address, parse_address
from tlsocket.cli.common import emit_json, json_option, password_option
from tlsocket.cli.output import DONE, REFUSED, CommandError, common, examples
from tlsocket.cli.passwords import Passwords
from tlsocket.cli.words import certificate_json, now, plain, say, say_words
from tlsocket.pki.certificates import printable
from tlsocket.pki.description import (
    certificate_words,
    crl_values,
    crl_words,
    key_values,
    key_words,
    ocsp_values,
    ocsp_words,
    request_values,
    request_words,
)
from tlsocket.pki.files import DEFAULT_LIMIT, read_limited
from tlsocket.pki.formats.inspection import Finding, Kind, inspect

__all__ = ["show"]

CONNECT_SECONDS = 15.0


@click.command(
    epilog=examples(
        "tlsocket show server.pem",
        "tlsocket show localhost:8443 --json",
    )
)
@click.argument("what", metavar="FILE|HOST:PORT")
@password_option
@json_option
@common
def show(what: str, passwords: Passwords, as_json: bool) -> int:
    """Show any certificate, request, revocation list, PKCS #12 or key (its public part) in words.

    A file, - for standard input, or the certificates that a server presents. Nothing is verified here (`tlsocket
    verify`). Exit 1 when a part cannot be read.
    """
    findings = _findings(what, passwords)
    if as_json:
        emit_json("show", [_item(finding) for finding in findings])
    else:
        for number, finding in enumerate(findings):
            if number:
                say("")
            _tell(finding, number, len(findings))
    return REFUSED if any(finding.kind is Kind.UNREADABLE for finding in findings) else DONE


def _findings(what: str, passwords: Passwords) -> Sequence[Finding]:
    def password() -> bytes:
        return passwords.required(f"password of {what}")

    if what == "-":
        return inspect(sys.stdin.buffer.read(DEFAULT_LIMIT), "standard input", _when_there(passwords, password))
    host, colon, port = what.rpartition(":")
    if not os.path.lexists(what) and colon and host and port.isdecimal():
        return _presented(what)
    if not os.path.lexists(what) and os.sep not in what:
        raise CommandError(f"{what}: no such file; for a server give HOST:PORT")
    data = read_limited(what, what="certificate or key", regular=False)
    return inspect(data, what, _when_there(passwords, password))


def _when_there(passwords: Passwords, ask: Any) -> Any:
    """An encrypted key is shown as that when there is nobody to ask."""
    return ask if passwords.available else None


def _presented(what: str) -> Sequence[Finding]:
    """The certificates of a server, as it sends them."""
    import socket

    import tlsocket as ssl
    from tlsocket import events
    from tlsocket.pki.certificates import PARSE_ERRORS, parse_certificate

    address = parse_address(what, 443)
    peer = format_address(address)
    chain: list[bytes] = []

    def on_event(event: events.Event) -> None:
        if isinstance(event, events.CertificateReceived):
            chain.extend(event.chain)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.on_event = on_event
    try:
        with (
            socket.create_connection(address, timeout=CONNECT_SECONDS) as plain_socket,
            context.wrap_socket(plain_socket, server_hostname=address[0]),
        ):
            pass
    except ssl.SSLError as error:
        # A server that wants a certificate of ours has shown its own by then.
        if not chain:
            raise CommandError(f"{peer}: {error.args[-1]}") from error
    except OSError as error:
        raise CommandError(f"{peer}: {error.strerror or error}; is a server listening there?") from error
    found = []
    for number, data in enumerate(chain, 1):
        try:
            found.append(Finding(Kind.CERTIFICATE, parse_certificate(data)))
        except PARSE_ERRORS:
            found.append(Finding(Kind.UNREADABLE, problem=f"certificate number {number} cannot be parsed"))
    return found


def _tell(finding: Finding, number: int, count: int) -> None:
    title = finding.kind.value if count == 1 else f"{number + 1}. {finding.kind.value}"
    if finding.friendly_name:
        title += f" {printable(finding.friendly_name)!r}"
    if finding.has_private_key:
        title += ", with its private key"
    say(title)
    say_words(_words(finding))


def _words(finding: Finding) -> list[tuple[str, str]]:
    value: Any = finding.value
    if value is None:
        return [("problem" if finding.kind is Kind.UNREADABLE else "content", printable(finding.problem))]
    if finding.kind is Kind.CERTIFICATE:
        return certificate_words(value, now())
    if finding.kind is Kind.REQUEST:
        return request_words(value)
    if finding.kind is Kind.REVOCATION_LIST:
        return crl_words(value, now())
    if finding.kind is Kind.OCSP_RESPONSE:
        return ocsp_words(value, now())
    return key_words(value)


def _item(finding: Finding) -> dict[str, Any]:
    value: Any = finding.value
    item: dict[str, Any] = {"type": finding.kind.value}
    if value is None:
        return {**item, "problem": finding.problem}
    if finding.kind is Kind.CERTIFICATE:
        more = {"friendly_name": finding.friendly_name, "has_private_key": finding.has_private_key}
        return {**item, **certificate_json(value), **more}
    if finding.kind is Kind.REQUEST:
        return {**item, **plain(request_values(value))}
    if finding.kind is Kind.REVOCATION_LIST:
        return {**item, **plain(crl_values(value))}
    if finding.kind is Kind.OCSP_RESPONSE:
        return {**item, **plain(ocsp_values(value))}
    return {**item, **plain(key_values(value))}
