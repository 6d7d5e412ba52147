"""`tlsocket request`: certificate requests made, with the private key waiting in the store, and shown.

Issuing is `ca`'s part; the certificate that comes back is joined to its key by `store add`.
"""

from __future__ import annotations

import sys

import click

from tlsocket.cli.authorities import open_authority
from tlsocket.cli.common import (
    StoreAccess,
    emit_json,
    force_option,
    json_option,
    location_option,
    output_option,
    password_option,
    write_output,
)
from tlsocket.cli.output import DONE, REFUSED, RefusedError, common, examples
from tlsocket.cli.passwords import Passwords
from tlsocket.cli.words import (
    certificate_json,
    key_option,
    now,
    plain,
    refuse_to_overwrite,
    sans_option,
    say,
    say_words,
    subject_option,
)
from tlsocket.pki.alternative_names import SubjectAlternativeNames
from tlsocket.pki.authority import Issued
from tlsocket.pki.certificates import printable
from tlsocket.pki.description import certificate_words, request_values, request_words
from tlsocket.pki.formats.writing import pem
from tlsocket.pki.names import DistinguishedName
from tlsocket.pki.requests import CertificateRequest, InvalidRequest
from tlsocket.pki.stores.entry import StoreEntry
from tlsocket.pki.stores.locations import StoreLocation
from tlsocket.pki.stores.store import CertificateStore

__all__ = ["read_request", "request"]


@click.group(
    epilog=examples(
        "tlsocket request new --subject CN=www.example.org --san dns:www.example.org -o www.csr",
        "tlsocket request show www.csr",
    )
)
def request() -> None:
    """Ask for a certificate: make a request for an authority, look at one."""


@request.command(
    epilog=examples(
        "tlsocket request new --subject CN=www.example.org --san dns:www.example.org -o www.csr",
        "tlsocket request new --subject CN=localhost --san dns:localhost,ip:127.0.0.1 --ca home -o localhost.pem",
    )
)
@subject_option(required=False)
@sans_option("The names that it is to be valid for; servers need one.")
@key_option
@click.option(
    "--usage",
    type=click.Choice(["server", "client", "both", "code-signing"]),
    default="server",
    show_default=True,
    help="What the certificate is for.",
)
@click.option("--ca", "authority", metavar="NAME", help="Have our own authority issue it at once, into MY.")
@click.option(
    "--with-key", is_flag=True, help="With --ca: the private key goes into the output too, for other programs."
)
@output_option
@force_option
@location_option
@password_option
@json_option
@common
def new(
    subject: DistinguishedName | None,
    sans: SubjectAlternativeNames | None,
    key: str,
    usage: str,
    authority: str | None,
    with_key: bool,
    output: str | None,
    force: bool,
    location: StoreLocation,
    passwords: Passwords,
    as_json: bool,
) -> int:
    """Make a key and a request for its certificate.

    The private key waits in the store MY; `tlsocket store add` brings it together with the certificate that the
    authority sends back. With --ca an authority of ours (`tlsocket ca create`) issues the certificate at once: it is
    put into MY, and the output is the certificate with its chain instead of the request.
    """
    if with_key and authority is None:
        raise click.UsageError(
            "--with-key needs --ca: the key of a request stays in the store until its certificate comes"
        )
    if as_json and output in (None, "-"):
        raise click.UsageError("--json and the output cannot both be standard output: give -o FILE")
    refuse_to_overwrite(output, force)
    try:
        made = CertificateRequest.create(
            subject if subject is not None else DistinguishedName.parse(""), sans or (), key=key, usage=usage
        )
    except InvalidRequest as error:
        raise click.UsageError(f"{error} (--subject, --san)") from None
    place = StoreAccess("MY", location, passwords)
    # Whoever is to issue it is looked for before anything is written.
    issuer = None if authority is None else open_authority(authority, location, passwords)
    with place.open(writing=True) as store:
        waiting = _remember(store, made)
        try:
            if issuer is None:
                write_output(output, made.pem, force=force)
                _tell_request(made, store, output, as_json)
                return DONE
            with issuer:
                issued = issuer.issue(made.pem, profile=usage)
            entry = _keep(store, issued, subject)
        except BaseException:
            # Without its request or certificate the key is of no use to anybody.
            store.forget_pending_key(waiting)
            raise
        data = pem(issued.chain, made.private_key if with_key else None)
        write_output(output, data, force=force, secret=with_key)
        _tell_issued(entry, output, as_json, with_key)
    return DONE


def _remember(store: CertificateStore, made: CertificateRequest) -> str:
    if made.private_key is None:
        raise RefusedError("the request has no private key of ours")
    return store.remember_pending_key(made.private_key)


def _keep(store: CertificateStore, issued: Issued, subject: DistinguishedName | None) -> StoreEntry:
    """The issued certificate in MY, with its chain, its waiting key and the common name to call it by."""
    common_name = "" if subject is None else subject.common_name
    return store.add(issued.certificate, friendly_name=common_name or "", chain=issued.chain[1:])


def _tell_request(made: CertificateRequest, store: CertificateStore, output: str | None, as_json: bool) -> None:
    if as_json:
        emit_json("request", [plain(request_values(made))])
        return
    if output is None:
        output = "-"
    say(f"request for {str(made.subject) or str(made.alternative_names)}", output=output)
    if output != "-":
        say(f"  written to {output}: send it to an authority", output=output)
    say(f"  its private key waits in MY ({store.place}); next: tlsocket store add CERTIFICATE", output=output)


def _tell_issued(entry: StoreEntry, output: str | None, as_json: bool, with_key: bool) -> None:
    if as_json:
        emit_json("certificate", [certificate_json(entry.certificate)])
        return
    if output is None:
        output = "-"
    called = entry.friendly_name or entry.thumbprint[:16]
    say(f"certificate for {called}, in MY with its private key ({entry.place})", output=output)
    say_words(certificate_words(entry.certificate, now()), output=output)
    if output != "-":
        what = "certificate, chain and private key" if with_key else "certificate and chain"
        say(f"  {what} written to {output}", output=output)


def read_request(file: str) -> CertificateRequest:
    """A request from a file, or from standard input for `-`."""
    if file != "-":
        return CertificateRequest.load(file)
    data = sys.stdin.buffer.read(1 << 21)
    if b"-----BEGIN " not in data and data[:1] != b"\x30":
        raise RefusedError("standard input: neither PEM nor DER; give a certificate request")
    return CertificateRequest.load(data)


@request.command(
    epilog=examples(
        "tlsocket request show www.csr",
        "tlsocket request show www.csr --json",
    )
)
@click.argument("file", metavar="F")
@json_option
@common
def show(file: str, as_json: bool) -> int:
    """Show a request in words, its signature checked; exit 1 when the signature is wrong."""
    found = read_request(file)
    values = request_values(found)
    if as_json:
        emit_json("request", [plain(values)])
    else:
        say(f"request in {printable(file)}")
        say_words(request_words(found))
    return DONE if values["signature_valid"] else REFUSED
