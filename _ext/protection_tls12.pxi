# Record protection of TLS 1.2 with an AEAD (RFC 5246 section 6.2.3.3).
#
# The type stands outside, there is no padding, and the additional data names the sequence number and the length of the
# plaintext. AES-GCM carries eight bytes of its nonce in each record (RFC 5288 section 3); ChaCha20-Poly1305 makes its
# nonce as TLS 1.3 does and carries none (RFC 7905 section 2). A key changes only with a ChangeCipherSpec.

cdef enum:
    EXPLICIT_NONCE = 8
    FIXED_IV = 4


@cython.no_gc
cdef class Tls12Protection(Protection):
    cdef bytes record_nonce(self, const unsigned char* explicit):
        """The nonce of one record, whose explicit part, where there is one, is at `explicit`."""
        cdef unsigned char nonce[12]
        if self.content_offset == 0:
            return self.nonce()
        memcpy(nonce, self.iv, FIXED_IV)
        memcpy(nonce + FIXED_IV, explicit, EXPLICIT_NONCE)
        return PyBytes_FromStringAndSize(<char*>nonce, 12)

    cdef bytes additional_data(self, const unsigned char* header, Py_ssize_t length):
        """additional_data of RFC 5246 section 6.2.3.3: seq_num, type and version of the header, plaintext length."""
        cdef unsigned char data[13]
        put_uint64(data, self.sequence)
        memcpy(data + 8, header, 3)
        data[11] = <unsigned char>(length >> 8)
        data[12] = <unsigned char>(length & 0xFF)
        return PyBytes_FromStringAndSize(<char*>data, 13)

    cdef Py_ssize_t seal(self, unsigned char* record, Py_ssize_t length, int content_type) except -1:
        cdef Py_ssize_t sealed = length + TAG
        cdef Py_ssize_t whole = self.content_offset + sealed
        cdef unsigned char* content = record + HEADER + self.content_offset
        if self.sequence >= self.confidentiality_limit:
            raise TLSError(Reason.SEND_KEY_EXHAUSTED)
        record[0] = <unsigned char>content_type
        record[1] = 3
        record[2] = 3
        record[3] = <unsigned char>(whole >> 8)
        record[4] = <unsigned char>(whole & 0xFF)
        if self.content_offset != 0:
            # RFC 5288 section 3: "The nonce_explicit MAY be the 64-bit sequence number", which never repeats.
            put_uint64(record + HEADER, self.sequence)
        self.source.memory = content
        self.source.length = length
        self.destination.memory = content
        self.destination.length = sealed
        self.aead.encrypt_into(
            self.record_nonce(record + HEADER), self.source, self.additional_data(record, length), self.destination
        )
        self.sequence += 1
        return HEADER + whole

    cdef Py_ssize_t open(
        self, unsigned char* record, Py_ssize_t length, unsigned char* destination, int* content_type
    ) except -1:
        cdef Py_ssize_t inner = length - HEADER - self.overhead
        if inner < 0:
            raise PeerMisbehaved(Reason.BAD_RECORD_MAC)
        if inner > PLAINTEXT_LIMIT:
            # RFC 5246 section 6.2.1: a plaintext is at most 2^14 bytes.
            raise PeerMisbehaved(Reason.RECORD_OVERFLOW)
        if self.sequence == UINT64_MAX:
            raise PeerMisbehaved(Reason.RECEIVE_KEY_EXHAUSTED)
        self.source.memory = record + HEADER + self.content_offset
        self.source.length = inner + TAG
        self.destination.memory = destination
        self.destination.length = inner
        try:
            self.aead.decrypt_into(
                self.record_nonce(record + HEADER), self.source, self.additional_data(record, inner), self.destination
            )
        except BaseException as error:
            # What the AEAD wrote is not authenticated; nobody may see it.
            wipe(destination, <size_t>inner)
            if isinstance(error, InvalidTag):
                raise PeerMisbehaved(Reason.BAD_RECORD_MAC) from None
            raise
        self.sequence += 1
        content_type[0] = record[0]
        return inner


cdef void put_uint64(unsigned char* memory, uint64_t value) noexcept:
    """Write `value` in network byte order."""
    cdef int index
    for index in range(8):
        memory[7 - index] = <unsigned char>((value >> (8 * index)) & 0xFF)


def tls12_protection(aead, bytes iv not None, confidentiality_limit):
    """Protection of RFC 5246 section 6.2.3.3. The IV's length says how nonces are made.

    4 bytes: the salt of AES-GCM, whose nonces have an explicit part (RFC 5288); 12: an IV that the sequence number is
    put into (RFC 7905).
    """
    cdef Tls12Protection protection = Tls12Protection.__new__(Tls12Protection)
    if len(iv) not in (FIXED_IV, 12):
        raise ValueError("the IV must be 4 or 12 bytes long")
    prepare_protection(protection, aead, iv, confidentiality_limit)
    protection.content_offset = EXPLICIT_NONCE if len(iv) == FIXED_IV else 0
    protection.overhead = protection.content_offset + TAG
    protection.inner_type = False
    return protection
