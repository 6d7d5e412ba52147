"""`tlsocket ca`: an authority of one's own: made, asked for certificates, and looked into.

Judging requests, signing and the ledger are `tlsocket.pki.authority`'s.
"""

from __future__ import annotations

import datetime
import sys

import click

from tlsocket import clock
from tlsocket.cli.authorities import (
    authorities_folder,
    authority_option,
    certificates_of,
    keep_trusted,
    ledger_entry,
    open_authority,
)
from tlsocket.cli.common import (
    cell,
    emit_json,
    expiry_text,
    force_option,
    json_option,
    location_option,
    output_option,
    password_option,
    print_table,
    rfc3339,
    table,
    write_output,
)
from tlsocket.cli.output import DONE, CommandError, common, examples
from tlsocket.cli.passwords import Passwords
from tlsocket.cli.request import read_request
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
from tlsocket.pki.authority import PROFILES, REVOCATION_REASONS, CertificateAuthority, Issued, LedgerEntry
from tlsocket.pki.certificates import subject_text
from tlsocket.pki.description import certificate_words, crl_values
from tlsocket.pki.files import read_limited
from tlsocket.pki.formats.writing import pem, revocation_list_pem
from tlsocket.pki.names import DistinguishedName
from tlsocket.pki.requests import CertificateRequest
from tlsocket.pki.stores.locations import StoreLocation

__all__ = ["ca"]

RELEASE = "removeFromCRL"
"""RFC 5280 section 5.3.1: takes a certificateHold back."""

_MAXIMUM_OCSP_REQUEST = 1 << 16
_WANTED = {
    frozenset({"serverAuth"}): "server",
    frozenset({"clientAuth"}): "client",
    frozenset({"serverAuth", "clientAuth"}): "both",
    frozenset({"codeSigning"}): "code-signing",
}


@click.group(
    epilog=examples(
        'tlsocket ca create home --subject "CN=Home authority" -o home.pem',
        "tlsocket ca list",
    )
)
def ca() -> None:
    """An authority of your own: issue, renew and revoke certificates."""


@ca.command(
    epilog=examples(
        'tlsocket ca create home --subject "CN=Home authority" -o home.pem',
        'tlsocket ca create office --subject "CN=Office,O=Example" --parent home --days 1000',
    )
)
@click.argument("name", metavar="NAME")
@subject_option(required=True)
@click.option("--parent", metavar="CA", help="Have this authority of ours certify it; else it is a root.")
@click.option("--days", type=float, metavar="N", help="How long it is valid. [3650; 1825 below a parent]")
@key_option
@output_option
@force_option
@location_option
@password_option
@json_option
@common
def create(
    name: str,
    subject: DistinguishedName,
    parent: str | None,
    days: float | None,
    key: str,
    output: str | None,
    force: bool,
    location: StoreLocation,
    passwords: Passwords,
    as_json: bool,
) -> int:
    """Make an authority in the location's data folder.

    A root is put into the store ROOT, so that what it issues is trusted here; one below a parent into CA. With
    --password-file its key is encrypted. With -o its certificate is written too, for those who are to trust it.
    """
    refuse_to_overwrite(output, force)
    folder = authorities_folder(location)
    above = None if parent is None else open_authority(parent, location, passwords)
    try:
        if above is not None:
            above.unlock()
        # Only a password that was given is used: a root without one is as protected as the folder that it is in.
        password = passwords.ask(f"password of the authority {name}", confirm=True) if passwords.left else None
        with CertificateAuthority.create(
            folder, name, subject, parent=above, key=key, days=days, password=password
        ) as made:
            store = keep_trusted(made, location)
            if output is not None:
                write_output(output, pem([made.certificate]), force=force)
            if as_json:
                emit_json("authority", [_authority_item(made)])
                return DONE
            say(f"authority {name} in {made.path}", output=output)
            say_words(certificate_words(made.certificate, now()), output=output)
            why = (
                "what it issues is trusted there" if store == "ROOT" else "chains of what it issues are completed there"
            )
            say(f"  its certificate is in {store} of {location}: {why}", output=output)
            if password is None:
                say("  its key is not encrypted (--password-file): the folder keeps others out", output=output)
    finally:
        if above is not None:
            above.close()
    return DONE


@ca.command(
    epilog=examples(
        "tlsocket ca issue www.csr --ca home -o www.pem --chain",
        "tlsocket ca issue alice.csr --ca home --profile client --days 90 -o alice.pem",
    )
)
@click.argument("request", metavar="REQUEST")
@authority_option
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES)),
    help="What kind of certificate. [what the request asks for, never an authority's; else server]",
)
@click.option("--days", type=float, metavar="N", help="How long it is valid. [server 90, client 365]")
@sans_option("Certify these names instead of those in the request.")
@click.option("--chain", is_flag=True, help="Write the intermediates too, as servers need them.")
@output_option
@force_option
@location_option
@password_option
@json_option
@common
def issue(
    request: str,
    authority: str,
    profile: str | None,
    days: float | None,
    sans: SubjectAlternativeNames | None,
    chain: bool,
    output: str | None,
    force: bool,
    location: StoreLocation,
    passwords: Passwords,
    as_json: bool,
) -> int:
    """Issue a certificate for a request (a file, or - for standard input).

    Whether the requester may have these names is yours to know: look with `tlsocket request show`.
    """
    refuse_to_overwrite(output, force)
    wanted = read_request(request)
    chosen = profile if profile is not None else _profile_of(wanted)
    with open_authority(authority, location, passwords) as issuer:
        issued = issuer.issue(wanted.pem, profile=chosen, days=days, sans=sans)
    _hand_out(issued, chosen, chain, output, force, as_json)
    return DONE


@ca.command(
    epilog=examples(
        "tlsocket ca renew www.example.org --ca home -o www2.pem",
        "tlsocket ca renew localhost --ca home -o - | tlsocket store add -",
    )
)
@click.argument("which", metavar="ENTRY|SERIAL")
@authority_option
@output_option
@force_option
@location_option
@password_option
@json_option
@common
def renew(
    which: str,
    authority: str,
    output: str | None,
    force: bool,
    location: StoreLocation,
    passwords: Passwords,
    as_json: bool,
) -> int:
    """Issue a certificate anew, for the same key, names and length of time, with its chain.

    The old one stays valid until it expires or is revoked.
    """
    refuse_to_overwrite(output, force)
    with open_authority(authority, location, passwords) as issuer:
        entry = ledger_entry(issuer, which, location)
        issued = issuer.renew(entry)
    _hand_out(issued, entry.profile, True, output, force, as_json)
    return DONE


@ca.command(
    epilog=examples(
        "tlsocket ca revoke alice --ca home --reason keyCompromise",
        "tlsocket ca revoke www.example.org --ca home --reason superseded",
    )
)
@click.argument("which", metavar="SERIAL|ENTRY")
@authority_option
@click.option(
    "--reason",
    required=True,
    type=click.Choice([*REVOCATION_REASONS, RELEASE], case_sensitive=False),
    help="Why; removeFromCRL takes a certificateHold back.",
)
@location_option
@json_option
@common
def revoke(which: str, authority: str, reason: str, location: StoreLocation, as_json: bool) -> int:
    """Revoke a certificate. `tlsocket serve` refuses it at once, others with the next list (`tlsocket ca crl`)."""
    with open_authority(authority, location, Passwords()) as issuer:
        entry = ledger_entry(issuer, which, location)
        done = issuer.release(entry) if reason.lower() == RELEASE.lower() else issuer.revoke(entry, reason)
        if as_json:
            emit_json("ledger", [_ledger_item(done)])
            return DONE
        if done.revoked_at is None:
            say(f"{done.subject}, serial {done.serial:x}, is no longer revoked")
        else:
            word = "held" if done.state(clock.now()).value == "held" else "revoked"
            say(f"{done.subject}, serial {done.serial:x}, is {word} ({reason})")
        say(f"  tell others with a list: tlsocket ca crl --ca {authority} -o {authority}.crl")
    return DONE


@ca.command(
    epilog=examples(
        "tlsocket ca crl --ca home -o home.crl",
        "tlsocket ca crl --ca home | openssl crl -noout -text",
    )
)
@authority_option
@output_option
@force_option
@location_option
@password_option
@json_option
@common
def crl(
    authority: str,
    output: str | None,
    force: bool,
    location: StoreLocation,
    passwords: Passwords,
    as_json: bool,
) -> int:
    """Make the list of what is revoked (a CRL in PEM), valid for 7 days; run it from cron with --force."""
    refuse_to_overwrite(output, force)
    with open_authority(authority, location, passwords) as issuer:
        made = issuer.crl()
    write_output(output, revocation_list_pem(made), force=force)
    values = crl_values(made)
    if as_json and output not in (None, "-"):
        emit_json("crl", [plain(values)])
    elif output is not None:
        end = values["next_update"]
        count = len(values["revoked"])
        say(
            f"list number {values['number']} of {authority}: {count} revoked; the next one is due by {end:%Y-%m-%d}",
            output=output,
        )
    return DONE


@ca.command(
    epilog=examples(
        "tlsocket ca ocsp www.ocsp-request --ca home -o www.ocsp",
        "tlsocket ca ocsp - --ca home -o - < www.ocsp-request > www.ocsp-response",
    )
)
@click.argument("request", metavar="REQUEST")
@authority_option
@output_option
@force_option
@location_option
@password_option
@common
def ocsp(
    request: str, authority: str, output: str | None, force: bool, location: StoreLocation, passwords: Passwords
) -> int:
    """Answer an OCSP request (DER, as `openssl ocsp -reqout` writes it), valid for a day."""
    refuse_to_overwrite(output, force)
    if output is None:
        raise click.UsageError("an OCSP response is not text: give -o FILE (or -o - for standard output)")
    if request == "-":
        data = sys.stdin.buffer.read(_MAXIMUM_OCSP_REQUEST)
    else:
        data = read_limited(request, _MAXIMUM_OCSP_REQUEST, what="OCSP request", regular=False)
    if not data:
        raise CommandError(f"{request}: the file is empty; give an OCSP request in DER")
    with open_authority(authority, location, passwords) as issuer:
        answer = issuer.ocsp_response(data)
    write_output(output, answer, force=force, text=False)
    return DONE


@ca.command(
    "list",
    epilog=examples(
        "tlsocket ca list --ca home",
        "tlsocket ca list --ca home --json",
    ),
)
@click.option("--ca", "authority", metavar="NAME", help="Which authority's ledger; without it the authorities.")
@location_option
@json_option
@common
def list_(authority: str | None, location: StoreLocation, as_json: bool) -> int:
    """List what an authority has issued, or the authorities."""
    if authority is None:
        return _list_authorities(location, as_json)
    with open_authority(authority, location, Passwords()) as issuer:
        entries = issuer.entries()
    if as_json:
        emit_json("ledger", [_ledger_item(entry) for entry in entries])
        return DONE
    if not entries:
        say(f"the authority {authority} has issued nothing yet")
        return DONE
    rows = table("thumbprint", "subject", "profile", "expires", "state", wrap=("subject", "state"))
    for entry in entries:
        state = entry.state(clock.now()).value
        reason = "" if entry.reason is None else f" ({entry.reason.value})"
        rows.add_row(
            entry.thumbprint[:16],
            cell(entry.subject),
            entry.profile,
            expiry_text(entry.certificate),
            f"{state}{reason}",
        )
    print_table(rows)
    return DONE


def _list_authorities(location: StoreLocation, as_json: bool) -> int:
    folder = authorities_folder(location)
    names = CertificateAuthority.names(folder)
    items = []
    rows = table("name", "subject", "expires", "issued", wrap=("subject",))
    for name in names:
        with CertificateAuthority.open(folder, name) as found:
            items.append(_authority_item(found))
            entries = found.entries()
            rows.add_row(name, cell(subject_text(found.certificate)), expiry_text(found.certificate), str(len(entries)))
    if as_json:
        emit_json("authority", items)
    elif names:
        print_table(rows)
    else:
        say(f"there is no authority in {folder}; make one: tlsocket ca create NAME --subject DN")
    return DONE


def _profile_of(request: CertificateRequest) -> str:
    """What the request asks for, as far as that is a matter of course; an authority's certificate never is."""
    return _WANTED.get(frozenset(request.extended_key_usage), "server")


def _hand_out(issued: Issued, profile: str, chain: bool, output: str | None, force: bool, as_json: bool) -> None:
    """The certificate to where it was asked for, and in words."""
    if as_json and output in (None, "-"):
        emit_json("certificate", [_issued_item(issued, profile)])
        return
    write_output(output, pem(certificates_of(issued, chain=chain)), force=force)
    if as_json:
        emit_json("certificate", [_issued_item(issued, profile)])
        return
    where = "-" if output is None else output
    say(f"issued under the profile {profile}:", output=where)
    say_words(certificate_words(issued.certificate, now()), output=where)
    for oid in issued.dropped:
        say(f"  left out of what the request asked for: extension {oid.dotted_string}", output=where)
    if where != "-":
        say(f"  written to {where}", output=where)


def _issued_item(issued: Issued, profile: str) -> dict[str, object]:
    text = pem(issued.chain).decode("ascii")
    return {**certificate_json(issued.certificate), "profile": profile, "chain_pem": text}


def _authority_item(authority: CertificateAuthority) -> dict[str, object]:
    return {
        "name": authority.name,
        "folder": str(authority.path),
        "is_root": not authority.issuers,
        **certificate_json(authority.certificate),
    }


def _ledger_item(entry: LedgerEntry) -> dict[str, object]:
    revoked = None if entry.revoked_at is None else rfc3339(_moment(entry.revoked_at))
    return {
        **certificate_json(entry.certificate),
        "profile": entry.profile,
        "state": entry.state(clock.now()).value,
        "issued_at": rfc3339(_moment(entry.issued_at)),
        "revoked_at": revoked,
        "reason": None if entry.reason is None else entry.reason.value,
        "renews": None if entry.renews is None else f"{entry.renews:x}",
    }


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
