"""Programs as clients, each run to its end with one GET request for `/`, and what each says of the connection.

`openssl s_client`, `gnutls-cli`, curl, and `ssl` of the standard library. nghttp needs HTTP/2 (see `http2`).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.interop.cells import DEFAULT, Cell, group_named, suite_named, version_named
from tests.interop.materials import NAME, Files, Materials
from tests.interop.programs import LOOPBACK, WAIT, Program
from tests.interop.servers import Find, Report, gnutls_priority, openssl_cell, stdlib_peer

__all__ = ["CLIENTS", "ClientOptions", "Outcome", "gnutls_arguments", "openssl_arguments"]


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client is started."""

    cell: Cell | None = DEFAULT
    """Its only suite and group; None: what it offers of itself."""
    authority: str | None = None
    """Instead of the interop authority."""
    credential: Files | None = None
    alpn: Sequence[str] = ()
    name: str = NAME
    middlebox_compatibility: bool = True
    path: str = "/"
    timeout: float = WAIT


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    status: int
    body: bytes
    report: Report
    text: str
    """All that it said, for people and for what `report` has no field for."""


def openssl_arguments(materials: Materials, port: int, options: ClientOptions) -> list[str]:
    """Arguments of `openssl s_client` but for what it prints."""
    arguments = ["-connect", f"{LOOPBACK}:{port}", "-servername", options.name, "-verify_hostname", options.name]
    arguments += ["-CAfile", options.authority or materials.authority, "-verify_return_error"]
    arguments += ["-tls1_3"] if options.cell is None else openssl_cell(options.cell)
    if options.credential is not None:
        arguments += ["-cert", options.credential.certificate, "-key", options.credential.key]
    if options.alpn:
        arguments += ["-alpn", ",".join(options.alpn)]
    if not options.middlebox_compatibility:
        arguments += ["-no_middlebox"]
    return arguments


def openssl_client(find: Find, materials: Materials, port: int, options: ClientOptions) -> Outcome:
    """`openssl s_client -brief`: the data alone on standard output, a summary on standard error."""
    arguments = [find("openssl"), "s_client", "-brief", "-ign_eof", *openssl_arguments(materials, port, options)]
    with Program(arguments) as program:
        status, received = _ask(program, options)
        text = program.text
    report = Report(
        protocol=_first(r"Protocol version: (\S+)", text),
        cipher=_first(r"Ciphersuite: (\S+)", text),
        group=group_named(re.sub(r", \d+ bits", "", _first(r"Server Temp Key: (.+)", text) or "")),
    )
    return Outcome(status, received, report, text)


def gnutls_arguments(materials: Materials, port: int, options: ClientOptions) -> list[str]:
    """Arguments of `gnutls-cli` but for where its messages go."""
    arguments = ["--port", str(port), "--x509cafile", options.authority or materials.authority]
    arguments += ["--sni-hostname", options.name, "--verify-hostname", options.name]
    priority = gnutls_priority(options.cell, middlebox_compatibility=options.middlebox_compatibility)
    arguments += ["--priority", priority]
    if options.credential is not None:
        arguments += ["--x509certfile", options.credential.certificate, "--x509keyfile", options.credential.key]
    for protocol in options.alpn:
        arguments += ["--alpn", protocol]
    return [*arguments, LOOPBACK]


def gnutls_client(find: Find, materials: Materials, port: int, options: ClientOptions) -> Outcome:
    """`gnutls-cli` with its messages in a file, so that standard output is the data alone."""
    log = materials.folder / f"gnutls-cli-{port}.log"
    arguments = [find("gnutls-cli"), "--logfile", str(log), *gnutls_arguments(materials, port, options)]
    with Program(arguments) as program:
        status, received = _ask(program, options)
        text = (log.read_text(errors="replace") if log.exists() else "") + program.text
    said = _first(r"- Description: (\S+)", text) or ""
    description = re.findall(r"\(([^)]*)\)", said)
    report = Report()
    if len(description) >= 3:
        version, exchange, *_, cipher = description
        report = Report(
            protocol=version_named(version),
            cipher=suite_named(cipher, said),
            group=group_named(exchange),
            alpn=_first(r"- Application protocol: (\S+)", text),
        )
    return Outcome(status, received, report, text)


def curl(find: Find, materials: Materials, port: int, options: ClientOptions) -> Outcome:
    """curl; it negotiates HTTP/1.1, or HTTP/2 when `alpn` names it."""
    arguments = [find("curl"), "--silent", "--show-error", "--verbose", "--max-time", str(options.timeout)]
    arguments += ["--noproxy", "*", "--cacert", options.authority or materials.authority]
    arguments += ["--connect-to", f"{options.name}:{port}:{LOOPBACK}:{port}"]
    arguments += ["--http2" if "h2" in options.alpn else "--http1.1"]
    if options.cell is not None and options.cell.suite.tls12:
        arguments += ["--tls-max", "1.2", "--ciphers", options.cell.cipher]
        arguments += ["--curves", ":".join(group.openssl for group in options.cell.groups)]
    elif options.cell is not None:
        arguments += ["--tlsv1.3", "--tls13-ciphers", options.cell.cipher, "--curves", options.cell.group.openssl]
    else:
        arguments += ["--tlsv1.3"]
    if options.credential is not None:
        arguments += ["--cert", options.credential.certificate, "--key", options.credential.key]
    with Program([*arguments, f"https://{options.name}:{port}{options.path}"]) as program:
        program.close_input()
        status = program.finish(timeout=options.timeout)
        text, body = program.errors.decode("utf-8", "replace"), bytes(program.output)
    used = re.search(r"SSL connection using (\S+) / (\S+)", text)
    report = Report(alpn=_first(r"ALPN: server accepted (\S+)", text))
    if used is not None:
        report = Report(protocol=used[1], cipher=used[2], alpn=report.alpn)
    return Outcome(status, body, report, text)


def stdlib_client(find: Find, materials: Materials, port: int, options: ClientOptions) -> Outcome:
    """`ssl` of the standard library."""
    arguments = ["fetch", "--port", str(port), "--name", options.name]
    arguments += ["--authority", options.authority or materials.authority]
    if options.credential is not None:
        arguments += ["--cert", options.credential.certificate, "--key", options.credential.key]
    for protocol in options.alpn:
        arguments += ["--alpn", protocol]
    if not options.middlebox_compatibility:
        arguments += ["--no-middlebox"]
    with stdlib_peer(materials, options.cell, arguments) as program:
        status = program.finish(timeout=options.timeout)
        text, body = program.errors.decode("utf-8", "replace"), bytes(program.output)
    report = Report()
    with contextlib.suppress(json.JSONDecodeError):
        facts = json.loads(text.partition("\n")[0])
        report = Report(protocol=facts["protocol"], cipher=facts["cipher"], alpn=facts["alpn"])
    return Outcome(status, body, report, text)


def _ask(program: Program, options: ClientOptions) -> tuple[int, bytes]:
    """Send the request through standard input and take the answer's body; the input stays open until it ends."""
    with contextlib.suppress(BrokenPipeError):
        program.write(f"GET {options.path} HTTP/1.0\r\n\r\n".encode())
    status = program.finish(timeout=options.timeout)
    return status, bytes(program.output).partition(b"\r\n\r\n")[2]


def _first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1].strip() if match else None


CLIENTS: dict[str, Callable[[Find, Materials, int, ClientOptions], Outcome]] = {
    "openssl": openssl_client,
    "gnutls": gnutls_client,
    "curl": curl,
    "stdlib": stdlib_client,
}
"""Clients by name."""
