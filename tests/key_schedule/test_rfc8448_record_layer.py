"""The protected records of RFC 8448, sealed by the record layer itself: secret in, the printed record out."""

from __future__ import annotations

from tests.key_schedule.test_rfc8448 import (
    ALERT,
    CLOSE_NOTIFY,
    HANDSHAKE,
    SIMPLE,
    client_flight,
    every_trace,
    finished,
    handshake_secret,
    main_secret,
    server_flight,
)
from tests.vectors.rfc8448 import Trace, record_matches
from tlsocket import record


@every_trace
def test_flights_are_sealed_as_printed(trace: Trace) -> None:
    client, server = handshake_secret(trace).traffic_secrets(trace["hello_hash"])
    for name, secret, messages, verify_data in (
        ("s_flight_record", server, server_flight(trace), trace["s_finished"]),
        ("c_flight_record", client, client_flight(trace), trace["c_finished"]),
    ):
        writer = record.RecordWriter()
        record.install_send_key(writer, secret)
        writer.queue(HANDSHAKE, b"".join([*messages, finished(verify_data)]))
        assert record_matches(trace, name, writer.data_to_send())


def test_sequence_numbers_count_on_as_printed() -> None:
    secrets = main_secret(SIMPLE).application_secrets(SIMPLE["server_finished_hash"])
    writer = record.RecordWriter()
    record.install_send_key(writer, secrets.server)
    writer.queue(HANDSHAKE, SIMPLE["new_session_ticket"])
    assert record_matches(SIMPLE, "ticket_record", writer.data_to_send())
    writer.queue(23, bytes(range(50)))
    assert writer.data_to_send() == SIMPLE["s_data_record"]
    writer.queue(ALERT, CLOSE_NOTIFY)
    assert writer.data_to_send() == SIMPLE["s_alert_record"]
