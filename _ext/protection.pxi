# Keys of one direction and one epoch: sequence numbers, usage limits, and record protection.
#
# `Protection` is the interface that the reader and the writer know: overhead, where the content begins, whether the
# type is inside, `seal` in place and `open` into other memory. TLS 1.2 is in `protection_tls12.pxi`.

cdef enum:
    TAG = 16

@cython.no_gc
cdef class Protection:
    @property
    def sequence_number(self):
        """The number that the next record will use."""
        return self.sequence

    cdef bytes nonce(self):
        """Per-record nonce: the IV XOR the sequence number (RFC 9846 section 5.3)."""
        cdef unsigned char nonce[12]
        cdef uint64_t sequence = self.sequence
        cdef int index
        memcpy(nonce, self.iv, 12)
        for index in range(8):
            nonce[11 - index] ^= <unsigned char>((sequence >> (8 * index)) & 0xFF)
        return PyBytes_FromStringAndSize(<char*>nonce, 12)

    cdef Py_ssize_t seal(self, unsigned char* record, Py_ssize_t length, int content_type) except -1:
        """Seal the content that stands at `record + HEADER + content_offset` in place; the record's length."""
        raise NotImplementedError

    cdef Py_ssize_t open(
        self, unsigned char* record, Py_ssize_t length, unsigned char* destination, int* content_type
    ) except -1:
        """Open a whole record of `length` bytes into `destination`; the content's length."""
        raise NotImplementedError

    cdef Py_ssize_t opened_size(self, Py_ssize_t length) noexcept:
        """Bytes that `open` writes for a record of `length` bytes, before anything is stripped."""
        return length - HEADER - self.overhead + self.inner_type


@cython.no_gc
cdef class Tls13Protection(Protection):
    """RFC 9846 section 5.2: the inner type follows the content, padding follows the type."""

    cdef Py_ssize_t seal(self, unsigned char* record, Py_ssize_t length, int content_type) except -1:
        cdef Py_ssize_t inner = length + 1
        cdef Py_ssize_t sealed = inner + TAG
        if self.sequence >= self.confidentiality_limit:
            raise TLSError(Reason.SEND_KEY_EXHAUSTED)
        record[0] = TYPE_APPLICATION_DATA
        record[1] = 3
        record[2] = 3
        record[3] = <unsigned char>(sealed >> 8)
        record[4] = <unsigned char>(sealed & 0xFF)
        record[HEADER + length] = <unsigned char>content_type
        self.source.memory = record + HEADER
        self.source.length = inner
        self.destination.memory = record + HEADER
        self.destination.length = sealed
        self.aead.encrypt_into(
            self.nonce(), self.source, PyBytes_FromStringAndSize(<char*>record, HEADER), self.destination
        )
        self.sequence += 1
        return HEADER + sealed

    cdef Py_ssize_t open(
        self, unsigned char* record, Py_ssize_t length, unsigned char* destination, int* content_type
    ) except -1:
        cdef Py_ssize_t inner = length - HEADER - TAG
        cdef Py_ssize_t content
        if inner < 0:
            raise PeerMisbehaved(Reason.BAD_RECORD_MAC)
        if inner > INNER_LIMIT:
            # RFC 9846 section 5.4: the full TLSInnerPlaintext is at most 2^14 + 1 bytes.
            raise PeerMisbehaved(Reason.RECORD_OVERFLOW)
        if self.sequence == UINT64_MAX:
            raise PeerMisbehaved(Reason.RECEIVE_KEY_EXHAUSTED)
        self.source.memory = record + HEADER
        self.source.length = length - HEADER
        self.destination.memory = destination
        self.destination.length = inner
        try:
            self.aead.decrypt_into(
                self.nonce(), self.source, PyBytes_FromStringAndSize(<char*>record, HEADER), self.destination
            )
        except BaseException as error:
            # What the AEAD wrote is not authenticated; nobody may see it.
            wipe(destination, <size_t>inner)
            if isinstance(error, InvalidTag):
                raise PeerMisbehaved(Reason.BAD_RECORD_MAC) from None
            raise
        self.sequence += 1
        content = strip_padding(destination, inner)
        if content < 0:
            raise PeerMisbehaved(Reason.NO_CONTENT_TYPE)
        content_type[0] = destination[content]
        return content


cdef Py_ssize_t strip_padding(const unsigned char* inner, Py_ssize_t length) noexcept:
    """The content's length, which is the index of the last non-zero byte; -1 when there is none.

    A record without padding is seen at once. One with padding is scanned from end to end whatever it holds, so that
    the time tells that there is padding, but not how much.
    """
    cdef Py_ssize_t last = -1
    cdef Py_ssize_t index
    cdef Py_ssize_t mask
    if length > 0 and inner[length - 1] != 0:
        return length - 1
    for index in range(length):
        mask = -<Py_ssize_t>(inner[index] != 0)
        last = (index & mask) | (last & ~mask)
    return last


cdef int prepare_protection(Protection protection, object aead, bytes iv, object confidentiality_limit) except -1:
    """What every protection is born with; the sequence number begins at 0."""
    protection.sequence = 0
    protection.confidentiality_limit = min(confidentiality_limit, UINT64_MAX)
    # A KeyUpdate is asked for this early, so that a whole batch still fits under the old key.
    if protection.confidentiality_limit > 65536:
        protection.soft_limit = protection.confidentiality_limit - 32768
    else:
        protection.soft_limit = protection.confidentiality_limit // 2
    protection.aead = aead
    memcpy(protection.iv, PyBytes_AS_STRING(iv), <size_t>len(iv))
    protection.source = Window.__new__(Window)
    protection.destination = Window.__new__(Window)
    protection.destination.writable = True
    return 0


def tls13_protection(aead, bytes iv not None, confidentiality_limit):
    """Protection of RFC 9846 section 5.2; `confidentiality_limit` is the number of records it may seal."""
    cdef Tls13Protection protection = Tls13Protection.__new__(Tls13Protection)
    if len(iv) != 12:
        raise ValueError("the IV must be 12 bytes long")
    prepare_protection(protection, aead, iv, confidentiality_limit)
    protection.overhead = 1 + TAG
    protection.content_offset = 0
    protection.inner_type = True
    return protection
