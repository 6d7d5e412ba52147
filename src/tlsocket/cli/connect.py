"""`tlsocket connect`: a handshake with anybody, told in words; then a pipe, like `openssl s_client -quiet`.

What was negotiated and the chain go to standard error, so that standard output carries nothing but the peer's bytes.
Verification is the library's: nothing here decides whether a chain is good.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click

import tlsocket as ssl
from tlsocket import events
from tlsocket.cli.addresses import Address, format_address, parse_address
from tlsocket.cli.chain import chain_lines, owner
from tlsocket.cli.common import StoreAccess, check_credential_options, entry_option
from tlsocket.cli.narration import explain
from tlsocket.cli.output import DONE, CommandError, RefusedError, common, console, examples
from tlsocket.cli.peers import trust_root, verify_with
from tlsocket.cli.resumption import no_session, part, resumption, session_of
from tlsocket.cli.starttls import PORTS, PROTOCOLS, upgrade
from tlsocket.cli.transcript import Transcript
from tlsocket.pki.certificates import printable
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.registry import NamedGroup, ProtocolVersion, SignatureScheme, describe

__all__ = ["connect"]

CONNECT_SECONDS = 15.0
QUIET_SECONDS = 5.0
"""After the end of standard input: how long the peer may say nothing before we say that we are done."""
TICK_SECONDS = 0.2
BLOCK = 1 << 17


def client_context(
    cafile: str | None,
    insecure: bool,
    alpn: str | None,
    cert: str | None,
    key: str | None,
    keylog: str | None,
    entry: StoreEntry | None = None,
    stores: StoreAccess | None = None,
) -> ssl.SSLContext:
    """The context that the options describe."""
    context: ssl.SSLContext = ssl.create_default_context(cafile=cafile)
    if stores is not None:
        if cafile is None and not insecure:
            trust_root(context, stores)
        verify_with(context, stores.location)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if alpn is not None:
        context.set_alpn_protocols(alpn.split(","))
    if cert is not None:
        context.load_cert_chain(cert, key)
    if entry is not None:
        context.load_cert_chain(entry)
    if keylog is not None:
        context.keylog_filename = keylog
    return context


@click.command(
    epilog=examples(
        "echo hello | tlsocket connect localhost:8444 --cafile authority.pem --entry someone",
        "tlsocket connect localhost:8443 --insecure --alpn http/1.1 --trace < /dev/null",
    )
)
@click.argument("target", metavar="HOST[:443]", callback=lambda ctx, param, value: parse_address(value, 0))
@click.option("--cafile", metavar="FILE", help="Trust these authorities instead of the platform's and those in ROOT.")
@click.option("--insecure", is_flag=True, help="Do not verify the certificate. It is shown all the same.")
@click.option("--servername", metavar="NAME", help="Ask for and verify this name instead of HOST.")
@click.option("--alpn", metavar="LIST", help="Application protocols to offer, comma-separated.")
@click.option("--cert", metavar="FILE", help="Our certificate chain in PEM, for a server that asks.")
@click.option("--key", metavar="FILE", help="Its private key, when it is not in the same file.")
@entry_option
@click.option("--starttls", type=click.Choice(list(PROTOCOLS)), help="Ask for TLS in this protocol's own words first.")
@click.option("--trace", is_flag=True, help="Show each message of the handshake, decoded, with its time.")
@click.option("--keylog", metavar="FILE", help="Append the connection's secrets (RFC 9850): whoever has them reads it.")
@click.option("--resume", is_flag=True, help="Connect again with the session of the first connection.")
@common
def connect(
    target: Address,
    cafile: str | None,
    insecure: bool,
    servername: str | None,
    alpn: str | None,
    cert: str | None,
    key: str | None,
    starttls: str | None,
    trace: bool,
    keylog: str | None,
    resume: bool,
    entry: str | None,
    stores: StoreAccess,
) -> int:
    """Connect to HOST, say what was negotiated, show the chain and the verdict, then pipe.

    Standard input is sent, and what comes is written to standard output. A bad verdict exits 1. With --resume that is
    on the second of two connections; the first one ends as soon as it has a session, and what the server says there is
    not shown. Whether the session was resumed is said in words, and does not change the exit status.
    """
    check_credential_options(cert, key, entry)
    context = client_context(
        cafile, insecure, alpn, cert, key, keylog, None if entry is None else stores.find(entry)[1], stores
    )
    address = target[0], target[1] or (PORTS[starttls] if starttls else 443)
    to = Destination(address, servername or address[0], starttls, insecure, trace)
    with connected(context, to) as (secure, seen):
        report_connection(secure, seen, to)
        if not resume:
            return pipe(secure, to.peer)
        session, heard = session_of(secure)
        if session is None:
            report(no_session(secure))
            write(heard)
            return pipe(secure, to.peer)
        part(secure)
    with connected(context, to, session) as (secure, second):
        report_connection(secure, second, to, "again ")
        report(resumption(secure, second.tickets_offered, seen.seconds, second.seconds))
        return pipe(secure, to.peer)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to connect to, and what is said on the way there."""

    address: Address
    name: str
    """What the server's certificate has to be valid for."""
    starttls: str | None
    insecure: bool
    trace: bool

    @property
    def peer(self) -> str:
        """For messages."""
        return format_address(self.address)


@contextmanager
def connected(
    context: ssl.SSLContext, to: Destination, session: ssl.SSLSession | None = None
) -> Iterator[tuple[ssl.SSLSocket, Observer]]:
    """A connection after its handshake, and what was seen of that. The errors are those of the command."""
    seen = Observer(Transcript(report).on_event if to.trace else None)
    context.on_event = seen.on_event
    try:
        plain = socket.create_connection(to.address, timeout=CONNECT_SECONDS)
    except OSError as error:
        raise CommandError(f"{to.peer}: {error.strerror or error}; is a server listening there?") from error
    if to.starttls is not None:
        try:
            upgrade(plain, to.starttls, to.name)
        except BaseException:
            plain.close()
            raise
    # An end without close_notify must not look like a good one: what came may be cut short.
    wrapped = context.wrap_socket(
        plain, server_hostname=to.name, do_handshake_on_connect=False, suppress_ragged_eofs=False, session=session
    )
    with wrapped as secure:
        start = time.monotonic()
        try:
            secure.do_handshake()
        except ssl.SSLCertVerificationError as error:
            show_chain(seen.chain)
            report(f"verdict: refused: {seen.refusal}")
            raise RefusedError(f"{to.peer}: the certificate was refused: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise RefusedError(f"{to.peer}: {error.args[-1]}") from error
        except OSError as error:
            raise CommandError(f"{to.peer}: {error}") from error
        seen.seconds = time.monotonic() - start
        yield secure, seen


def report_connection(secure: ssl.SSLSocket, seen: Observer, to: Destination, again: str = "") -> None:
    """What was negotiated, the chain, the verdict. A resumed session has no chain: the first connection showed it."""
    if seen.negotiated is not None:
        show_session(seen.negotiated, to.peer, again)
    if not secure.session_reused:
        show_chain(seen.chain)
    report(verdict(secure, to.name, to.insecure))


class Observer:
    """Keeps what the connection reports, for telling it whether the handshake succeeds or not."""

    def __init__(self, also: Callable[[events.Event], None] | None = None) -> None:
        self.also = also
        self.chain: tuple[bytes, ...] = ()
        self.negotiated: events.Negotiated | None = None
        self.refusal = ""
        self.tickets_offered = 0
        self.seconds = 0.0
        """How long the handshake took."""

    def on_event(self, event: events.Event) -> None:
        """`SSLContext.on_event`."""
        if self.also is not None:
            self.also(event)
        if isinstance(event, events.CertificateReceived):
            self.chain = event.chain
        elif isinstance(event, events.CertificateRejected):
            self.refusal = explain(event.error)
        elif isinstance(event, events.ClientHelloSent):
            self.tickets_offered = event.pre_shared_keys
        elif isinstance(event, events.HandshakeCompleted):
            self.negotiated = event.negotiated


def report(text: str) -> None:
    """A line for the person."""
    console(stderr=True).print(text, soft_wrap=True)


def show_session(negotiated: events.Negotiated, peer: str, again: str) -> None:
    """What was negotiated."""
    exchange = describe(NamedGroup, negotiated.group) if negotiated.group else "none: a session was resumed"
    lines = [
        f"connected {again}to {peer}",
        f"  protocol      {describe(ProtocolVersion, negotiated.version)}",
        f"  cipher suite  {negotiated.cipher_suite.name}",
        f"  key exchange  {exchange}",
    ]
    if negotiated.signature_scheme is not None and not negotiated.resumed:
        lines.append(f"  signature     {describe(SignatureScheme, negotiated.signature_scheme)}")
    lines.append(
        f"  ALPN          {printable(negotiated.alpn.decode('utf-8', 'replace')) if negotiated.alpn else 'none'}"
    )
    if negotiated.own_signature_scheme is not None:
        lines.append("  client        our certificate was asked for and sent")
    report("\n".join(lines))


def show_chain(chain: Sequence[bytes]) -> None:
    """The certificates as the peer sent them, with names, dates and fingerprints."""
    report(f"chain, as the peer sent it: {len(chain)} certificate{'' if len(chain) == 1 else 's'}")
    for line in chain_lines(chain):
        report(line)


def verdict(secure: ssl.SSLSocket, name: str, insecure: bool) -> str:
    """The verdict in words."""
    if insecure:
        return "verdict: not verified (--insecure): anybody could be at the other end"
    anchor = owner(secure.get_verified_chain()[-1])
    return f'verdict: good: it is "{name}", and "{anchor}", which is trusted, vouches for it'


def pipe(secure: ssl.SSLSocket, peer: str) -> int:
    """Standard input to the peer, and the peer to standard output, until the peer ends.

    The end of standard input alone ends nothing, since many servers drop a client that says close_notify before their
    answer is out; but when neither side has said anything for a while after it (or we never had anything to say), we
    say close_notify and take what still comes.
    """
    # A readable socket may hold no data, but a session ticket: reading must come back to look at the clock.
    secure.settimeout(TICK_SECONDS)
    sender = Sender(secure)
    sender.start()
    try:
        while True:
            try:
                data = secure.recv(BLOCK)
            except TimeoutError:
                if sender.is_done():
                    return finish(secure)
                continue
            if not data:
                return DONE
            sender.heard = time.monotonic()
            write(data)
    except BrokenPipeError:
        raise
    except ssl.SSLEOFError as error:
        raise CommandError(f"{peer}: ended without a close_notify; what came may be cut short") from error
    except ssl.SSLError as error:
        raise RefusedError(f"{peer}: {error.args[-1]}") from error
    except OSError as error:
        raise CommandError(f"{peer}: {error}") from error


class Sender(threading.Thread):
    """Sends standard input while the main thread receives. One thread a direction is what a connection allows."""

    def __init__(self, secure: ssl.SSLSocket) -> None:
        # A daemon: reading a terminal cannot be interrupted when the peer ends first.
        super().__init__(name="standard input", daemon=True)
        self.secure = secure
        self.sent = 0
        self.heard = time.monotonic()
        self.ended = threading.Event()

    def run(self) -> None:
        """Until the end of standard input, or until the peer takes no more: the main thread learns why by reading."""
        try:
            while data := os.read(sys.stdin.fileno(), BLOCK):
                self.send(data)
                self.sent += len(data)
                self.heard = time.monotonic()
        except (OSError, ValueError):
            pass
        finally:
            self.ended.set()

    def send(self, data: bytes) -> None:
        """All of it, however long the peer takes: the socket's timeout is the reader's."""
        while data:
            try:
                data = data[self.secure.send(data) :]
            except TimeoutError:
                continue  # part of it may be encrypted already: the same again

    def is_done(self) -> bool:
        """Whether there is nothing more to send and no answer to wait for."""
        return self.ended.is_set() and (not self.sent or time.monotonic() - self.heard > QUIET_SECONDS)


def finish(secure: ssl.SSLSocket) -> int:
    """Say close_notify, and take what the peer still sends before its own."""
    secure.settimeout(QUIET_SECONDS)
    secure.shutdown(socket.SHUT_WR)
    try:
        while data := secure.recv(BLOCK):
            write(data)
    except OSError:
        # We have said that we are done; how the peer takes it is its own affair.
        pass
    return DONE


def write(data: bytes) -> None:
    """To standard output, at once."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
