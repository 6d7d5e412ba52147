"""The running hash: before and after the hash function is known, and over a HelloRetryRequest."""

from __future__ import annotations

import hashlib

import pytest

from tlsocket.crypto.hashes import SHA256, SHA384
from tlsocket.errors import InternalError
from tlsocket.transcript import Transcript


def test_digest_covers_messages_added_before_and_after_the_start() -> None:
    transcript = Transcript()
    transcript.add(b"one")
    transcript.add(b"two")
    transcript.start(SHA384)
    assert transcript.digest() == hashlib.sha384(b"onetwo").digest()
    transcript.add(b"three")
    assert transcript.digest() == transcript.digest() == hashlib.sha384(b"onetwothree").digest()


def test_digest_needs_a_hash_function() -> None:
    transcript = Transcript()
    transcript.add(b"one")
    with pytest.raises(InternalError):
        transcript.digest()
    with pytest.raises(InternalError):
        transcript.replace_with_message_hash()


def test_hash_function_cannot_change() -> None:
    transcript = Transcript()
    transcript.start(SHA256)
    transcript.add(b"one")
    transcript.start(SHA256)
    with pytest.raises(InternalError):
        transcript.start(SHA384)
    with pytest.raises(InternalError):
        transcript.digest_with(b"", SHA384)
    assert transcript.digest() == hashlib.sha256(b"one").digest()


def test_message_hash_takes_the_place_of_the_first_client_hello() -> None:
    transcript = Transcript()
    transcript.add(b"hello")
    transcript.start(SHA256)
    transcript.replace_with_message_hash()
    transcript.add(b"retry")
    expected = hashlib.sha256(b"\xfe\x00\x00\x20" + hashlib.sha256(b"hello").digest() + b"retry").digest()
    assert transcript.digest() == expected


def test_cookie_with_the_hash_is_as_good_as_the_message() -> None:
    transcript = Transcript()
    transcript.restart_from_message_hash(SHA384, hashlib.sha384(b"hello").digest())
    transcript.add(b"retry")
    expected = hashlib.sha384(b"\xfe\x00\x00\x30" + hashlib.sha384(b"hello").digest() + b"retry").digest()
    assert transcript.digest() == expected


def test_restart_refuses_what_does_not_fit() -> None:
    with pytest.raises(InternalError):
        Transcript().restart_from_message_hash(SHA256, bytes(48))
    begun = Transcript()
    begun.add(b"hello")
    with pytest.raises(InternalError):
        begun.restart_from_message_hash(SHA256, bytes(32))


def test_digest_with_leaves_the_transcript_alone() -> None:
    transcript = Transcript()
    transcript.add(b"one")
    assert transcript.digest_with(b"two", SHA256) == hashlib.sha256(b"onetwo").digest()
    transcript.start(SHA256)
    assert transcript.digest_with(b"two", SHA256) == hashlib.sha256(b"onetwo").digest()
    assert transcript.digest() == hashlib.sha256(b"one").digest()
