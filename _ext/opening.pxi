# De-framing, opening, and handshake reassembly (RFC 9846 sections 5.1, 5.2 and 5.4).
#
# `open_many` takes whole records from memory and puts application data into memory; both may be the caller's. Content
# of other kinds goes to the owner at once. Where a record's whole inner plaintext fits the destination it is opened
# straight into it, else into `plain`, from which it is delivered (law 5).
#
# `_RecordOpener` is the half of `RecordReader` that holds keys, what was not delivered yet, and the end. Where bytes come
# from, locks and the calls that programs make are in `reader.pxi`.

cdef enum:
    END_NONE = 0


cdef object forget_frames(object error):
    """`error` and its causes without their tracebacks, whose frames would lead back to the connection."""
    cdef int depth = 0
    cause = error
    while cause is not None and depth < 32:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
        depth += 1
    return error


cdef bint is_one_message(const unsigned char* content, Py_ssize_t length) noexcept:
    """Whether the content is exactly one handshake message."""
    return length >= 4 and length - 4 == (
        (<Py_ssize_t>content[1] << 16) | (<Py_ssize_t>content[2] << 8) | content[3]
    )


cdef class _RecordOpener:
    def __cinit__(self):
        self.raw.memory = NULL
        self.raw.start = 0
        self.raw.end = 0
        self.raw.capacity = 0
        self.plain = self.raw
        self.handshake = None
        self.max_handshake_message = 131072
        self.early_data_left = -1
        self.least_loss = LEAST_LOSS
        self.max_record = CIPHERTEXT_LIMIT
        self.max_empty_records = EMPTY_RECORD_BUDGET
        self.max_change_cipher_specs = CHANGE_CIPHER_SPEC_BUDGET

    def __dealloc__(self):
        chunk_give(&self.raw)
        chunk_wipe(&self.plain)

    def set_key(self, Protection protection not None, bint plaintext_alert=False):
        """Change the read key; refused while part of a message is pending (RFC 9846 section 5.1)."""
        self.demand_record_boundary()
        self.protection = protection
        self.least_loss = HEADER + protection.overhead
        self.plaintext_alert = plaintext_alert

    def demand_record_boundary(self):
        """Refuse bytes of a further handshake message behind the last one."""
        if self.handshake is not None:
            raise PeerMisbehaved(Reason.KEY_CHANGE_NOT_ALIGNED)

    def open_application(self):
        """Application data is accepted from now on."""
        self.application = True

    @property
    def protected(self):
        """Whether records that arrive now must be protected."""
        return self.protection is not None

    @property
    def has_input(self):
        """Whether bytes are held that were not processed: part of a record, or of a handshake message."""
        return self.raw.end > self.raw.start or self.handshake is not None

    def pending(self):
        """Plaintext bytes ready without further input; an end that was read behind data counts as 1 (law 1)."""
        if self.plain.end > self.plain.start:
            return self.plain.end - self.plain.start
        return 1 if self.end_behind_data else 0

    # -- framing ----------------------------------------------------------------------------------------------------

    cdef Py_ssize_t record_length(self, const unsigned char* header) except -1:
        """The whole length of the record that begins here; refuses what can be no record before its body is read."""
        cdef Py_ssize_t length = (<Py_ssize_t>header[3] << 8) | header[4]
        cdef Py_ssize_t limit
        cdef int content_type = header[0]
        if header[1] != 3 or content_type < TYPE_CHANGE_CIPHER_SPEC or content_type > TYPE_APPLICATION_DATA:
            if self.seen_record:
                raise PeerMisbehaved(Reason.UNKNOWN_CONTENT_TYPE, f"0x{content_type:02x}, version 0x{header[1]:02x}")
            if header[:HEADER] in (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO", b"DELET"):
                raise PeerMisbehaved(Reason.HTTP_REQUEST)
            if header[:HEADER] == b"CONNE":
                raise PeerMisbehaved(Reason.HTTPS_PROXY_REQUEST)
            if header[:HEADER] == b"HTTP/":
                raise PeerMisbehaved(Reason.HTTP_RESPONSE)
            raise PeerMisbehaved(Reason.NOT_TLS)
        limit = self.max_record
        if self.early_data_left >= 0:
            # Early data that is not accepted is as long as another server allowed, by keys that nobody here has.
            limit = CIPHERTEXT_LIMIT
        elif self.protection is None:
            limit = PLAINTEXT_LIMIT
        if length > limit:
            raise PeerMisbehaved(Reason.RECORD_OVERFLOW, f"{length} bytes")
        if self.protection is not None and content_type != TYPE_APPLICATION_DATA:
            if not self.protection.inner_type and content_type != TYPE_CHANGE_CIPHER_SPEC:
                pass  # TLS 1.2 protects every type alike; a second change_cipher_spec would be a renegotiation's
            # RFC 9846 section 5: once keys are in use only these two may stand outside, and only these sizes.
            elif content_type == TYPE_CHANGE_CIPHER_SPEC and self.change_cipher_spec_allowed:
                pass
            elif content_type == TYPE_ALERT and self.plaintext_alert and self.protection.sequence == 0:
                pass
            elif content_type == TYPE_CHANGE_CIPHER_SPEC:
                raise PeerMisbehaved(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC)
            else:
                raise PeerMisbehaved(Reason.UNPROTECTED_RECORD, f"content type {content_type}")
        self.seen_record = True
        return HEADER + length

    cdef Py_ssize_t wanted(self, Py_ssize_t size) except -1:
        """Law 1: how much one read may take when `size` bytes of the caller's room are left; 0: this record only."""
        cdef Py_ssize_t held = self.raw.end - self.raw.start
        cdef Py_ssize_t length
        # More is never read at once, and the sums below must not overflow.
        size = min(size, <Py_ssize_t>READ_AT_MOST)
        if size > 0:
            if held < HEADER:
                return size + self.least_loss - held
            length = self.record_length(self.raw.memory + self.raw.start)
            return max(length, size + self.least_loss) - held
        if held < HEADER:
            return HEADER - held
        return self.record_length(self.raw.memory + self.raw.start) - held

    cdef int open_many(
        self, unsigned char* source, Py_ssize_t available, Py_ssize_t* consumed,
        unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, Py_ssize_t* produced,
        bint greedy, object owner
    ) except -100:
        """Open the whole records in `source`: WANT_READ when they are used up, or why it stopped before.

        `size` is how much the caller wants, `capacity` how much memory there is for it (some slack lets a record that
        fits exactly be opened in place). Without `greedy` it stops when the destination is full.
        """
        cdef Py_ssize_t length
        cdef int outcome
        if self.handshake is not None:
            # Whole messages may be left from the record after which the owner stopped us.
            outcome = self.deliver_handshake(owner)
            if outcome != 0:
                return outcome
        while True:
            if self.end != END_NONE:
                return self.end
            if self.plain.end > self.plain.start:
                return OUTCOME_HAVE_DATA
            if available - consumed[0] < HEADER:
                return OUTCOME_WANT_READ
            length = self.record_length(source + consumed[0])
            if available - consumed[0] < length:
                return OUTCOME_WANT_READ
            if produced[0] == size and size > 0 and not greedy:
                return OUTCOME_HAVE_DATA
            outcome = self.open_record(
                source + consumed[0], length, destination, size, capacity, produced, owner
            )
            consumed[0] += length
            if outcome != 0:
                return outcome

    cdef int open_record(
        self, unsigned char* record, Py_ssize_t length,
        unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, Py_ssize_t* produced, object owner
    ) except -100:
        """Open one whole record and hand on its content: 0 to go on, or an outcome."""
        cdef Py_ssize_t inner
        cdef Py_ssize_t content
        cdef int content_type = 0
        cdef unsigned char behind
        cdef unsigned char* target
        # A reference of our own: a callback may change the key.
        cdef Protection protection = self.protection
        if protection is None or (record[0] != TYPE_APPLICATION_DATA and protection.inner_type):
            return self.take_plaintext(record, length, owner)
        if self.early_data_left >= 0:
            return self.open_after_early_data(protection, record, length, owner)
        inner = protection.opened_size(length)
        # The slack is for the inner type. TLS 1.2 has none there: a content of one byte too many must not use it.
        if (
            self.application and destination != NULL and inner <= capacity - produced[0]
            and inner - protection.inner_type <= size - produced[0]
        ):
            target = destination + produced[0]
            behind = target[inner - 1] if inner > 0 else 0
            content = protection.open(record, length, target, &content_type)
            if content_type == TYPE_APPLICATION_DATA and content > 0 and self.handshake is None:
                # The inner type stands where the caller's memory had something else: put that back. Where padding was
                # opened over more of it, nothing is left but zeros.
                if content < inner:
                    target[content] = behind if content == inner - 1 else 0
                self.empty_records = 0
                produced[0] += content
                return 0
            try:
                return self.take_content(content_type, target, content, owner)
            finally:
                # It was not for the caller's eyes.
                wipe(target, <size_t>content)
        chunk_take(&self.plain, max(inner, 1))
        try:
            content = protection.open(record, length, self.plain.memory, &content_type)
            if content_type == TYPE_APPLICATION_DATA and content > 0 and self.application and self.handshake is None:
                self.empty_records = 0
                self.plain.end = content
                return 0
            return self.take_content(content_type, self.plain.memory, content, owner)
        finally:
            if self.plain.end == 0:
                chunk_give(&self.plain)

    # -- early data that is not accepted ------------------------------------------------------------------------------

    cdef int open_after_early_data(
        self, Protection protection, unsigned char* record, Py_ssize_t length, object owner
    ) except -100:
        """RFC 9846 section 4.3.10: a server that ignores early_data "skips past early data by attempting to deprotect
        received records using the handshake traffic key, discarding records which fail deprotection". The first one
        that opens ends that.
        """
        cdef Py_ssize_t content
        cdef int content_type = 0
        chunk_take(&self.plain, max(length, 1))
        try:
            try:
                content = protection.open(record, length, self.plain.memory, &content_type)
            except PeerMisbehaved as error:
                if error.reason is not Reason.BAD_RECORD_MAC:
                    raise
                return self.skip_early_data(length - HEADER)
            self.early_data_left = -1
            return self.take_content(content_type, self.plain.memory, content, owner)
        finally:
            chunk_give(&self.plain)

    cdef int skip_early_data(self, Py_ssize_t length) except -1:
        """Drop a record of early data, within the budget: 0."""
        if self.handshake is not None:
            raise PeerMisbehaved(Reason.INTERLEAVED_HANDSHAKE)
        if length > self.early_data_left:
            raise PeerMisbehaved(Reason.TOO_MUCH_EARLY_DATA)
        self.early_data_left -= length
        return 0

    # -- content ----------------------------------------------------------------------------------------------------

    cdef int take_plaintext(self, unsigned char* record, Py_ssize_t length, object owner) except -100:
        """A record without protection (its type was judged by `record_length` where keys are in use)."""
        cdef unsigned char* content = record + HEADER
        length -= HEADER
        if record[0] == TYPE_CHANGE_CIPHER_SPEC:
            # RFC 9846 section 5: one byte 0x01, between the first ClientHello and the peer's Finished; else an error.
            # In TLS 1.2 it changes the key, so it may not come between the parts of a message either.
            if length != 1 or content[0] != 1 or self.handshake is not None:
                raise PeerMisbehaved(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC)
            if self.change_cipher_spec_reported:
                owner.on_change_cipher_spec()
                return 0
            if not self.change_cipher_spec_allowed:
                raise PeerMisbehaved(Reason.UNEXPECTED_CHANGE_CIPHER_SPEC)
            self.change_cipher_specs += 1
            if self.change_cipher_specs > self.max_change_cipher_specs:
                raise PeerMisbehaved(Reason.TOO_MANY_CHANGE_CIPHER_SPECS)
            return 0
        if record[0] == TYPE_APPLICATION_DATA and self.early_data_left >= 0:
            return self.skip_early_data(length)
        if record[0] == TYPE_APPLICATION_DATA:
            # RFC 9846 section 5: application data is always protected, whatever state we are in.
            raise PeerMisbehaved(Reason.UNEXPECTED_APPLICATION_DATA)
        return self.take_content(record[0], content, length, owner)

    cdef int take_content(
        self, int content_type, const unsigned char* content, Py_ssize_t length, object owner
    ) except -100:
        """Hand on content that is not plain application data: 0 to go on, or an outcome."""
        if content_type == TYPE_ALERT:
            return self.take_alert(content, length, owner)
        if content_type == TYPE_HANDSHAKE:
            if length == 0:
                # RFC 9846 section 5.1: zero-length fragments of handshake types are not allowed.
                raise PeerMisbehaved(Reason.EMPTY_MESSAGE_FRAGMENT)
            if self.handshake is None and is_one_message(content, length):
                # The usual case: no detour through the reassembly buffer.
                if length - 4 > self.max_handshake_message:
                    raise PeerMisbehaved(Reason.HANDSHAKE_MESSAGE_TOO_LARGE, f"{length - 4} bytes")
                if owner.on_handshake_message(PyBytes_FromStringAndSize(<char*>content, length)):
                    return 0
                return OUTCOME_STOPPED
            if self.handshake is None:
                self.handshake = bytearray()
            self.handshake += content[:length]
            return self.deliver_handshake(owner)
        if content_type != TYPE_APPLICATION_DATA:
            raise PeerMisbehaved(Reason.UNKNOWN_CONTENT_TYPE, f"0x{content_type:02x} inside a protected record")
        if not self.application:
            raise PeerMisbehaved(Reason.UNEXPECTED_APPLICATION_DATA)
        if self.handshake is not None:
            raise PeerMisbehaved(Reason.INTERLEAVED_HANDSHAKE)
        self.empty_records += 1
        if self.empty_records > self.max_empty_records:
            raise PeerMisbehaved(Reason.TOO_MANY_EMPTY_RECORDS)
        return 0

    cdef int take_alert(self, const unsigned char* content, Py_ssize_t length, object owner) except -100:
        """RFC 9846 section 6: close_notify ends the stream, anything else is the owner's to judge."""
        if length != 2:
            if length == 0:
                raise PeerMisbehaved(Reason.EMPTY_MESSAGE_FRAGMENT)
            raise InvalidMessage(Reason.INVALID_ALERT)
        if content[1] == 0:
            owner.on_close_notify()
            self.end = OUTCOME_CLOSED
            return OUTCOME_CLOSED
        if not owner.on_alert(content[0], content[1]):
            return OUTCOME_STOPPED
        if self.handshake is not None:
            raise PeerMisbehaved(Reason.INTERLEAVED_HANDSHAKE)
        return 0

    cdef int deliver_handshake(self, object owner) except -100:
        """Give the owner each whole message; STOPPED when it answers False. A partial one stays."""
        cdef Py_ssize_t held
        cdef Py_ssize_t length
        cdef unsigned char* data
        cdef bytes message
        while self.handshake is not None:
            held = PyByteArray_GET_SIZE(self.handshake)
            if held < 4:
                return 0
            data = <unsigned char*>PyByteArray_AS_STRING(self.handshake)
            length = (<Py_ssize_t>data[1] << 16) | (<Py_ssize_t>data[2] << 8) | data[3]
            if length > self.max_handshake_message:
                raise PeerMisbehaved(Reason.HANDSHAKE_MESSAGE_TOO_LARGE, f"{length} bytes")
            if held < 4 + length:
                return 0
            message = PyBytes_FromStringAndSize(<char*>data, 4 + length)
            # What follows must be visible to `set_key` during the callback.
            if held == 4 + length:
                self.handshake = None
            else:
                del self.handshake[:4 + length]
            if not owner.on_handshake_message(message):
                return OUTCOME_STOPPED
        return 0

    # -- ends -------------------------------------------------------------------------------------------------------

    cdef int fail(self, object error, object owner) except -1:
        """Remember the error that ends this direction; wipe the buffers (law 5)."""
        # The end is reached whatever the owner does now.
        self.end = OUTCOME_FAILED
        self.failure = detached(error)
        self.handshake = None
        chunk_wipe(&self.raw)
        if self.plain.end == self.plain.start:
            chunk_wipe(&self.plain)
        answer = owner.on_failure(error)
        if not isinstance(answer, Exception):
            # An interruption is raised once; what stays afterwards is that the connection is broken.
            raise answer
        self.failure = answer
        return 0

    cdef int report_end(self) except -100:
        """Report the end once and for all: the outcome, or raise what failed."""
        self.end_behind_data = False
        if self.end == OUTCOME_FAILED:
            # The first time as it was raised, with its cause; every later time an equal one.
            failure = self.failure
            self.failure = detached(failure)
            raise failure
        return self.end

    cdef int open_held(
        self, unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, Py_ssize_t* produced,
        bint greedy, object owner
    ) except -100:
        """`open_many` on the bytes held; the one place where reading turns an exception into an end."""
        cdef Py_ssize_t consumed = 0
        cdef int outcome
        try:
            outcome = self.open_many(
                self.raw.memory + self.raw.start, self.raw.end - self.raw.start, &consumed,
                destination, size, capacity, produced, greedy, owner
            )
        except BaseException as error:
            self.fail(error, owner)
            outcome = OUTCOME_FAILED
        else:
            self.raw.start += consumed
            if self.raw.start == self.raw.end:
                chunk_give(&self.raw)
        if produced[0] > 0 and self.end != END_NONE:
            self.end_behind_data = True
            if outcome == OUTCOME_FAILED:
                # Nobody knows whether it will ever be raised.
                forget_frames(self.failure)
        return outcome

    cdef bint openable(self) noexcept:
        """Whether `open_held` has something to do: a whole record, or messages left when the owner stopped us."""
        cdef Py_ssize_t held = self.raw.end - self.raw.start
        cdef const unsigned char* header = self.raw.memory + self.raw.start
        if self.handshake is not None:
            return True
        return held >= HEADER and held >= HEADER + ((<Py_ssize_t>header[3] << 8) | header[4])

    cdef Py_ssize_t take_plain(self, unsigned char* destination, Py_ssize_t size) noexcept:
        """Deliver from the rest of one record."""
        cdef Py_ssize_t count = min(size, self.plain.end - self.plain.start)
        memcpy(destination, self.plain.memory + self.plain.start, <size_t>count)
        self.plain.start += count
        if self.plain.start == self.plain.end:
            chunk_give(&self.plain)
        return count
