"""The running hash over a handshake's messages (RFC 9846 section 4.1).

Which messages are added, and when the hash is read, is the handshake's business; what is derived from a digest is
`tlsocket.key_schedule`'s.
"""

from __future__ import annotations

from tlsocket.crypto.hashes import Hash, HashAlgorithm
from tlsocket.errors import InternalError, Reason
from tlsocket.registry.content_types import HandshakeType

__all__ = ["KeepingTranscript", "Transcript"]


class Transcript:
    """Handshake messages, headers included, in the order in which they were sent and received.

    The hash function is known only with the ServerHello, so what comes before is kept as bytes and hashed in one go.
    """

    __slots__ = ("_algorithm", "_digest", "_pending", "_running")

    def __init__(self) -> None:
        self._algorithm: HashAlgorithm | None = None
        self._pending = b""
        self._running: Hash | None = None
        # Of the same messages the hash is often wanted twice: for the secrets, and for the peer's Finished.
        self._digest: bytes | None = None

    def add(self, message: bytes) -> None:
        """Append one message, or several at once."""
        if self._running is None:
            self._pending += message
        else:
            self._running.update(message)
            self._digest = None

    def start(self, algorithm: HashAlgorithm) -> None:
        """Settle the hash function. Settling the same again (after a HelloRetryRequest) changes nothing."""
        if self._running is None:
            self._algorithm = algorithm
            self._running = algorithm.new(self._pending)
            self._digest = None
            self._pending = b""
        elif self._algorithm is not algorithm:
            # The suite of a ServerHello is compared with the HelloRetryRequest's before this is called.
            raise InternalError(Reason.INTERNAL, "the transcript's hash function cannot change")

    def copy(self) -> Transcript:
        """Another transcript that begins with the same messages."""
        twin = Transcript()
        twin._algorithm, twin._pending, twin._digest = self._algorithm, self._pending, self._digest
        twin._running = None if self._running is None else self._running.copy()
        return twin

    def digest(self) -> bytes:
        """Transcript-Hash of everything added so far."""
        if self._running is None:
            raise InternalError(Reason.INTERNAL, "the transcript's hash function is not known yet")
        digest = self._digest
        if digest is None:
            digest = self._digest = self._running.digest()
        return digest

    def digest_with(self, partial: bytes, algorithm: HashAlgorithm) -> bytes:
        """Transcript-Hash of everything added so far and of `partial`, which is not added.

        For PSK binders, which cover a truncated ClientHello (RFC 9846 section 4.3.11.2), and for 0-RTT secrets;
        `algorithm` is the PSK's, since no suite may be settled yet.
        """
        if self._running is None:
            return algorithm.new(self._pending + partial).digest()
        if self._algorithm is not algorithm:
            raise InternalError(Reason.INTERNAL, "the transcript's hash function cannot change")
        running = self._running.copy()
        running.update(partial)
        return running.digest()

    def replace_with_message_hash(self) -> None:
        """Put the synthetic message_hash message in the place of ClientHello1 (RFC 9846 section 4.1).

        To be called between `start` and adding the HelloRetryRequest. It lets a server that keeps nothing but a
        cookie go on with the hash of the first ClientHello alone.
        """
        self._restart(self.digest())

    def restart_from_message_hash(self, algorithm: HashAlgorithm, client_hello_hash: bytes) -> None:
        """Begin from the hash of ClientHello1, as a server that kept it in its cookie does."""
        if self._running is not None or self._pending:
            raise InternalError(Reason.INTERNAL, "the transcript has begun already")
        self._algorithm = algorithm
        self._restart(client_hello_hash)

    def _restart(self, client_hello_hash: bytes) -> None:
        algorithm = self._algorithm
        if algorithm is None or len(client_hello_hash) != algorithm.digest_size:
            raise InternalError(Reason.INTERNAL, "not a hash of this transcript's function")
        header = bytes((HandshakeType.MESSAGE_HASH, 0, 0, algorithm.digest_size))
        self._running = algorithm.new(header + client_hello_hash)
        self._digest = None


class KeepingTranscript(Transcript):
    """A transcript that also keeps the messages, for the CertificateVerify of TLS 1.2.

    That signs the messages themselves with the hash of its own scheme (RFC 5246 section 7.4.8), which is known only
    when all of them are.
    """

    __slots__ = ("_kept",)

    def __init__(self, first: bytes = b"") -> None:
        super().__init__()
        self._pending = first
        self._kept: list[bytes] | None = [first]

    @classmethod
    def of(cls, other: Transcript) -> KeepingTranscript:
        """What `other` has collected before its hash function was settled, kept from now on."""
        if other._running is not None:
            raise InternalError(Reason.INTERNAL, "the messages of this transcript are gone")
        return cls(other._pending)

    def add(self, message: bytes) -> None:
        """Append one message, or several at once."""
        super().add(message)
        if self._kept is not None:
            self._kept.append(message)

    def messages(self) -> bytes:
        """All messages so far."""
        if self._kept is None:
            raise InternalError(Reason.INTERNAL, "the messages were forgotten")
        return b"".join(self._kept)

    def forget_messages(self) -> None:
        """Keep the hash only: nobody will sign, or all have signed."""
        self._kept = None
