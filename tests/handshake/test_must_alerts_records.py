"""Every MUST-alert of RFC 9846 sections 5 and 6 about records: bytes in on one end, the alert at the other.

Each sentence is tried wherever it applies: before there are keys, under those of the handshake, and after it. What the
record layer itself does with such records, byte by byte and without a connection, is in `tests/record/`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.handshake.support import Link, client_config, server_config
from tests.record.support import nonce_of, plain_record, split_records
from tlsocket.config import Role
from tlsocket.connection import Connection
from tlsocket.crypto.suites import TLS13_SUITES
from tlsocket.errors import AlertReceived, Reason, TLSError
from tlsocket.key_schedule import TrafficSecret
from tlsocket.registry import AlertDescription as A

SUITE = 0x1301
OVERFLOW = 2**14 + 1
CHANGE_CIPHER_SPEC = plain_record(20, b"\1")

NO_KEYS, HANDSHAKE_KEYS, APPLICATION_KEYS = "no keys", "handshake keys", "application keys"
STAGES = (NO_KEYS, HANDSHAKE_KEYS, APPLICATION_KEYS)

each_role = pytest.mark.parametrize("role", list(Role))
each_stage = pytest.mark.parametrize("stage", STAGES)
each_protected_stage = pytest.mark.parametrize("stage", STAGES[1:])


@dataclass
class Receiver:
    """A connection that waits for a record of its peer's, the peer, and what the peer would seal with."""

    connection: Connection
    peer: Connection
    secret: bytes

    def sealed(self, *inners: bytes) -> bytes:
        """The next records of the peer's, with exactly these TLSInnerPlaintexts."""
        return b"".join(self._sealed(number, inner) for number, inner in enumerate(inners))

    def _sealed(self, number: int, inner: bytes) -> bytes:
        key, iv = TrafficSecret(TLS13_SUITES[SUITE], self.secret).key_and_iv()
        header = bytes((23, 3, 3)) + (len(inner) + 16).to_bytes(2, "big")
        return header + AESGCM(key).encrypt(nonce_of(iv, number), inner, header)

    def refuses(self, data: bytes, alert: A, reason: Reason) -> None:
        """`data` is the end, and the peer is told so (and can read it: RFC 9846 appendix A)."""
        with pytest.raises(TLSError) as caught:
            self.connection.receive_data(data)
        assert caught.value.reason is reason
        with pytest.raises(AlertReceived) as told:
            self.peer.receive_data(self.connection.data_to_send())
        assert (told.value.level, told.value.description) == (2, alert)
        for attempt in (lambda: self.connection.write(b"x"), lambda: self.connection.receive_data(b"")):
            with pytest.raises(TLSError):
                attempt()


def receiver(role: Role, stage: str) -> Receiver:
    """A receiver in that stage; nothing was opened yet under the keys that it names."""
    secrets: dict[str, str] = {}

    def keep(line: str) -> None:
        label, _, secret = line.split()
        secrets[label] = secret

    link = Link(client_config(cipher_suites=(SUITE,)), server_config(cipher_suites=(SUITE,), key_log=keep))
    client, server = link.client, link.server
    sender = "SERVER" if role is Role.CLIENT else "CLIENT"
    connection, peer = (client, server) if role is Role.CLIENT else (server, client)
    if stage == APPLICATION_KEYS:
        link.connect()
        return Receiver(connection, peer, bytes.fromhex(secrets[f"{sender}_TRAFFIC_SECRET_0"]))
    client.start()
    if stage == NO_KEYS:
        if role is Role.CLIENT:
            server.receive_data(client.data_to_send())
            server.data_to_send()
            # Our alert is in plain text, and the server, which has keys, may still read it.
        else:
            client.data_to_send()
        return Receiver(connection, peer, b"")
    server.receive_data(client.data_to_send())
    flight = server.data_to_send()
    if role is Role.CLIENT:
        client.receive_data(split_records(flight)[0])
    else:
        client.receive_data(flight)
        client.data_to_send()
    return Receiver(connection, peer, bytes.fromhex(secrets[f"{sender}_HANDSHAKE_TRAFFIC_SECRET"]))


# Section 5: "any other change_cipher_spec value or ... a protected change_cipher_spec record ... unexpected_message"


@each_role
@each_stage
@pytest.mark.parametrize("value", [b"", b"\0", b"\2", b"\1\1"])
def test_any_other_change_cipher_spec_value_is_unexpected_message(role: Role, stage: str, value: bytes) -> None:
    receiver(role, stage).refuses(plain_record(20, value), A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC)


@each_role
@each_protected_stage
def test_a_protected_change_cipher_spec_is_unexpected_message(role: Role, stage: str) -> None:
    end = receiver(role, stage)
    end.refuses(end.sealed(b"\1\x14"), A.UNEXPECTED_MESSAGE, Reason.UNKNOWN_CONTENT_TYPE)


def test_a_change_cipher_spec_before_the_first_client_hello_is_an_unexpected_record_type() -> None:
    receiver(Role.SERVER, NO_KEYS).refuses(
        CHANGE_CIPHER_SPEC, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC
    )


@each_role
def test_a_change_cipher_spec_after_the_peers_finished_is_an_unexpected_record_type(role: Role) -> None:
    receiver(role, APPLICATION_KEYS).refuses(
        CHANGE_CIPHER_SPEC, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_CHANGE_CIPHER_SPEC
    )


# Section 5: "receives an unexpected record type ... unexpected_message"


@each_role
@each_protected_stage
@pytest.mark.parametrize("content_type", [0, 19, 24, 25, 255])
def test_an_unexpected_record_type_is_unexpected_message(role: Role, stage: str, content_type: int) -> None:
    end = receiver(role, stage)
    end.refuses(plain_record(content_type, b"x"), A.UNEXPECTED_MESSAGE, Reason.UNKNOWN_CONTENT_TYPE)
    if content_type:  # 0 is padding in there
        end = receiver(role, stage)
        end.refuses(end.sealed(b"x" + bytes((content_type,))), A.UNEXPECTED_MESSAGE, Reason.UNKNOWN_CONTENT_TYPE)


@each_role
@pytest.mark.parametrize("content_type", [0, 19, 24, 25, 255])
def test_an_unexpected_record_type_at_the_start_is_no_tls(role: Role, content_type: int) -> None:
    receiver(role, NO_KEYS).refuses(plain_record(content_type, b"x"), A.UNEXPECTED_MESSAGE, Reason.NOT_TLS)


@each_role
def test_a_hello_of_ssl_2_is_no_tls(role: Role) -> None:
    """Appendix E.5: such a CLIENT-HELLO may be refused; its first two bytes are a length."""
    receiver(role, NO_KEYS).refuses(bytes.fromhex("802e0100020015000000100700c0"), A.UNEXPECTED_MESSAGE, Reason.NOT_TLS)


@each_role
@pytest.mark.parametrize(("stage", "sealed"), [(NO_KEYS, False), (HANDSHAKE_KEYS, True)])
def test_application_data_before_finished_is_unexpected_message(role: Role, stage: str, sealed: bool) -> None:
    end = receiver(role, stage)
    data = end.sealed(b"data\x17") if sealed else plain_record(23, b"data")
    end.refuses(data, A.UNEXPECTED_MESSAGE, Reason.UNEXPECTED_APPLICATION_DATA)


@each_role
@each_protected_stage
def test_a_handshake_record_without_protection_is_unexpected_message(role: Role, stage: str) -> None:
    end = receiver(role, stage)
    end.refuses(plain_record(22, b"\x18\0\0\1\0"), A.UNEXPECTED_MESSAGE, Reason.UNPROTECTED_RECORD)


# Section 5.1: "Handshake messages MUST NOT be interleaved with other record types", alerts are whole and alone


@each_role
def test_another_record_within_a_handshake_message_is_unexpected_message(role: Role) -> None:
    end = receiver(role, APPLICATION_KEYS)
    end.refuses(end.sealed(b"\x18\0\x16", b"data\x17"), A.UNEXPECTED_MESSAGE, Reason.INTERLEAVED_HANDSHAKE)


@each_role
@each_protected_stage
@pytest.mark.parametrize("alerts", [b"\1", b"\2\x28\2", b"\1\x5a\1\0"])
def test_an_alert_in_part_or_with_another_is_decode_error(role: Role, stage: str, alerts: bytes) -> None:
    end = receiver(role, stage)
    end.refuses(end.sealed(alerts + b"\x15"), A.DECODE_ERROR, Reason.INVALID_ALERT)


# Sections 5.1, 5.2 and 5.4: record_overflow


@each_role
def test_a_plaintext_record_above_2_14_is_record_overflow(role: Role) -> None:
    header = b"\x16\x03\x03" + OVERFLOW.to_bytes(2, "big")
    receiver(role, NO_KEYS).refuses(header, A.RECORD_OVERFLOW, Reason.RECORD_OVERFLOW)


@each_role
@each_protected_stage
def test_a_protected_record_above_2_14_and_256_is_record_overflow(role: Role, stage: str) -> None:
    header = b"\x17\x03\x03" + (2**14 + 257).to_bytes(2, "big")
    receiver(role, stage).refuses(header, A.RECORD_OVERFLOW, Reason.RECORD_OVERFLOW)


@each_role
@each_protected_stage
@pytest.mark.parametrize("padding", [False, True])
def test_an_inner_plaintext_above_2_14_and_1_is_record_overflow(role: Role, stage: str, padding: bool) -> None:
    end = receiver(role, stage)
    inner = b"\x17" + bytes(OVERFLOW) if padding else bytes(OVERFLOW) + b"\x17"
    end.refuses(end.sealed(inner), A.RECORD_OVERFLOW, Reason.RECORD_OVERFLOW)


# Section 5.2: "If the decryption fails ... bad_record_mac"


@each_role
@each_protected_stage
@pytest.mark.parametrize("position", [5, -1])
def test_a_record_that_does_not_open_is_bad_record_mac(role: Role, stage: str, position: int) -> None:
    end = receiver(role, stage)
    record = bytearray(end.sealed(b"\1\x5a\x15"))
    record[position] ^= 1
    end.refuses(bytes(record), A.BAD_RECORD_MAC, Reason.BAD_RECORD_MAC)


@each_role
@each_protected_stage
def test_a_record_too_short_to_be_one_is_bad_record_mac(role: Role, stage: str) -> None:
    receiver(role, stage).refuses(plain_record(23, b"short"), A.BAD_RECORD_MAC, Reason.BAD_RECORD_MAC)


@each_role
def test_a_record_that_comes_again_is_bad_record_mac(role: Role) -> None:
    """Section 5.3: the sequence number is part of the nonce."""
    end = receiver(role, APPLICATION_KEYS)
    record = end.sealed(b"once\x17")
    end.connection.receive_data(record)
    assert end.connection.read() == b"once"
    end.refuses(record, A.BAD_RECORD_MAC, Reason.BAD_RECORD_MAC)


# Section 5.4: "Handshake and Alert records that have a zero-length ... content", "a non-zero octet"


@each_role
@each_protected_stage
@pytest.mark.parametrize("content_type", [b"\x15", b"\x16"])
@pytest.mark.parametrize("padding", [b"", bytes(9)])
def test_no_content_in_a_handshake_or_alert_record_is_unexpected_message(
    role: Role, stage: str, content_type: bytes, padding: bytes
) -> None:
    end = receiver(role, stage)
    end.refuses(end.sealed(content_type + padding), A.UNEXPECTED_MESSAGE, Reason.EMPTY_MESSAGE_FRAGMENT)


@each_role
@pytest.mark.parametrize("content_type", [21, 22])
def test_an_empty_fragment_without_protection_is_unexpected_message(role: Role, content_type: int) -> None:
    receiver(role, NO_KEYS).refuses(
        plain_record(content_type, b""), A.UNEXPECTED_MESSAGE, Reason.EMPTY_MESSAGE_FRAGMENT
    )


@each_role
@each_protected_stage
@pytest.mark.parametrize("length", [1, 300])
def test_nothing_but_zeros_is_unexpected_message(role: Role, stage: str, length: int) -> None:
    end = receiver(role, stage)
    end.refuses(end.sealed(bytes(length)), A.UNEXPECTED_MESSAGE, Reason.NO_CONTENT_TYPE)


# Section 6: error alerts, and what comes after the end


@each_role
@each_stage
@pytest.mark.parametrize("description", [10, 40, 48, 109, 120])
@pytest.mark.parametrize("level", [1, 2])
def test_error_alerts_are_treated_as_such_whatever_their_level(
    role: Role, stage: str, description: int, level: int
) -> None:
    end = receiver(role, stage)
    alert = bytes((level, description))
    with pytest.raises(AlertReceived) as caught:
        end.connection.receive_data(end.sealed(alert + b"\x15") if end.secret else plain_record(21, alert))
    assert (caught.value.level, caught.value.description) == (level, description)
    # Section 6.2: "both parties MUST immediately close the connection": no alert in answer, no data.
    assert end.connection.data_to_send() == b""
    with pytest.raises(AlertReceived):
        end.connection.write(b"x")


@each_role
@pytest.mark.parametrize("after", [b"data\x17", b"\2\x28\x15", b"\x18\0\0\1\7\x16", b"", bytes(3)])
def test_any_data_received_after_a_closure_alert_is_ignored(role: Role, after: bytes) -> None:
    """Section 6.1: "Any data received after a closure alert has been received MUST be ignored"."""
    end = receiver(role, APPLICATION_KEYS)
    end.connection.receive_data(end.sealed(b"last\x17", b"\1\0\x15", after))
    end.connection.receive_data(b"no record")
    assert [end.connection.read(), end.connection.read(), end.connection.read()] == [b"last", b"", b""]
    end.connection.write(b"the other direction goes on")
    end.peer.receive_data(end.connection.data_to_send())
    assert end.peer.read() == b"the other direction goes on"


@each_role
def test_close_notify_is_sent_as_a_warning(role: Role) -> None:
    """Section 6.1: "This alert MUST be sent with AlertLevel=warning"."""
    end = receiver(Role.SERVER if role is Role.CLIENT else Role.CLIENT, APPLICATION_KEYS)
    end.peer.close()
    assert end.peer.data_to_send() == end.sealed(b"\1\0\x15")
