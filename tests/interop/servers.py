"""Programs as servers, each started with the one suite and group of a cell, each answering GET with what it saw.

`openssl s_server -www`, `gnutls-serv --http`, nginx and `ssl` of the standard library in a process of its own.
gnutls-serv cannot be told an address and listens on all of them; we speak to it on loopback like to the others.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.interop.cells import DEFAULT, Cell, group_named, suite_named, version_named
from tests.interop.materials import Files, Materials
from tests.interop.programs import LOOPBACK, Program, free_port

__all__ = [
    "ROOT",
    "SERVERS",
    "Find",
    "Report",
    "Server",
    "ServerOptions",
    "gnutls_priority",
    "nginx",
    "openssl_arguments",
    "openssl_cell",
    "stdlib_environment",
    "stdlib_peer",
]

Find = Callable[[str], str]
"""Finds a program or skips (the fixture `peer`)."""

ROOT = Path(__file__).resolve().parents[2]
"""Where `python -m tests.interop...` runs."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a peer says about a connection; None: it does not say."""

    protocol: str | None = None
    cipher: str | None = None
    group: str | None = None
    alpn: str | None = None
    server_name: str | None = None
    client: str | None = None
    """The common name of the client's certificate, "" for none."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server is started."""

    cell: Cell = DEFAULT
    credential: Files | None = None
    """Instead of the one of the cell's key."""
    clients: str | None = None
    """The authority of the client certificates that it asks for; None: it does not ask."""
    require: bool = False
    alpn: Sequence[str] = ()
    middlebox_compatibility: bool = True


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    program: Program
    port: int
    read_report: Callable[[str], Report]
    """From the page that it answers GET / with."""


def openssl_arguments(materials: Materials, options: ServerOptions) -> list[str]:
    """Arguments of `openssl s_server` but for what it does with the data."""
    files = options.credential or materials.servers[options.cell.key]
    arguments = ["-cert", files.certificate, "-key", files.key, "-no_cache", "-serverpref"]
    arguments += openssl_cell(options.cell)
    if options.clients is not None:
        arguments += ["-Verify" if options.require else "-verify", "3", "-CAfile", options.clients]
        arguments += ["-verify_return_error"]
    if options.alpn:
        arguments += ["-alpn", ",".join(options.alpn)]
    if not options.middlebox_compatibility:
        arguments += ["-no_middlebox"]
    return arguments


def openssl_cell(cell: Cell) -> list[str]:
    """Arguments of both `openssl s_server` and `openssl s_client` for one version, suite and group."""
    groups = ":".join(group.openssl for group in cell.groups)
    if cell.suite.tls12:
        return ["-tls1_2", "-cipher", cell.cipher, "-groups", groups]
    return ["-tls1_3", "-ciphersuites", cell.cipher, "-groups", groups]


@contextlib.contextmanager
def openssl_server(find: Find, materials: Materials, options: ServerOptions) -> Iterator[Server]:
    """`openssl s_server -www`, which says what was shared; a single group is the one in use."""
    port = free_port()
    arguments = [find("openssl"), "s_server", "-accept", f"{LOOPBACK}:{port}", "-www"]
    with Program(arguments + openssl_arguments(materials, options)) as program:
        yield Server(program, port, openssl_report)


def openssl_report(page: str) -> Report:
    client = re.search(r"Subject:.*?CN ?= ?(\S+)", page)
    return Report(
        protocol=_first(r"Protocol +: (\S+)", page),
        cipher=_first(r"Cipher is (\S+)", page),
        group=group_named((_first(r"Shared groups: (\S+)", page) or "").partition(":")[0]),
        client=client[1] if client else "",
    )


def gnutls_priority(cell: Cell | None, *, middlebox_compatibility: bool = True) -> str:
    """GnuTLS's priority string for one version with one suite and one group."""
    tls12 = cell is not None and cell.suite.tls12
    text = f"NORMAL:-VERS-ALL:+VERS-TLS1.{2 if tls12 else 3}"
    if cell is not None:
        groups = ":".join(f"+GROUP-{group.gnutls}" for group in cell.groups)
        text += f":-CIPHER-ALL:+{cell.suite.gnutls}:-GROUP-ALL:{groups}"
    if tls12:
        text += ":-KX-ALL:+ECDHE-RSA:+ECDHE-ECDSA:%SERVER_PRECEDENCE"
    return text if middlebox_compatibility else text + ":%DISABLE_TLS13_COMPAT_MODE"


@contextlib.contextmanager
def gnutls_server(
    find: Find, materials: Materials, options: ServerOptions, *, mode: str = "--http"
) -> Iterator[Server]:
    """`gnutls-serv`, with its page of the connection's parameters, or `--echo`."""
    port = free_port()
    files = options.credential or materials.servers[options.cell.key]
    arguments = [find("gnutls-serv"), mode, "--port", str(port)]
    arguments += ["--x509certfile", files.certificate, "--x509keyfile", files.key]
    arguments += ["--priority", gnutls_priority(options.cell, middlebox_compatibility=options.middlebox_compatibility)]
    if options.clients is None:
        arguments += ["--disable-client-cert"]
    else:
        arguments += ["--x509cafile", options.clients, "--verify-client-cert"]
        arguments += ["--require-client-cert"] if options.require else []
    for protocol in options.alpn:
        arguments += ["--alpn", protocol]
    with Program(arguments) as program:
        yield Server(program, port, lambda page: _gnutls_report(page, program))


def _gnutls_report(page: str, program: Program) -> Report:
    program.wait_for(rb"'tls-exporter'")
    description = _first(r"Description:</TD><TD>(\S+?)</TD>", page) or ""
    version, exchange, *_, cipher = re.findall(r"\(([^)]*)\)", description)
    subject = re.search(r"Subject: CN=(\S+)", program.text)
    return Report(
        protocol=version_named(version),
        cipher=suite_named(cipher, description),
        group=group_named(exchange),
        alpn=_first(r"Application protocol: (\S+)", program.text),
        server_name=_first(r"Server Name: ([^<\s]+)", page),
        client=subject[1] if subject else "",
    )


NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    client_max_body_size 0;
    server {{
        listen {address}:{port} ssl{http2};
        ssl_protocols {version};
        ssl_prefer_server_ciphers on;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        {suite};
        ssl_ecdh_curve {curve};
        {more}
        location = / {{
            return 200 "$ssl_protocol|$ssl_cipher|$ssl_curve|$ssl_alpn_protocol|$ssl_server_name|$ssl_client_s_dn";
        }}
        location /files/ {{
            root {folder};
            dav_methods PUT;
        }}
    }}
}}
"""


@contextlib.contextmanager
def nginx(find: Find, materials: Materials, options: ServerOptions, folder: Path) -> Iterator[Server]:
    """nginx with a configuration of its own in `folder`; serves, and stores by PUT, what lies under `files/` there."""
    port = free_port()
    files = options.credential or materials.servers[options.cell.key]
    more = []
    if options.clients is not None:
        more += [f"ssl_client_certificate {options.clients};"]
        more += [f"ssl_verify_client {'on' if options.require else 'optional'};"]
    if not options.middlebox_compatibility:
        more += ["ssl_conf_command Options -MiddleboxCompat;"]
    (folder / "files").mkdir(parents=True, exist_ok=True)
    configuration = folder / "nginx.conf"
    text = NGINX_CONFIGURATION.format(
        folder=folder,
        address=LOOPBACK,
        port=port,
        http2=" http2" if "h2" in options.alpn else "",
        certificate=files.certificate,
        key=files.key,
        version=options.cell.version,
        suite=("ssl_ciphers " if options.cell.suite.tls12 else "ssl_conf_command Ciphersuites ") + options.cell.cipher,
        curve=":".join(group.curve for group in options.cell.groups),
        more="\n        ".join(more),
    )
    configuration.write_text(text, encoding="utf-8")
    arguments = [find("nginx"), "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    with Program(arguments) as program:
        yield Server(program, port, _nginx_report)


def _nginx_report(page: str) -> Report:
    protocol, cipher, curve, alpn, server_name, client = page.split("|")
    return Report(protocol, cipher, group_named(curve), alpn, server_name, _first(r"CN=([^,]+)", client) or "")


@contextlib.contextmanager
def nginx_server(find: Find, materials: Materials, options: ServerOptions) -> Iterator[Server]:
    """nginx with a folder of its own under that of the materials."""
    folder = Path(tempfile.mkdtemp(prefix="nginx-", dir=materials.folder))
    folder.chmod(0o755)
    with nginx(find, materials, options, folder) as server:
        yield server


def stdlib_environment(materials: Materials, cell: Cell | None) -> dict[str, str]:
    """OpenSSL's own configuration file is the only way to choose suites before Python 3.15."""
    if cell is None:
        return {}
    path = materials.folder / f"openssl-{cell}.cnf"
    kind = "CipherString" if cell.suite.tls12 else "Ciphersuites"
    groups = ":".join(group.openssl for group in cell.groups)
    path.write_text(
        "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = defaults\n[defaults]\n"
        f"{kind} = {cell.cipher}\nGroups = {groups}\n",
        encoding="utf-8",
    )
    return {"OPENSSL_CONF": str(path)}


def stdlib_peer(materials: Materials, cell: Cell | None, arguments: Sequence[str]) -> Program:
    """`ssl` of the standard library in a process of its own."""
    command = [sys.executable, "-m", "tests.interop.stdlib_peer", *arguments]
    if cell is not None and cell.suite.tls12:
        command += ["--tls12", cell.cipher]
    return Program(command, cwd=ROOT, environment=stdlib_environment(materials, cell))


@contextlib.contextmanager
def stdlib_server(find: Find, materials: Materials, options: ServerOptions) -> Iterator[Server]:
    """`ssl` of the standard library."""
    files = options.credential or materials.servers[options.cell.key]
    port = free_port()
    arguments = ["serve", "--port", str(port), "--cert", files.certificate, "--key", files.key]
    if options.clients is not None:
        arguments += ["--authority", options.clients] + (["--require"] if options.require else [])
    for protocol in options.alpn:
        arguments += ["--alpn", protocol]
    if not options.middlebox_compatibility:
        arguments += ["--no-middlebox"]
    with stdlib_peer(materials, options.cell, arguments) as program:
        yield Server(program, port, _stdlib_report)


def _stdlib_report(page: str) -> Report:
    return Report(**json.loads(page))


def _first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None


SERVERS: dict[str, Callable[[Find, Materials, ServerOptions], contextlib.AbstractContextManager[Server]]] = {
    "openssl": openssl_server,
    "gnutls": gnutls_server,
    "nginx": nginx_server,
    "stdlib": stdlib_server,
}
"""Servers by name."""
