"""Certificates in words: what can be read is shown, what is hostile does no harm, and no word is a lie."""

from __future__ import annotations

import datetime
import random

import pytest

from tests.support.stores import family
from tlsocket.pki.certificates import PARSE_ERRORS, certificate_der, parse_certificate
from tlsocket.pki.description import certificate_values, certificate_words, time_left
from tlsocket.pki.errors import PkiError
from tlsocket.pki.formats.inspection import Kind, inspect

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (-1, 30, "30 days left"),
        (-1, 1, "1 day left"),
        (1, 30, "not yet, in 1 day"),
        (-30, -2, "expired 2 days ago"),
    ],
)
def test_time_left(start: int, end: int, words: str) -> None:
    assert time_left(NOW + start * DAY, NOW + end * DAY, NOW) == words


def test_values_are_those_of_the_certificate() -> None:
    certificate = family().server.certificate
    values = certificate_values(certificate)
    assert values["subject"] == certificate.subject.rfc4514_string()
    assert values["not_after"] == certificate.not_valid_after_utc
    assert int(values["serial"], 16) == certificate.serial_number
    assert not values["is_authority"]
    assert certificate_values(family().root.certificate)["is_authority"]


def test_damaged_certificates_are_shown_as_far_as_they_can_be_read() -> None:
    whole = certificate_der(family().server.certificate)
    chance = random.Random(1)
    shown = 0
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            certificate = parse_certificate(bytes(data))
        except PARSE_ERRORS:
            continue
        shown += 1
        for heading, text in certificate_words(certificate, NOW):
            assert heading.isprintable()
            assert text.isprintable()
    assert shown > 300


def test_damaged_files_are_told_apart_without_harm() -> None:
    pem = family().server.pem
    chance = random.Random(2)
    kinds = set()
    for source in (pem, certificate_der(family().server.certificate)):
        for _ in range(1500):
            data = bytearray(source)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                kinds |= {finding.kind for finding in inspect(bytes(data), "file")}
            except PkiError:
                continue
    assert Kind.CERTIFICATE in kinds
    assert Kind.UNREADABLE in kinds
