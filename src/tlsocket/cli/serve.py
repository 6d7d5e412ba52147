"""`tlsocket serve`: an HTTPS server for a folder, or an echo, for trying things out.

One thread a connection, and the handshake happens in that thread under a deadline, so that a client which says nothing
keeps nobody else waiting. It is no web server for the internet; what HTTP means is left to `http.server`.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import signal
import socket
import socketserver
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from types import FrameType
from typing import Any

import click

import tlsocket as ssl
from tlsocket import clock
from tlsocket._version import __version__
from tlsocket.cli.addresses import format_address
from tlsocket.cli.common import StoreAccess, authorities_in, check_credential_options, entry_option
from tlsocket.cli.output import DONE, CommandError, common, describe_error, examples
from tlsocket.cli.peers import refuse_revoked, verify_with
from tlsocket.pki.authority import self_signed
from tlsocket.pki.certificates import fingerprint

__all__ = ["EchoHandler", "FolderHandler", "Server", "serve"]

HANDSHAKE_SECONDS = 10.0
IDLE_SECONDS = 60.0
GRACE_SECONDS = 0.5
LINGER_SECONDS = 1.0
BLOCK = 1 << 20
"""Bytes handed to one `sendall`: many records for one system call."""


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Accepts plain connections at once and makes them secure in their own thread."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, context: ssl.SSLContext) -> None:
        self.context = context
        self._print_lock = threading.Lock()
        self._workers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def say(self, client: tuple[object, ...], text: str) -> None:
        """One line about one client."""
        with self._print_lock:
            # Text from a client is shown, never obeyed: control characters are escaped. One write, so that nothing
            # comes between the line and its end.
            sys.stdout.write(f"{format_address(client)} {text.encode('unicode_escape').decode('ascii')}\n")
            sys.stdout.flush()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection; it dies with the process."""
        worker = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._workers.add(worker)
        worker.start()

    def server_close(self) -> None:
        """Stop listening, and give connections that are about to end the time to say so."""
        super().server_close()
        deadline = clock.monotonic() + GRACE_SECONDS
        for worker in list(self._workers):
            worker.join(max(0.0, deadline - clock.monotonic()))

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: handshake under a deadline, then the handler."""
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            secure = self.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            self.say(client_address, f"refused: {describe_error(error)[0]}")
            return
        try:
            secure.do_handshake()
        except OSError as error:
            self.say(client_address, f"refused: {describe_error(error)[0]}")
            linger(secure)
            secure.close()
            return
        try:
            secure.settimeout(IDLE_SECONDS)
            super().finish_request(secure, client_address)
            self._end(secure)
        except OSError as error:
            self.say(client_address, f"ended: {describe_error(error)[0]}")
        finally:
            secure.close()

    def _end(self, secure: ssl.SSLSocket) -> None:
        """Say close_notify without waiting for the client's."""
        try:
            secure.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The client has gone already.

    def shutdown_request(self, request: Any) -> None:
        """Close the plain socket; once it was wrapped, its descriptor is the secure socket's and this does nothing."""
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A failing handler costs its connection, one line, and nothing else."""
        self.say(client_address, f"failed: {describe_error(sys.exc_info()[1] or OSError())[0]}")


def linger(secure: ssl.SSLSocket) -> None:
    """Let the alert arrive: closing while bytes are unread would reset the connection and take it from the client.

    A client of TLS 1.3 has sent its request before it can know that its certificate was refused.
    """
    deadline = clock.monotonic() + LINGER_SECONDS
    try:
        socket.socket.shutdown(secure, socket.SHUT_WR)
        while (left := deadline - clock.monotonic()) > 0:
            secure.settimeout(left)
            if not socket.socket.recv(secure, BLOCK):
                return
    except OSError:
        pass  # The client has gone already, or stays longer than we wait.


class FolderHandler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; one line a request."""

    protocol_version = "HTTP/1.1"
    server_version = f"tlsocket/{__version__}"
    timeout = IDLE_SECONDS
    server: Server

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Large blocks, so that many records leave with one system call."""
        shutil.copyfileobj(source, outputfile, BLOCK)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """The line."""
        status = code.value if isinstance(code, http.HTTPStatus) else code
        self.server.say(self.client_address, f'"{self.requestline}" {status}')

    def log_error(self, format: str, *args: Any) -> None:
        """Errors are statuses, and those have their line already."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing else is said."""


class EchoHandler(socketserver.BaseRequestHandler):
    """Sends back what comes; one line a connection."""

    server: Server

    def handle(self) -> None:
        """Until the client closes its side."""
        total = 0
        buffer = bytearray(BLOCK)
        view = memoryview(buffer)
        while got := self.request.recv_into(buffer):
            self.request.sendall(view[:got])
            total += got
        self.server.say(self.client_address, f"echoed {total} bytes")


def server_context(
    certificate: str | None, key: str | None, names: list[str], entry: Any = None
) -> tuple[ssl.SSLContext, str | None]:
    """A context with the given certificate or entry, or with one made now, whose fingerprint is the second value."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if entry is not None:
        context.load_cert_chain(entry)
        return context, None
    if certificate is not None:
        context.load_cert_chain(certificate, key)
        return context, None
    made = self_signed(names)
    with tempfile.TemporaryDirectory(prefix="tlsocket-serve-") as folder:
        context.load_cert_chain(*made.write(folder))
    return context, fingerprint(made.certificate)


def demand_clients(
    context: ssl.SSLContext, file: str | None, store: str | None, optional: bool, stores: StoreAccess
) -> str:
    """Ask clients for certificates of the authorities in a file or a store; words about who is refused.

    What our own authorities have revoked is refused by their ledgers; of others, when their revocation lists stand in
    the file beside their certificates.
    """
    if file is not None:
        context.load_verify_locations(file)
        if context.cert_store_stats()["crl"]:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if store is not None:
        context.load_verify_locations(cadata=authorities_in(stores, store))
    context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    # A resumed session would not ask again whether its certificate was revoked since.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET  # both, and there are no sessions of TLS 1.2 either
    ledgers = refuse_revoked(stores.location)
    verify_with(context, stores.location, *([] if ledgers is None else [ledgers]))
    trusted = context.get_ca_certs(binary_form=True)
    ours = () if ledgers is None else ledgers.names
    demanded = "may come with" if optional else "need"
    text = f"clients {demanded} a certificate of {len(trusted)} authorit{'y' if len(trusted) == 1 else 'ies'}"
    return f"{text}; what {', '.join(ours)} revoked is refused" if ours else text


@click.command(
    epilog=examples(
        "tlsocket serve . --port 8443",
        "tlsocket serve --echo --port 8444 --entry web --client-store ROOT",
    )
)
@click.argument("folder", default=".", type=click.Path(exists=True, file_okay=False))
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8443, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 picks a free one."
)
@click.option("--cert", metavar="FILE", help="Certificate chain in PEM; without it a certificate is made.")
@click.option("--key", metavar="FILE", help="Its private key, when it is not in the same file.")
@entry_option
@click.option(
    "--client-ca", metavar="FILE", help="Demand client certificates of these authorities; CRLs beside them are obeyed."
)
@click.option("--client-store", metavar="ROOT", help="Demand client certificates of the authorities in this store.")
@click.option("--client-optional", is_flag=True, help="With either: a client may come without one.")
@click.option("--alpn", metavar="LIST", help="Application protocols, comma-separated. [http/1.1 for a folder]")
@click.option("--echo", is_flag=True, help="Send back what comes instead of serving files.")
@common
def serve(
    folder: str,
    bind: str,
    port: int,
    cert: str | None,
    key: str | None,
    client_ca: str | None,
    client_store: str | None,
    client_optional: bool,
    alpn: str | None,
    echo: bool,
    entry: str | None,
    stores: StoreAccess,
) -> int:
    """Serve FOLDER over HTTPS, or echo.

    The certificate is in a file (--cert) or in a store (--entry). Without either it makes a self-signed certificate
    for this run and prints its fingerprint. Where clients need certificates, those that an authority of yours
    (`tlsocket ca`) has revoked are refused from the next connection on. One line a request; Ctrl-C ends it.
    """
    check_credential_options(cert, key, entry)
    if client_ca is not None and client_store is not None:
        raise click.UsageError("--client-ca and --client-store exclude each other")
    if client_optional and client_ca is None and client_store is None:
        raise click.UsageError("--client-optional needs --client-ca or --client-store")
    names = list(dict.fromkeys(["localhost", "127.0.0.1", "::1", *([] if bind in ("", "0.0.0.0", "::") else [bind])]))
    context, made = server_context(cert, key, names, None if entry is None else stores.find(entry)[1])
    demanded = ""
    if client_ca is not None or client_store is not None:
        demanded = demand_clients(context, client_ca, client_store, client_optional, stores)
    protocols = alpn.split(",") if alpn is not None else [] if echo else ["http/1.1"]
    if protocols:
        context.set_alpn_protocols(protocols)
    handler: Any = EchoHandler if echo else functools.partial(FolderHandler, directory=str(Path(folder)))
    try:
        server = Server((bind, port), handler, context)
    except OSError as error:
        raise CommandError(f"{format_address((bind, port))}: {error.strerror or error}; try another --port") from error
    with server:
        what = "echo" if echo else f"folder {os.path.abspath(folder)} over HTTPS"
        print(f"serving {what} on {format_address(server.server_address)}; Ctrl-C ends it", flush=True)
        if made is not None:
            print(f"self-made certificate for {', '.join(names)}; SHA-256 {made}", flush=True)
        if demanded:
            print(demanded, flush=True)
        run_until_interrupted(server)
    print("stopped", flush=True)
    return DONE


def run_until_interrupted(server: Server) -> None:
    """Serve until Ctrl-C or SIGTERM, whichever asks first."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop) if threading.current_thread() is threading.main_thread() else None
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)
