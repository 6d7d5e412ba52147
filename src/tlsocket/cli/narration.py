"""Tells a handshake in nine steps, from the events that the two connections report themselves.

The steps are those of the manual's page `mission.md`, rows 5 to 13. Only the wording is here: when a line is printed,
and that it is printed at all, is up to the connection (`tlsocket.events`).
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from tlsocket import events
from tlsocket.cli.chain import owner
from tlsocket.config import Role
from tlsocket.errors import CertificateRejected, PeerIncompatible
from tlsocket.registry import AlertDescription, CipherSuiteCode, NamedGroup, ProtocolVersion, SignatureScheme, describe

__all__ = ["REFUSALS", "STEPS", "Narrator"]

STEPS = {
    1: "the client connects and says hello",
    2: "the server accepts, builds its credentials and sends them",
    3: "the server may ask the client for a certificate",
    4: "the client verifies the server, and sends its own credentials if asked",
    5: "no mutually acceptable protocol: an error, and the connection is closed",
    6: "the client cannot validate the server: an error, and the client closes",
    7: "the server cannot validate the client: an error, and the server closes",
    8: "all data is encrypted and decrypted",
    9: "the session ends when one side closes",
}
REFUSALS = (5, 6, 7)
INDENT = 12

Line = tuple[int, str]


def names(registry: Any, values: Sequence[int]) -> str:
    """Code points for people, comma-separated."""
    return ", ".join(describe(registry, value) for value in values) or "nothing"


def subject(chain: Sequence[bytes]) -> str:
    """Whose certificate it is."""
    return owner(chain[0]) if chain else "nobody"


def alpn_text(name: bytes | None) -> str:
    """The chosen application protocol."""
    return f"; application protocol {name.decode('ascii', 'backslashreplace')}" if name else ""


def refusal_step(side: Role, error: BaseException) -> int:
    """Which of the three refusals an error is."""
    if isinstance(error, CertificateRejected):
        return 6 if side is Role.CLIENT else 7
    if isinstance(error, PeerIncompatible):
        return 5
    return 7 if side is Role.SERVER else 6


def client_hello(side: Role, event: Any) -> Line:
    verb = "says" if side is Role.CLIENT else "receives"
    asked = f'asks for "{event.server_name}"' if event.server_name else "asks for no name"
    versions = names(ProtocolVersion, event.versions)
    suites = names(CipherSuiteCode, event.cipher_suites)
    groups = names(NamedGroup, event.groups)
    again = "; offers to resume an earlier session" if event.pre_shared_keys else ""
    if side is Role.SERVER:
        return 2, f"accepts the connection and receives ClientHello: {asked}{again}"
    return 1, f"{verb} ClientHello: {asked}; offers {versions}; {suites}; key exchange {groups}{again}"


def retry(side: Role, event: Any) -> Line:
    group = describe(NamedGroup, event.group) if event.group is not None else "the same group"
    verb = "asks with" if side is Role.SERVER else "is asked with"
    return (2 if side is Role.SERVER else 1), f"{verb} HelloRetryRequest for a key share of {group}"


def server_hello(side: Role, event: Any) -> Line:
    chosen = f"{describe(ProtocolVersion, event.version)}, {event.cipher_suite.name}"
    if event.version == ProtocolVersion.TLS_1_2:
        # There the group comes with a message of its own, and nothing is encrypted before the end.
        return (2, f"chooses {chosen}") if side is Role.SERVER else (4, f"receives ServerHello: {chosen}")
    chosen += f", key exchange {describe(NamedGroup, event.group)}"
    if event.pre_shared_key:
        chosen += ", and the earlier session: neither certificates nor signatures this time"
    if side is Role.SERVER:
        return 2, f"chooses {chosen}; everything after ServerHello is encrypted"
    return 4, f"receives ServerHello: {chosen}"


def key_exchange(side: Role, event: Any) -> Line:
    what = f"ServerKeyExchange with {describe(NamedGroup, event.group)}"
    signed = f"signed with {describe(SignatureScheme, event.scheme)}" if event.scheme else "for a pre-shared key"
    return (2, f"sends {what}, {signed}") if side is Role.SERVER else (4, f"receives {what}, {signed}")


def encrypted_extensions(side: Role, event: Any) -> Line:
    verb = "sends" if side is Role.SERVER else "receives"
    return (2 if side is Role.SERVER else 4), f"{verb} EncryptedExtensions{alpn_text(event.alpn)}"


def requested(side: Role, event: Any) -> Line:
    if not event.by_us:
        return 3, "is asked for a certificate"
    listed = len(event.certificate_authorities)
    return 3, "asks the client for a certificate" + (f" of one of {listed} authorities" if listed else "")


def certificate_sent(side: Role, event: Any) -> Line:
    step = 2 if side is Role.SERVER else 4
    if not event.chain:
        return step, "has no certificate that fits and says so with an empty list"
    return step, f'sends the certificate of "{subject(event.chain)}"{plural(len(event.chain))}'


def plural(count: int) -> str:
    """How many certificates lie above the first."""
    return "" if count == 1 else f" and {count - 1} above it"


def certificate_received(side: Role, event: Any) -> Line:
    step = 4 if side is Role.CLIENT else 7
    if not event.chain:
        return step, "receives an empty list: the client has no certificate"
    return step, f'receives the certificate of "{subject(event.chain)}"'


def accepted(side: Role, event: Any) -> Line:
    anchor = owner(event.path[-1])
    checked = f', and it is valid for "{event.name_checked}"' if event.name_checked else ""
    peer = "server" if side is Role.CLIENT else "client"
    return (
        4 if side is Role.CLIENT else 7
    ), f'validates the {peer}: "{anchor}", which it trusts, vouches for it{checked}'


def rejected(side: Role, event: Any) -> Line:
    peer = "server" if side is Role.CLIENT else "client"
    return refusal_step(side, event.error), f"cannot validate the {peer}: {explain(event.error)}"


def explain(error: BaseException) -> str:
    """An error with its hint."""
    if isinstance(error, CertificateRejected):
        return f"{error.detail}; {error.hint}" if error.hint else error.detail
    return str(error)


def signature_sent(side: Role, event: Any) -> Line:
    scheme = describe(SignatureScheme, event.scheme)
    return (2 if side is Role.SERVER else 4), f"signs what was said so far, to prove that it has the key ({scheme})"


def signature_verified(side: Role, event: Any) -> Line:
    scheme = describe(SignatureScheme, event.scheme)
    peer = "server" if side is Role.CLIENT else "client"
    return (4 if side is Role.CLIENT else 7), f"verifies the signature: the {peer} has the certificate's key ({scheme})"


def finished_sent(side: Role, event: Any) -> Line:
    return (2 if side is Role.SERVER else 4), "sends Finished"


def finished_verified(side: Role, event: Any) -> Line:
    return (4 if side is Role.CLIENT else 8), "verifies Finished: both saw the same handshake"


def completed(side: Role, event: Any) -> Line:
    negotiated = event.negotiated
    return 8, (
        f"from here on encrypts and decrypts all data with {negotiated.cipher_suite.name}"
        f" over {describe(ProtocolVersion, negotiated.version)}"
    )


def tickets_sent(side: Role, event: Any) -> Line:
    many = "a session ticket" if event.count == 1 else f"{event.count} session tickets"
    return 8, f"sends {many}, good for {event.lifetime} seconds: each resumes this session once more"


def ticket_received(side: Role, event: Any) -> Line:
    return 8, "keeps a session ticket for its next connection"


def alert_sent(side: Role, event: Any) -> Line:
    alert = describe(AlertDescription, event.description)
    # A rejected certificate was told of already, by an event of its own.
    why = "" if isinstance(event.error, CertificateRejected) else f": {event.error}"
    return refusal_step(side, event.error), f"sends the alert {alert} and closes{why}"


def alert_received(side: Role, event: Any) -> Line:
    description = event.description
    if description in (AlertDescription.HANDSHAKE_FAILURE, AlertDescription.PROTOCOL_VERSION):
        step = 5
    else:
        step = 6 if side is Role.SERVER else 7
    return step, f"is told why by the alert {describe(AlertDescription, description)}, and closes"


def close_sent(side: Role, event: Any) -> Line:
    return 9, "says close_notify: it sends no more"


def close_received(side: Role, event: Any) -> Line:
    return 9, "receives close_notify: the end is no accident"


WORDS: dict[type, Callable[[Role, Any], Line]] = {
    events.ClientHelloSent: client_hello,
    events.ClientHelloReceived: client_hello,
    events.HelloRetryRequestSent: retry,
    events.HelloRetryRequestReceived: retry,
    events.ServerHelloSent: server_hello,
    events.ServerHelloReceived: server_hello,
    events.KeyExchangeSent: key_exchange,
    events.KeyExchangeReceived: key_exchange,
    events.EncryptedExtensionsSent: encrypted_extensions,
    events.EncryptedExtensionsReceived: encrypted_extensions,
    events.CertificateRequested: requested,
    events.CertificateSent: certificate_sent,
    events.CertificateReceived: certificate_received,
    events.CertificateAccepted: accepted,
    events.CertificateRejected: rejected,
    events.SignatureSent: signature_sent,
    events.SignatureVerified: signature_verified,
    events.FinishedSent: finished_sent,
    events.FinishedVerified: finished_verified,
    events.HandshakeCompleted: completed,
    events.TicketsSent: tickets_sent,
    events.TicketReceived: ticket_received,
    events.AlertSent: alert_sent,
    events.AlertReceived: alert_received,
    events.CloseNotifySent: close_sent,
    events.CloseNotifyReceived: close_received,
}
"""How each event is told. Key updates are no step of the nine."""


class Narrator:
    """Prints what two connections report, one line an event, and remembers which steps were seen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # The two ends live in two threads.
        self._lock = threading.Lock()
        self.seen: dict[int, set[Role]] = {}
        self.resumed: set[Role] = set()
        """Who says that the handshake resumed a session."""
        self.errors: list[tuple[Role, BaseException]] = []

    def listener(self, side: Role) -> Callable[[events.Event], None]:
        """What to give a connection as `on_event`."""

        def on_event(event: events.Event) -> None:
            words = WORDS.get(type(event))
            if words is None:
                return
            step, text = words(side, event)
            with self._lock:
                self.seen.setdefault(step, set()).add(side)
                if isinstance(event, events.HandshakeCompleted) and event.negotiated.resumed:
                    self.resumed.add(side)
                if isinstance(event, events.AlertSent):
                    self.errors.append((side, event.error))
                self._print(step, side, text)

        return on_event

    def _print(self, step: int, side: Role, text: str) -> None:
        width = max(40, self._console.width - INDENT)
        style = "red" if step in REFUSALS and ("cannot" in text or "alert" in text) else ""
        line = Text.assemble(
            (f"{step:>2}  ", "bold"), (f"{side.value}  ", "cyan" if side is Role.CLIENT else "magenta")
        )
        line.append(("\n" + " " * INDENT).join(textwrap.wrap(text, width, break_long_words=False)), style)
        self._console.print(line, soft_wrap=True)
