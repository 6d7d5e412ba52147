"""A program that forks processes which use an authority, so that a test can kill them: see `victims`.

Everything is imported before the first fork. A child waits for one byte, then opens the authority, does one thing,
tells what came of it, closes the authority, and tells that too: all of that may be cut short.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sqlite3

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.pki.authority.support import distinguished
from tlsocket.pki.authority import CertificateAuthority, revocation_lists
from tlsocket.pki.errors import PkiError

PRELOADED = (sqlite3, revocation_lists)
PR_SET_PTRACER, PR_SET_PTRACER_ANY = 0x59616D61, -1
SECONDS = 30


def tell(word: str, detail: str = "") -> None:
    """One line, in one write: whole or not at all."""
    os.write(1, f"{word} {detail}\n".encode())


def act(task: dict[str, str]) -> None:
    """Do one thing with an authority."""
    operation, base = task["operation"], task["base"]
    if operation == "create":
        with CertificateAuthority.open(base, "root") as parent:
            made = CertificateAuthority.create(base, task["name"], distinguished(task["name"]), parent=parent)
            tell("result", made.certificate.public_bytes(Encoding.DER).hex())
            made.close()
        return
    with CertificateAuthority.open(base, "root") as authority:
        if operation == "issue":
            issued = authority.issue(task["request"])
            tell("result", issued.certificate.public_bytes(Encoding.DER).hex())
        elif operation == "revoke":
            entry = authority.revoke(task["which"], x509.ReasonFlags.superseded)
            tell("result", f"{entry.serial:x}")
        elif operation == "crl":
            tell("result", authority.crl().public_bytes(Encoding.DER).hex())


def child(task: dict[str, str]) -> None:
    """What the forked process does; it never returns."""
    status = 1
    try:
        os.read(0, 1)
        act(task)
        tell("closed")
        status = 0
    except PkiError as error:
        tell("refused", f"{type(error).__name__} {error}")
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """One child for each line of input."""
    line = b""
    while byte := os.read(0, 1):
        if byte != b"\n":
            line += byte
            continue
        # A child that is killed while it waits leaves its "!" behind.
        task = json.loads(line.lstrip(b"!"))
        line = b""
        process = os.fork()
        if process == 0:
            # Where the kernel lets only ancestors trace (Yama), let anybody; and never outlive the test.
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
            signal.alarm(SECONDS)
            os.write(1, f"ready {os.getpid()}\n".encode())
            child(task)
        _, status = os.waitpid(process, 0)
        tell("end", str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
