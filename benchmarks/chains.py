"""Verification of an ECDSA chain, certificates parsed afresh each time: cryptography's verifier in the place of `ssl`.

`ssl` verifies only within a handshake. Ours runs under the profile `strict`, for the same host name and moment.
"""

from __future__ import annotations

import datetime
import gc
import statistics
import time
from collections.abc import Callable

from cryptography import x509
from cryptography.x509 import verification

from tlsocket.crypto import certificates
from tlsocket.pki.authority import Authority
from tlsocket.pki.trust import facts
from tlsocket.pki.trust.anchors import TrustAnchors
from tlsocket.pki.trust.profiles import PROFILES
from tlsocket.pki.trust.verifier import Verifier

HOST = "www.example.org"


def run(library: str, length: int = 2, count: int = 1500, profile: str = "strict") -> dict[str, float]:
    """Median microseconds for a chain of so many certificates, the root among them."""
    root = Authority.create("root")
    issuer = root if length == 2 else root.create_intermediate("middle")
    chain = issuer.issue(HOST, common_name=HOST).chain
    judge = _theirs(root, chain) if library == "stdlib" else _ours(root, chain, profile)
    for _ in range(20):
        judge()
    gc.collect()
    spent = []
    for _ in range(count):
        started = time.perf_counter()
        judge()
        spent.append(time.perf_counter() - started)
    return {"us": statistics.median(spent) * 1e6}


def _theirs(root: Authority, chain: tuple[bytes, ...]) -> Callable[[], object]:
    store = verification.Store([root.certificate])
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    name = x509.DNSName(HOST)

    def judge() -> object:
        leaf, *others = [x509.load_der_x509_certificate(data) for data in chain]
        return verification.PolicyBuilder().store(store).time(when).build_server_verifier(name).verify(leaf, others)

    return judge


def _ours(root: Authority, chain: tuple[bytes, ...], profile: str) -> Callable[[], object]:
    verifier = Verifier(TrustAnchors([root.certificate]), profile=PROFILES[profile])
    at = time.time() + 1

    def judge() -> object:
        facts.clear_cache()
        certificates.clear_cache()
        return verifier.verify_server(chain, HOST, at)

    return judge
