"""`tlsocket verify`: is this certificate believed? The tree of the chain, the verdict, and what to do.

The judgement is `tlsocket.pki.trust`'s alone; here its question is put together and its answer put into words.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from tlsocket.cli.common import (
    certificate_item,
    emit_json,
    json_option,
    location_option,
    password_option,
    rfc3339,
    status_of,
    wide_console,
)
from tlsocket.cli.output import DONE, CommandError, RefusedError, common, examples
from tlsocket.cli.passwords import Passwords
from tlsocket.cli.words import now, say
from tlsocket.pki.certificates import (
    PARSE_ERRORS,
    Purpose,
    certificate_der,
    key_description,
    parse_certificate,
    printable,
    subject_text,
)
from tlsocket.pki.errors import Attempt, Problem, VerificationFailed
from tlsocket.pki.files import read_limited
from tlsocket.pki.formats.reading import read_contents
from tlsocket.pki.revocation import RevocationCheck, RevocationLists
from tlsocket.pki.stores.distrust import Distrust
from tlsocket.pki.stores.errors import StoreError
from tlsocket.pki.stores.locations import OpenMode, StoreLocation, StoreName, store_name
from tlsocket.pki.stores.store import CertificateStore
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import PROFILES
from tlsocket.pki.trust.verifier import Verifier

__all__ = ["verify"]

_MAXIMUM_OCSP = 1 << 20
_SHOWN_ATTEMPTS = 8


@dataclass(frozen=True)
class Outcome:
    """What was found out."""

    path: tuple[bytes, ...]
    """The path that the verdict is about, the certificate's own first."""
    failure: VerificationFailed | None
    reached_anchor: bool = True


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime.datetime | None:
    if value is None:
        return None
    try:
        parsed = datetime.datetime.fromisoformat(value)
        parsed = parsed.replace(tzinfo=datetime.UTC) if parsed.tzinfo is None else parsed.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r:.60} is no time; write 2027-01-31 or 2027-01-31T18:00:00Z") from None
    return parsed


def _store(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else store_name(value)
    except StoreError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    epilog=examples(
        "tlsocket verify localhost.pem --host localhost",
        "tlsocket verify alice.pem --purpose client --roots home.pem --crl home.crl",
    )
)
@click.argument("file", metavar="FILE")
@click.option("--host", metavar="N", help="The server's name or address that the certificate has to be valid for.")
@click.option(
    "--profile", type=click.Choice(sorted(PROFILES)), default="strict", show_default=True, help="Which rules."
)
@click.option(
    "--purpose", type=click.Choice(["server", "client"]), default="server", show_default=True, help="Used by whom."
)
@click.option("--chain", metavar="F", help="Further certificates, not trusted, that may complete the chain.")
@click.option("--roots", metavar="F", help="Trust the certificates in this file or folder, and no others.")
@click.option("--store", metavar="ROOT", callback=_store, help="Trust the certificates in this store. [ROOT]")
@click.option("--crl", metavar="F", multiple=True, help="Revocation lists; then the certificate must be on none.")
@click.option("--ocsp", metavar="F", multiple=True, help="OCSP responses in DER; the same.")
@click.option("--at", metavar="TIME", callback=_moment, help="Judge as of this time (UTC). [now]")
@location_option
@password_option
@json_option
@common
def verify(
    file: str,
    host: str | None,
    profile: str,
    purpose: str,
    chain: str | None,
    roots: str | None,
    store: str | None,
    crl: Sequence[str],
    ocsp: Sequence[str],
    at: datetime.datetime | None,
    location: StoreLocation,
    passwords: Passwords,
    as_json: bool,
) -> int:
    """Verify the certificate in FILE, its own first, and say why it is believed or not. Exit 1 when it is refused.

    Other certificates in FILE may complete the chain, as may those in the store CA. Nothing is fetched.
    """
    if roots is not None and store is not None:
        raise click.UsageError("--roots and --store exclude each other: say one place of trust")
    if host is not None and purpose == "client":
        raise click.UsageError("--host is for servers: a client's certificate has no name to compare")
    certificates = _chain(file, chain, passwords)
    verifier = Verifier(
        _anchors(roots, store, location).distrusting(*Distrust(location).fingerprints()),
        profile=PROFILES[profile],
        intermediates=_intermediates(location),
        revocation=_revocation(crl, ocsp, profile),
    )
    moment = now() if at is None else at
    outcome = _judge(verifier, certificates, purpose, host, moment)
    if as_json:
        question = {"file": file, "profile": profile, "purpose": purpose, "host": host, "at": rfc3339(moment)}
        emit_json("verification", [{**question, **_item(outcome)}])
    else:
        _tell(outcome, purpose, host, moment)
    if outcome.failure is not None:
        first = outcome.failure.problems[0]
        raise RefusedError(f"{file}: refused: {first.detail}; {first.remedy}" if first.remedy else f"{file}: refused")
    return DONE


def _chain(file: str, chain: str | None, passwords: Passwords) -> list[bytes]:
    def password() -> bytes:
        return passwords.required(f"password of {file}")

    found = read_contents(file, password, keys=False)
    if not found.items:
        raise CommandError(f"{file}: no certificate in it; give a certificate in PEM, DER, PKCS #7 or PKCS #12")
    certificates = [certificate_der(item.certificate) for item in found.items]
    # In a PKCS #12 the certificate with the key is the one that it is about, wherever it stands.
    mine = [position for position, item in enumerate(found.items) if item.key is not None]
    if mine:
        certificates.insert(0, certificates.pop(mine[0]))
    if chain is not None:
        certificates += [certificate_der(item) for item in read_contents(chain, keys=False).certificates]
    return list(dict.fromkeys(certificates))


def _anchors(roots: str | None, store: str | None, location: StoreLocation) -> TrustAnchors:
    if roots is None:
        name = StoreName.ROOT.value if store is None else store
        mode = OpenMode.READ_ONLY if name in StoreName.__members__ else OpenMode.EXISTING_ONLY
        with CertificateStore(name, location, mode) as opened:
            return opened.anchors()
    return TrustAnchors.load_folder(roots) if os.path.isdir(roots) else TrustAnchors.load(roots)


def _intermediates(location: StoreLocation) -> list[TrustAnchors]:
    if location.kind == "pkcs12":
        return []
    with CertificateStore(StoreName.CA, location, OpenMode.READ_ONLY) as store:
        return [store.anchors()]


def _revocation(crl: Sequence[str], ocsp: Sequence[str], profile: str) -> RevocationCheck | None:
    if not crl and not ocsp:
        return None
    lists = RevocationLists()
    for name in crl:
        lists |= RevocationLists.load(name)
    answers = None
    if ocsp:
        from tlsocket.pki.ocsp import OCSPAnswers

        read = [read_limited(name, _MAXIMUM_OCSP, what="OCSP response", regular=False) for name in ocsp]
        answers = OCSPAnswers(read)
    return RevocationCheck(lists, answers=answers, issuers_if_known=True, number_needed=profile == "webpki")


def _judge(
    verifier: Verifier, certificates: list[bytes], purpose: str, host: str | None, moment: datetime.datetime
) -> Outcome:
    try:
        found = verifier.verify(certificates, Purpose(purpose), host, moment.timestamp())
    except VerificationFailed as error:
        attempt = _attempt_of(error)
        if attempt is None:
            return Outcome(tuple(certificates[:1]), error, False)
        return Outcome(attempt.path, error, attempt.reached_anchor)
    except ValueError as error:
        raise click.UsageError(f"--host: {error}") from None
    return Outcome(found.path, None)


def _attempt_of(error: VerificationFailed) -> Attempt | None:
    """The attempt that the error's problems are of."""
    for attempt in error.attempts:
        if attempt.problems == error.problems:
            return attempt
    same = [attempt for attempt in error.attempts if error.problems[0] in attempt.problems]
    return max(same or error.attempts, key=lambda attempt: len(attempt.path), default=None)


def _tell(outcome: Outcome, purpose: str, host: str | None, moment: datetime.datetime) -> None:
    problems = () if outcome.failure is None else outcome.failure.problems
    tree: Tree | None = None
    branch: Any = None
    for depth in range(len(outcome.path) - 1, -1, -1):
        trusted = outcome.reached_anchor and depth == len(outcome.path) - 1
        label = _label(outcome.path[depth], [p for p in problems if p.depth == depth], trusted)
        if tree is None:
            tree = branch = Tree(label)
        else:
            branch = branch.add(label)
    if tree is not None:
        wide_console().print(tree)
    if outcome.failure is None:
        whose = f" for {host}" if host is not None else ""
        say(f"verdict: good, as a {purpose}'s certificate{whose}, at {moment:%Y-%m-%d %H:%M} UTC")
        return
    others = [attempt for attempt in outcome.failure.attempts if attempt.path != outcome.path]
    for attempt in others[:_SHOWN_ATTEMPTS]:
        say(f"also tried: {printable(str(attempt))}")
    if len(others) > _SHOWN_ATTEMPTS:
        say(f"and {len(others) - _SHOWN_ATTEMPTS} other paths")
    first = outcome.failure.problems[0]
    say(f"verdict: refused: {first.refusal.value} (OpenSSL calls it {first.verify_code}, {first.verify_message})")
    if first.remedy:
        say(f"what to do: {first.remedy}")


def _label(data: bytes, problems: Sequence[Problem], trusted: bool) -> Text:
    try:
        certificate = parse_certificate(data)
        subject, key = subject_text(certificate), key_description(certificate)
        end = f"until {certificate.not_valid_after_utc:%Y-%m-%d}"
        soon = " (expires soon)" if status_of(certificate) == "expires soon" else ""
        text = Text(f"{subject}  {key}, valid {end}{soon}")
    except PARSE_ERRORS:
        text = Text("a certificate that cannot be parsed")
    if trusted:
        text.append("  trusted", "green")
    for problem in problems:
        text.append(f"\n! {printable(problem.detail)}", "bold red")
    return text


def _item(outcome: Outcome) -> dict[str, Any]:
    path = []
    for data in outcome.path:
        try:
            path.append(certificate_item(parse_certificate(data)))
        except PARSE_ERRORS:
            path.append({"status": "broken"})
    failure = outcome.failure
    first = None if failure is None else failure.problems[0]
    return {
        "verdict": "good" if failure is None else "refused",
        "reason": None if first is None else first.refusal.name.lower(),
        "problem": None if first is None else first.detail,
        "remedy": None if first is None else first.remedy,
        "depth": None if first is None else first.depth,
        "verify_code": 0 if first is None else first.verify_code,
        "path": path,
        "reached_anchor": outcome.reached_anchor,
        "problems": [] if failure is None else [_problem(problem) for problem in failure.problems],
        "attempts": []
        if failure is None
        else [
            {"subjects": list(attempt.subjects), "problems": [_problem(problem) for problem in attempt.problems]}
            for attempt in failure.attempts
        ],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "reason": problem.refusal.name.lower(),
        "depth": problem.depth,
        "subject": problem.subject,
        "problem": problem.detail,
        "remedy": problem.remedy,
        "check": problem.check.lower() or None,
        "verify_code": problem.verify_code,
        "verify_message": problem.verify_message,
    }
