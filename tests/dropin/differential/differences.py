"""Where ours differs from `ssl` on purpose: data, each with its reason, and the line of the manual that tells users.

A difference is recognised by its call and by patterns for both results, as narrow as they can be. Whoever adds one says
why ours is better or cannot be otherwise; whatever is neither is a bug.
"""

# ruff: noqa: E501  (patterns and sentences, each on one line)

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.dropin.differential.ends import Outcome
from tests.dropin.differential.scripts import Script

__all__ = ["DIFFERENCES", "Difference"]


@dataclass(frozen=True)
class Difference:
    """One kind of difference."""

    name: str
    """As the manual's page has it, in bold."""
    calls: str
    """A pattern for the names of the calls."""
    theirs: str
    """A pattern for the text of what `ssl` gave."""
    ours: str
    """A pattern for what we gave."""
    reason: str
    ends: bool = False
    """Whether the two go separate ways from here on, so that the rest of a script cannot be compared."""
    setup: str = ""
    """A pattern for the setup, where only some can have the difference."""
    after: str = ""
    """A pattern for the earlier results of the script, where the difference needs a call before."""

    def covers(self, expected: Outcome | None, got: Outcome | None, script: Script, before: str) -> bool:
        """Whether these two results are an example of it."""
        call = (expected or got).call  # type: ignore[union-attr]
        return bool(
            re.fullmatch(self.calls, call)
            and re.search(self.theirs, str(expected))
            and re.search(self.ours, str(got))
            and re.search(self.setup, repr(script.setup))
            and re.search(self.after, before)
        )


_READS = "recv|recv_into|recv_into_part|read|read_buffer"
_WRITES = "send|write|sendall|sendfile|file.write"

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "After a failure",
        ".*", "after a failure", "after a failure",
        "law 5: a connection that failed says so on every later call; OpenSSL answers by what is left of its state",
        ends=True,
    ),
    Difference(
        "After shutdown()",
        ".*", "", "",
        "law 12: ssl drops the TLS state without close_notify and goes on in plaintext; ours sends close_notify and "
        "never goes back to plaintext",
        after=r"shutdown\(", ends=True,
    ),
    Difference(
        "After detach()",
        ".*", "SSLEOFError|SSLZeroReturnError|Underlying socket|b''|: 0$|OSError|Want", "Bad file descriptor|ValueError|BAD_LENGTH|PROTOCOL_IS_SHUTDOWN",
        "law 3: a socket without a descriptor has no connection; ssl keeps the TLS object and fails somewhere in it",
        after="detach", ends=True,
    ),
    Difference(
        "Foreign bytes",
        ".*", "SSLError|SSLEOFError|SSLWantReadError|TimeoutError|ConnectionResetError|: b''$", "SSLError|SSLEOFError|SSLWantReadError|TimeoutError",
        "bytes that are no TLS are an error in both; which reason and which alert depends on the order of checks",
        after="inject", ends=True,
    ),
    Difference(
        "Alerts about an end",
        f"shake|do_handshake|{_READS}|{_WRITES}", "DECODE_ERROR|WRONG_VERSION_NUMBER", "SSLWantReadError|DECODE_ERROR|SSLEOFError",
        "OpenSSL answers an end of input in the handshake with an alert; there is nobody to read it",
        setup="kind='bio'", ends=True,
    ),
    Difference(
        "Alerts about an end",
        "unwrap", "'nothing'", "SSLWantReadError|ALERT_DECODE_ERROR",
        "its unwrap() takes that alert for an end of the connection",
        setup="kind='bio'", ends=True, after="SSLEOFError",
    ),
    Difference(
        "Errors of the system",
        rf"{_READS}|{_WRITES}|unwrap|do_handshake|shake|(read|recv|recv_into)\(.*",
        r"SSLEOFError \(8, None|: (b''|0)$|SSLSyscallError|SSLZeroReturnError|SHUTDOWN_WHILE_IN_INIT|BAD_LENGTH", "BrokenPipeError|ConnectionResetError",
        "ssl turns a broken pipe or a reset into SSLEOFError, which suppress_ragged_eofs then hides; ours is the OSError",
        ends=True,
    ),
    Difference(
        "Errors of the system",
        f"do_handshake|shake|{_WRITES}", "BAD_LENGTH|OSError|FileNotFoundError|BrokenPipeError|ConnectionResetError|SSLEOFError", ": (None|0)$|FileNotFoundError",
        "a server whose client has finished and left can still read what it sent; a handshake that is over stays so; ssl "
        "tells an errno that is left over from another call",
        ends=True,
    ),
    Difference(
        "Sends to a peer that left",
        _WRITES, r"SSLEOFError \(8, None|SSLZeroReturnError", r": (\d+|None)$",
        "ssl makes a system call for each record, so a second record of one call meets the reset that the first one brought, "
        "and an end of what can be read is to it an end of both directions; ours sends all at once, and the next call meets "
        "the reset",
        ends=True, after=r"(close|detach)( \(early\))?: ",
    ),
    Difference(
        "An end in the handshake",
        rf"{_READS}|{_WRITES}|shake|do_handshake|recv_into\(.*", r"\(early\): (b''|0$|SSLZeroReturnError)", r"\(early\): SSLEOFError",
        "suppress_ragged_eofs is about the end of data; with ssl it hides that there was never a handshake",
        ends=True,
    ),
    Difference(
        "Reads after unwrap()",
        _READS + r"|file.*|recv_into\(.*", "SSLZeroReturnError", "b''|: 0$",
        "the peer's close_notify ends the data, whether or not we have sent ours",
    ),
    Difference(
        "unwrap() with unread data",
        _READS + r"|do_handshake|pending|file.*|recv_into\(.*", r"not made|: 0|SSLSyscallError|SSLZeroReturnError|SSLWantReadError|SSLEOFError \(8, None|: b'|: \(\d+, \d+\)", r": b'|: \(\d+|: None|: \d+$|SSLWantReadError|UNEXPECTED_EOF",
        "OpenSSL throws away what came before the peer's close_notify, or forgets the connection; ours lets it be read",
        after=r"unwrap: (SSL|Timeout|.not made)|unwrap \(", ends=True,
    ),
    Difference(
        "unwrap() after an end",
        "unwrap", "SHUTDOWN_WHILE_IN_INIT", "SSLEOFError .*UNEXPECTED_EOF_WHILE_READING",
        "the peer left without close_notify, which is what ours says; OpenSSL takes the broken connection for one that was "
        "never made",
        after=r"(close|detach)( \(early\))?: ", ends=True,
    ),
    Difference(
        "Questions after an end",
        "getpeercert.*|version", "handshake not done yet|: None", r": \(\d+|: \{|: None|: 'TLSv",
        "OpenSSL forgets the certificate with an end that was not expected",
    ),
    Difference(
        "Chains",
        "get_(un)?verified_chain", r": \[|AttributeError", r": \[",
        "OpenSSL's server adds the authority that it trusts itself to what it sends, and keeps no chain with a session",
    ),
    Difference(
        "Negative options",
        "options = -1", ": None|OverflowError|DeprecationWarning", "OverflowError",
        "deprecated in Python 3.13; there is no such set of options",
    ),
    Difference(
        "Tickets and unwrap()",
        "unwrap", "SSLWantReadError", "'a socket'|'nothing'",
        "OpenSSL gives up once for each ticket that it meets on the way to close_notify",
        ends=True,
    ),
    Difference(
        "Alerts and unwrap()",
        "unwrap", "'a socket'|'nothing'", "ALERT",
        "an alert that refuses the connection is not an end of it in agreement",
        ends=True,
    ),
    Difference(
        "cipher() before the handshake",
        "cipher", r"\(early\): \('", r"\(early\): None",
        "before the handshake is over nothing is settled; OpenSSL has the cipher of the session that is offered already",
    ),
    Difference(
        "Writes after unwrap()",
        _WRITES + r"|(write|send|sendall)\(.*", r"SSLZeroReturnError|SSLEOFError|TypeError|: \d+$", "PROTOCOL_IS_SHUTDOWN|BrokenPipeError",
        "a write after our own close_notify is the program's mistake, not an end",
        after="unwrap", ends=True,
    ),
    Difference(
        "Questions after unwrap()",
        ".*", "AttributeError", "ValueError",
        "ssl looks for an object that is None",
    ),
    Difference(
        "A closed socket",
        ".*", r": b''|TypeError|ValueError|AttributeError|: None", "Bad file descriptor|TypeError",
        "a closed socket says so, before anything is said about arguments",
        after=r"close( \(early\))?: None|unwrap: 'a socket'", ends=True,
    ),
    Difference(
        "Wrong types before the handshake",
        ".*", r"\(early\): (Type|Overflow|Value)Error", r"\(early\): (SSL|Timeout|OSError|Broken|Connection)",
        "the handshake is begun before the arguments are looked at; it says first what is wrong with it",
        ends=True,
    ),
    Difference(
        "Timeouts in an implied handshake",
        f"{_READS}|{_WRITES}", r"\(early\): TimeoutError .*(read|write) operation", r"\(early\): TimeoutError .*handshake operation",
        "what the call waited for is said",
    ),
    Difference(
        "session before the handshake",
        "has_session|session_reused", r"i2d\(\) failed|: (True|False)", r"\(early\): (True|False)",
        "None, as the documentation of ssl has it; and nothing was resumed before the handshake is over",
    ),
    Difference(
        "wrap_bio() without a name",
        "wrap_bio: no name", ": None", "check_hostname requires server_hostname",
        "said when the object is made, as wrap_socket() does, not in the handshake",
    ),
    Difference(
        "Two mistakes in a call",
        "wrap.*", "Error", "Error",
        "which one is reported first",
    ),
    Difference(
        "Refused clients",
        f"{_READS}|{_WRITES}|unwrap|getpeername_class", "Error", r": \d+|: None|Error|'tuple'",
        "a server that refuses a certificate and closes resets a client that sent its flight in several records, as "
        "OpenSSL does; ours sends one",
        setup=r"listen=True.*ask='(optional|required)'", ends=True,
    ),
    Difference(
        "After shutdown()",
        r"shutdown\(.*", ": None|not connected", ": None|not connected",
        "the close_notify that goes first finds that the peer has gone; or what is unread at the peer makes it reset",
        ends=True,
    ),
    Difference(
        "unwrap() with unread data",
        "unwrap", "SHUTDOWN_WHILE_IN_INIT|APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "APPLICATION_DATA_AFTER_CLOSE_NOTIFY",
        "OpenSSL names another reason at the second call",
        ends=True,
    ),
    Difference(
        "Certificates of the future",
        f"shake|connect|do_handshake|{_READS}|{_WRITES}", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE_EXPIRED",
        "RFC 9846 section 6.2 has certificate_expired for all that is not valid now",
    ),
    Difference(
        "Order of cipher suites",
        "cipher", r": \('[A-Z0-9_-]+', 'TLSv1\.[23]', (128|256)\)$", r": \('[A-Z0-9_-]+', 'TLSv1\.[23]', (128|256)\)$",
        "ours prefers AES-128-GCM, which is as safe and faster; OpenSSL AES-256-GCM",
    ),
    Difference(
        "shared_ciphers()",
        "shared_ciphers", r": (None|\[\()", r": (None|\[\()",
        "law 13: suites with CBC or finite-field groups are not built, so they are not shared; OpenSSL has the list before "
        "the handshake is over, and has none after a resumption",
    ),
    Difference(
        "tls-unique",
        "tls_unique", r": \d+$", r": (None|\d+)$",
        "not defined for TLS 1.3 (RFC 9266 section 3); tls-exporter takes its place",
    ),
    Difference(
        "Errors of files",
        r"load_.*\(missing\)|keylog_filename = folder", r"\[Errno \d+\]", "Error",
        "the same class and errno; the text names the file and what to do",
    ),
    Difference(
        "recv_into() after unwrap()",
        r"recv_into|recvfrom_into|recv_into\(empty\)", "buffer too small for requested bytes|TypeError", r": (b''|0)|: \(\d|BlockingIOError|TimeoutError",
        "an empty buffer takes nothing, where ssl asks for 1024 bytes; recvfrom_into() works without a size",
        after="unwrap",
    ),
)  # fmt: skip
