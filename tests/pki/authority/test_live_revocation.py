"""`LiveRevocation`: what a ledger says is refused at the next verification, and silence is no consent."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tlsocket import clock
from tlsocket.pki.authority import CertificateAuthority, LiveRevocation
from tlsocket.pki.certificates import Purpose, certificate_der
from tlsocket.pki.errors import Refusal, VerificationFailed
from tlsocket.pki.names import DistinguishedName
from tlsocket.pki.requests import CertificateRequest
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.verifier import Verifier


def create(folder: Path, name: str, parent: CertificateAuthority | None = None) -> CertificateAuthority:
    return CertificateAuthority.create(folder, name, DistinguishedName.parse(f"CN={name}"), parent=parent)


def issue(authority: CertificateAuthority, name: str) -> list[bytes]:
    request = CertificateRequest.create(f"CN={name}", usage="client")
    return [certificate_der(certificate) for certificate in authority.issue(request.pem, profile="client").chain]


def judge(root: CertificateAuthority, callback: LiveRevocation) -> Callable[[list[bytes]], Refusal | None]:
    verifier = Verifier(TrustAnchors([root.certificate]), callback=callback)

    def verdict(chain: list[bytes]) -> Refusal | None:
        try:
            verifier.verify(chain, Purpose.CLIENT, None, clock.now())
        except VerificationFailed as error:
            return error.refusal
        return None

    return verdict


def test_a_revocation_counts_at_once_and_a_hold_can_end(tmp_path: Path) -> None:
    root = create(tmp_path, "root")
    chain = issue(root, "a")
    verdict = judge(root, LiveRevocation(tmp_path))
    assert verdict(chain) is None
    entry = root.revoke(root.entries()[0], "certificateHold")
    assert verdict(chain) is Refusal.REVOKED
    root.release(entry)
    assert verdict(chain) is None
    root.revoke(entry, "keyCompromise")
    with pytest.raises(VerificationFailed) as refused:
        Verifier(TrustAnchors([root.certificate]), callback=LiveRevocation(tmp_path)).verify_client(chain, clock.now())
    assert "keyCompromise" in refused.value.problem
    assert (refused.value.verify_code, refused.value.depth) == (23, 0)


def test_a_revoked_intermediate_and_an_authority_made_later(tmp_path: Path) -> None:
    root = create(tmp_path, "root")
    verdict = judge(root, LiveRevocation(tmp_path))
    below = create(tmp_path, "below", root)
    chain = issue(below, "a")
    assert verdict(chain) is None
    below.revoke(below.entries()[0], "superseded")
    assert verdict(chain) is Refusal.REVOKED
    other = issue(below, "b")
    assert verdict(other) is None
    root.revoke(below.certificate, "cACompromise")
    assert verdict(other) is Refusal.REVOKED


def test_what_the_ledger_does_not_know_is_refused(tmp_path: Path) -> None:
    root = create(tmp_path / "one", "root")
    chain = issue(root, "a")
    # The same authority from a backup that is older than the certificate.
    root.close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    ledger = tmp_path / "two" / "root" / "ledger.sqlite"
    import sqlite3

    with sqlite3.connect(ledger) as connection:
        connection.execute("DELETE FROM certificates")
    connection.close()
    assert judge(root, LiveRevocation(tmp_path / "two"))(chain) is Refusal.REVOCATION_UNKNOWN


def test_of_others_nothing_is_asked(tmp_path: Path) -> None:
    root = create(tmp_path / "ours", "root")
    chain = issue(root, "a")
    create(tmp_path / "theirs", "root")
    assert judge(root, LiveRevocation(tmp_path / "theirs"))(chain) is None
    assert judge(root, LiveRevocation(tmp_path / "nowhere"))(chain) is None
