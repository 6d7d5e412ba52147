"""The tables of the manual's page on authorities are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509

from tlsocket.pki.authority import DEFAULT_COPY_POLICY, PROFILES, Treatment
from tlsocket.pki.requests import EXTENDED_KEY_USAGES

PAGE = (Path(__file__).resolve().parents[3] / "src/tlsocket/manual/authority.md").read_text(encoding="utf-8")


def test_the_copy_policy_is_the_one_that_is_written() -> None:
    rows = re.findall(r"^\| [^|]+ \(([0-9.]+)\) \| ([A-Z]+) \|$", PAGE, re.MULTILINE)
    written = {x509.ObjectIdentifier(oid): Treatment[treatment] for oid, treatment in rows}
    assert written == dict(DEFAULT_COPY_POLICY.treatments)
    (critical,) = re.findall(r"^\| any other, critical \| (\w+) \|$", PAGE, re.MULTILINE)
    (other,) = re.findall(r"^\| any other, not critical \| (\w+) \|$", PAGE, re.MULTILINE)
    unknown = x509.ObjectIdentifier("1.2.3.4")
    assert DEFAULT_COPY_POLICY.treatment(unknown, critical=True) is Treatment[critical]
    assert DEFAULT_COPY_POLICY.treatment(unknown, critical=False) is Treatment[other]


def test_the_profiles_are_those_that_are_written() -> None:
    words = {oid: word for word, oid in EXTENDED_KEY_USAGES.items()}
    rows = []
    for profile in PROFILES.values():
        usages = ", ".join(words[oid] for oid in profile.extended_key_usages) or "none"
        kinds = ", ".join(sorted(kind.value for kind in profile.name_kinds)) or "none"
        required = "; one is required" if profile.names_required else ""
        wildcards = "yes" if profile.wildcards else "no"
        rows.append(
            f"| `{profile.name}` | {profile.days} | {profile.maximum_days} | {usages} | {kinds}{required} | {wildcards}"
            f" | {profile.minimum_rsa_bits} |"
        )
    assert "\n".join(rows) in PAGE


def test_every_reason_to_revoke_is_written() -> None:
    for reason in x509.ReasonFlags:
        assert (f"`{reason.value}`" in PAGE) == (reason is not x509.ReasonFlags.remove_from_crl)
