"""Every sentence of RFC 9846 that demands an alert or an end, and the tests that break it: the list that shows gaps.

Nothing is tested here but the list itself: each test that it names exists. A test is named by its module and function,
a case of `test_must_alerts` by the words that it quotes. What does not apply says why.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.handshake import test_must_alerts, test_must_alerts_records

TESTS = Path(__file__).resolve().parents[1]


class Sentence(NamedTuple):
    """What an implementation MUST answer with, in the words of the RFC, shortened."""

    section: str
    words: str
    cases: tuple[str, ...] = ()
    """Sentences of cases in `test_must_alerts`, under the same section unless one is given before a colon."""
    tests: tuple[str, ...] = ()
    """`path/to/test_module.py::test_function`, from `tests/`."""
    not_here: str = ""
    """Why there is nothing to test."""


RECORDS = "handshake/test_must_alerts_records.py::test_"
PSK = "handshake/test_psk.py::test_"
AFTER = "handshake/test_post_handshake.py::test_"

SENTENCES = (
    Sentence(
        "2.1",
        "no common cryptographic parameters: an appropriate alert",
        ("4.2.1|no overlap between supported_groups: handshake_failure",),
    ),
    Sentence(
        "4",
        "a handshake message in an unexpected order: unexpected_message",
        ("a handshake message in an unexpected order",),
        ("handshake/test_transitions.py::test_every_message_in_every_state",),
    ),
    Sentence(
        "4.2.1",
        "no overlap between supported_groups: handshake_failure or insufficient_security",
        ("no overlap between supported_groups: handshake_failure",),
    ),
    Sentence(
        "4.2.1",
        "unable to negotiate a supported set of parameters: handshake_failure or insufficient_security",
        ("unable to negotiate: handshake_failure",),
    ),
    Sentence(
        "4.2.2",
        "a ClientHello at any other time: unexpected_message",
        tests=(AFTER + "message_that_may_not_come_any_more",),
    ),
    Sentence(
        "4.2.2",
        "a legacy_version value not equal to 0x0303: protocol_version",
        ("legacy_version not 0x0303: protocol_version",),
    ),
    Sentence(
        "4.2.2",
        "any other value in legacy_compression_methods: illegal_parameter",
        ("compression methods other than null: illegal_parameter",),
    ),
    Sentence(
        "4.2.2",
        "MUST check that the amount of data matches the structure: decode_error",
        ("data behind the extensions: decode_error",),
    ),
    Sentence(
        "4.2.3",
        "a client which receives another legacy_version: protocol_version",
        ("legacy_version not 0x0303: protocol_version",),
    ),
    Sentence(
        "4.2.3",
        "legacy_session_id_echo that does not match: illegal_parameter",
        ("session id not echoed: illegal_parameter",),
    ),
    Sentence(
        "4.2.3",
        "a cipher suite that was not offered: illegal_parameter",
        ("cipher suite not offered: illegal_parameter",),
    ),
    Sentence("4.2.3", "any other legacy_compression_method: illegal_parameter", ("compression: illegal_parameter",)),
    Sentence(
        "4.2.3",
        "the last 8 bytes of Random match a downgrade value: illegal_parameter",
        (
            "the downgrade sentinel of TLS 1.2: illegal_parameter",
            "the downgrade sentinel of TLS 1.1: illegal_parameter",
        ),
    ),
    Sentence(
        "4.2.3", "a TLS 1.3 ServerHello during renegotiation: protocol_version", not_here="nothing is renegotiated"
    ),
    Sentence(
        "4.2.4",
        "a HelloRetryRequest that would not change the ClientHello: illegal_parameter",
        ("no change in the ClientHello: illegal_parameter",),
    ),
    Sentence(
        "4.2.4", "a second HelloRetryRequest: unexpected_message", ("a second HelloRetryRequest: unexpected_message",)
    ),
    Sentence("4.2.4", "a cipher suite that was not offered: abort", ("a cipher suite that was not offered",)),
    Sentence(
        "4.2.4",
        "another cipher suite in the ServerHello: illegal_parameter",
        ("another cipher suite in ServerHello: illegal_parameter",),
    ),
    Sentence(
        "4.2.4",
        "selected_version changes: illegal_parameter",
        (
            "another selected_version in ServerHello: illegal_parameter",
            "no selected_version in ServerHello: illegal_parameter",
        ),
    ),
    Sentence(
        "4.3",
        "data left over after parsing the structure: decode_error",
        ("data left over in extension_data: decode_error",),
    ),
    Sentence(
        "4.3",
        "an extension response that was not requested: unsupported_extension",
        ("a response that was not requested: unsupported_extension",),
    ),
    Sentence(
        "4.3",
        "an extension not specified for the message: illegal_parameter",
        (
            "an extension not specified for its message: illegal_parameter",
            "4.3.6|servers MUST NOT send post_handshake_auth",
        ),
        ("extensions/test_table.py::test_refuses_an_extension_where_the_table_forbids_it",),
    ),
    Sentence(
        "4.3.1",
        "a version not offered, or prior to TLS 1.3, in supported_versions: illegal_parameter",
        ("a version that was not offered: illegal_parameter", "a version prior to TLS 1.3: illegal_parameter"),
    ),
    Sentence(
        "4.3.3",
        "a certificate, and no signature_algorithms: missing_extension",
        ("no signature_algorithms: missing_extension",),
    ),
    Sentence(
        "4.3.8",
        "selected_group not in supported_groups, or with a share already: illegal_parameter",
        (
            "selected_group not in supported_groups: illegal_parameter",
            "selected_group has a share already: illegal_parameter",
        ),
    ),
    Sentence(
        "4.3.8",
        "ServerHello for another group than the HelloRetryRequest: illegal_parameter",
        ("ServerHello for another group than HelloRetryRequest: illegal_parameter",),
    ),
    Sentence(
        "4.3.8.2",
        "peers MUST validate each other's public value",
        ("peers MUST validate each other's public value",),
        ("crypto/test_groups.py::test_point_in_another_form_is_refused",),
    ),
    Sentence(
        "4.3.9",
        "pre_shared_key without psk_key_exchange_modes: abort",
        ("pre_shared_key without psk_key_exchange_modes",),
    ),
    Sentence(
        "4.3.10",
        "a 0-RTT record that does not open after early_data was accepted: bad_record_mac",
        not_here="early data is never accepted; what is skipped instead is in handshake/test_early_data.py",
    ),
    Sentence(
        "4.3.11", "the binder is not present or does not validate: abort", tests=(PSK + "what_hostile_clients_offer",)
    ),
    Sentence(
        "4.3.11",
        "selected_identity, hash and key_share not consistent: illegal_parameter",
        tests=(PSK + "what_hostile_servers_choose",),
    ),
    Sentence(
        "4.3.11",
        "early_data with another identity than the first: illegal_parameter",
        not_here="early data is never offered; in an answer it is unsolicited: test_psk.py",
    ),
    Sentence(
        "4.3.11",
        "pre_shared_key is not the last extension: illegal_parameter",
        tests=(PSK + "what_hostile_clients_offer",),
    ),
    Sentence(
        "4.4.1",
        "forbidden extensions in EncryptedExtensions: illegal_parameter",
        ("a forbidden extension: illegal_parameter",),
    ),
    Sentence(
        "4.5.1.2",
        "no acceptable chain: a certificate-related alert",
        tests=(
            "handshake/test_handshake.py::test_rejected_server_certificate",
            "handshake/test_handshake.py::test_rejected_client_certificate_reaches_the_client_as_an_alert",
        ),
    ),
    Sentence(
        "4.5.1.3",
        "an empty Certificate from the server: decode_error",
        ("an empty Certificate from a server: decode_error",),
    ),
    Sentence(
        "4.5.1.3",
        "a signature with MD5 that would need to be validated: bad_certificate",
        tests=("handshake/test_handshake.py::test_md5_in_the_verified_path_is_bad_certificate",),
    ),
    Sentence("4.5.2", "the signature does not verify: decrypt_error", ("verification fails: decrypt_error",)),
    Sentence("4.5.3", "Finished is incorrect: decrypt_error", ("incorrect: decrypt_error",)),
    Sentence(
        "4.6",
        "clients receiving EndOfEarlyData: unexpected_message",
        ("clients receiving EndOfEarlyData: unexpected_message",),
    ),
    Sentence(
        "4.7.2",
        "a CertificateRequest without post_handshake_auth: unexpected_message",
        tests=(
            AFTER + "message_that_may_not_come_any_more",
            "handshake/test_late_authentication.py::test_what_a_client_refuses",
        ),
    ),
    Sentence(
        "4.7.3",
        "a KeyUpdate prior to Finished: unexpected_message",
        ("a KeyUpdate before Finished: unexpected_message",),
    ),
    Sentence(
        "4.7.3",
        "any other value of request_update: illegal_parameter",
        tests=(AFTER + "key_update_with_another_value_is_illegal_parameter",),
    ),
    Sentence(
        "5",
        "another change_cipher_spec value, or a protected one: unexpected_message",
        tests=(
            RECORDS + "any_other_change_cipher_spec_value_is_unexpected_message",
            RECORDS + "a_protected_change_cipher_spec_is_unexpected_message",
        ),
    ),
    Sentence(
        "5",
        "change_cipher_spec before the first ClientHello or after Finished: as an unexpected record type",
        tests=(
            RECORDS + "a_change_cipher_spec_before_the_first_client_hello_is_an_unexpected_record_type",
            RECORDS + "a_change_cipher_spec_after_the_peers_finished_is_an_unexpected_record_type",
        ),
    ),
    Sentence(
        "5",
        "an unexpected record type: unexpected_message",
        tests=(
            RECORDS + "an_unexpected_record_type_is_unexpected_message",
            RECORDS + "an_unexpected_record_type_at_the_start_is_no_tls",
            RECORDS + "application_data_before_finished_is_unexpected_message",
            RECORDS + "a_handshake_record_without_protection_is_unexpected_message",
        ),
    ),
    Sentence(
        "5.1",
        "handshake messages MUST NOT be interleaved with other record types",
        tests=(RECORDS + "another_record_within_a_handshake_message_is_unexpected_message",),
    ),
    Sentence(
        "5.1",
        "messages before a key change align with a record boundary: unexpected_message",
        (
            "messages MUST NOT span key changes: unexpected_message",
            "ClientHello is aligned with a record boundary",
            "ServerHello is aligned with a record boundary",
            "Finished is aligned with a record boundary",
        ),
        (AFTER + "bytes_behind_a_key_update_in_its_record_are_refused",),
    ),
    Sentence(
        "5.1",
        "alerts MUST NOT be fragmented or coalesced",
        tests=(RECORDS + "an_alert_in_part_or_with_another_is_decode_error",),
    ),
    Sentence(
        "5.1",
        "TLSPlaintext.length above 2^14: record_overflow",
        tests=(RECORDS + "a_plaintext_record_above_2_14_is_record_overflow",),
    ),
    Sentence(
        "5.2",
        "TLSCiphertext.length above 2^14 + 256: record_overflow",
        tests=(RECORDS + "a_protected_record_above_2_14_and_256_is_record_overflow",),
    ),
    Sentence(
        "5.2",
        "the decryption fails: bad_record_mac",
        tests=(
            RECORDS + "a_record_that_does_not_open_is_bad_record_mac",
            RECORDS + "a_record_too_short_to_be_one_is_bad_record_mac",
            RECORDS + "a_record_that_comes_again_is_bad_record_mac",
        ),
    ),
    Sentence(
        "5.3",
        "a sequence number would wrap: rekey or terminate",
        tests=(
            "record/test_protection.py::test_the_sending_sequence_number_never_wraps",
            "record/test_protection.py::test_the_receiving_sequence_number_never_wraps",
        ),
    ),
    Sentence(
        "5.4",
        "no content in a Handshake or Alert record: unexpected_message",
        tests=(
            RECORDS + "no_content_in_a_handshake_or_alert_record_is_unexpected_message",
            RECORDS + "an_empty_fragment_without_protection_is_unexpected_message",
        ),
    ),
    Sentence(
        "5.4",
        "no non-zero octet in the cleartext: unexpected_message",
        tests=(RECORDS + "nothing_but_zeros_is_unexpected_message",),
    ),
    Sentence(
        "5.4",
        "TLSInnerPlaintext above 2^14 + 1: record_overflow",
        tests=(RECORDS + "an_inner_plaintext_above_2_14_and_1_is_record_overflow",),
    ),
    Sentence(
        "6",
        "error alerts whatever their level, unknown ones too: no further data",
        tests=(
            RECORDS + "error_alerts_are_treated_as_such_whatever_their_level",
            "test_connection.py::test_every_alert_but_two_is_fatal_whatever_its_level",
        ),
    ),
    Sentence(
        "6",
        "a message which cannot be parsed: decode_error",
        (
            "goes on after its last field: decode_error",
            "ends before its fields do: decode_error",
            "an out-of-range length: decode_error",
        ),
        ("properties/test_every_byte.py::test_every_byte_of_every_message",),
    ),
    Sentence(
        "6",
        "syntactically correct but semantically invalid: illegal_parameter",
        ("7.4.2|the all-zero shared secret", "4.3.8.2|peers MUST validate each other's public value"),
        (AFTER + "key_update_with_another_value_is_illegal_parameter",),
    ),
    Sentence(
        "6.1",
        "any data received after a closure alert MUST be ignored",
        tests=(RECORDS + "any_data_received_after_a_closure_alert_is_ignored",),
    ),
    Sentence(
        "6.1",
        "close_notify MUST be sent with AlertLevel=warning",
        tests=(RECORDS + "close_notify_is_sent_as_a_warning",),
    ),
    Sentence(
        "6.1",
        "user_canceled is followed by a close_notify",
        tests=("test_connection.py::test_user_canceled_is_followed_by_close_notify",),
    ),
    Sentence(
        "6.1",
        "a close_notify before the write side is closed",
        tests=("dropin/test_sockets.py::test_shutdown_sends_close_notify_first",),
    ),
    Sentence(
        "6.1",
        "a close_notify before end-of-data is indicated",
        tests=(
            "test_connection.py::test_truncation_is_an_error_behind_the_data",
            "handshake/test_handshake.py::test_truncation_during_the_handshake",
        ),
    ),
    Sentence(
        "6.2",
        "both parties MUST immediately close the connection, without sending or receiving any more",
        tests=(
            "handshake/test_must_alerts.py::test_receiver_fails_with_the_reason_and_sender_gets_the_alert",
            "record/test_writer.py::test_nothing_follows_a_fatal_alert",
        ),
    ),
    Sentence("7.4.2", "the all-zero shared secret: abort", ("the all-zero shared secret",)),
    Sentence("8.2", "apparent replay of early data", not_here="early data is never accepted"),
    Sentence(
        "9.2",
        "a ClientHello without what it must have: missing_extension",
        ("no supported_groups: missing_extension", "no key_share: missing_extension"),
    ),
    Sentence("9.3", "what a middlebox must do", not_here="this is an endpoint"),
    Sentence(
        "E.1",
        "a version that the client does not support: protocol_version",
        ("6.2|a version that is recognized but not supported: protocol_version",),
    ),
    Sentence(
        "E.2",
        "no supported_versions, and only later versions are supported: protocol_version",
        ("4.3.1|no supported_versions: TLS 1.2, which this server does not speak",),
    ),
    Sentence(
        "E.5",
        "Hello messages with SSL's version numbers: abort",
        ("4.2.2|legacy_version 0x0300: protocol_version", "4.2.3|legacy_version 0x0300: protocol_version"),
        (RECORDS + "a_hello_of_ssl_2_is_no_tls",),
    ),
)


@cache
def functions(module: str) -> frozenset[str]:
    """The names of a test module's functions."""
    tree = ast.parse((TESTS / module).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: f"{s.section}-{s.words}"[:80].replace(" ", "_"))
def test_every_sentence_has_its_tests(sentence: Sentence) -> None:
    assert bool(sentence.not_here) != bool(sentence.cases or sentence.tests)
    quoted = {(case.section, case.sentence) for case in test_must_alerts.CASES}
    for words in sentence.cases:
        section, _, rest = words.rpartition("|")
        assert (section or sentence.section, rest) in quoted
    for name in sentence.tests:
        module, function = name.split("::")
        assert function in functions(module)


def test_every_test_about_records_has_a_sentence() -> None:
    named = {name.split("::")[1] for sentence in SENTENCES for name in sentence.tests}
    tests = {name for name in vars(test_must_alerts_records) if name.startswith("test_")}
    assert tests <= named
