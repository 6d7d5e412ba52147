"""The labels of the key schedule (RFC 9846 sections 4.5.3, 4.7.1, 7.1, 7.2 and 7.3), encoded once per suite.

Building HkdfLabels for every derivation costs a handshake 10 us, and they never change: what is not constant is the
context, and that stands at the end. Each value here is an HkdfLabel up to its context, or whole with the counter
octet of HKDF-Expand's first block behind it. The derivations themselves are in `tlsocket.key_schedule.secrets`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlsocket.crypto.hashes import HashAlgorithm
from tlsocket.crypto.hkdf import HmacState, extract, hkdf_label, hmac_state, hmac_with
from tlsocket.crypto.suites import TLS13_SUITES, CipherSuite

__all__ = ["LABELS", "Labels"]


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """HkdfLabels of one cipher suite; the names are the RFC's labels.

    A field typed as a prefix wants the transcript hash and `b"\\x01"` behind it; the others are whole.
    """

    hash: HashAlgorithm
    key_length: int
    iv_length: int
    # Whole, with the first block's counter.
    key: bytes
    iv: bytes
    finished: bytes
    traffic_upd: bytes
    derived: bytes
    ext_binder: bytes
    imp_binder: bytes
    res_binder: bytes
    # Prefixes.
    c_e_traffic: bytes
    e_exp_master: bytes
    c_hs_traffic: bytes
    s_hs_traffic: bytes
    c_ap_traffic: bytes
    s_ap_traffic: bytes
    exp_master: bytes
    res_master: bytes
    resumption: dict[bytes, bytes]
    """Whole, by ticket_nonce, for those of one byte that our own tickets have."""
    # Constants of a handshake without a PSK.
    handshake_salt: HmacState
    """HMAC state under `Derive-Secret(Early Secret, "derived", "")` when the Early Secret is HKDF-Extract(0, 0)."""


def _labels(suite: CipherSuite) -> Labels:
    algorithm = suite.hash
    size = algorithm.digest_size

    def whole(label: bytes, context: bytes = b"", length: int = size) -> bytes:
        return hkdf_label(length, label, context, first_block=True)

    def prefix(label: bytes) -> bytes:
        return hkdf_label(size, label, algorithm.zeros)[:-size]

    derived = whole(b"derived", algorithm.empty_digest)
    early = extract(algorithm, b"", algorithm.zeros)
    return Labels(
        hash=algorithm,
        key_length=suite.key_length,
        iv_length=suite.iv_length,
        key=whole(b"key", length=suite.key_length),
        iv=whole(b"iv", length=suite.iv_length),
        finished=whole(b"finished"),
        traffic_upd=whole(b"traffic upd"),
        derived=derived,
        ext_binder=whole(b"ext binder", algorithm.empty_digest),
        imp_binder=whole(b"imp binder", algorithm.empty_digest),
        res_binder=whole(b"res binder", algorithm.empty_digest),
        c_e_traffic=prefix(b"c e traffic"),
        e_exp_master=prefix(b"e exp master"),
        c_hs_traffic=prefix(b"c hs traffic"),
        s_hs_traffic=prefix(b"s hs traffic"),
        c_ap_traffic=prefix(b"c ap traffic"),
        s_ap_traffic=prefix(b"s ap traffic"),
        exp_master=prefix(b"exp master"),
        res_master=prefix(b"res master"),
        resumption={nonce: whole(b"resumption", nonce) for nonce in (bytes((number,)) for number in range(16))},
        handshake_salt=hmac_state(algorithm, hmac_with(hmac_state(algorithm, early), derived)),
    )


LABELS: dict[int, Labels] = {code: _labels(suite) for code, suite in TLS13_SUITES.items()}
"""By cipher suite code point."""
