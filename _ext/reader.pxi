# De-framing, opening, and handshake reassembly (RFC 9846 sections 5.1, 5.2 and 5.4).
#
# `open_many` takes whole records from memory and puts application data into memory; both may be the caller's. Content
# of other kinds goes to the owner at once. Where a record's whole inner plaintext fits the destination it is opened
# straight into it, else into `plain`, from which it is delivered (law 5).

cdef enum:
    END_NONE = 0


cdef extern from "Python.h":
    # As C sees them: a bytes object may be written and shrunk while nobody else has seen it.
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char* content, Py_ssize_t length)
    int _PyBytes_Resize(PyObject** bytes_object, Py_ssize_t length) except -1


cdef object finish_bytes(PyObject* result, Py_ssize_t count):
    """The bytes object cut to `count`, which takes over the reference; an outcome has none (it was given up)."""
    if count <= 0:
        return b"" if count == 0 else count
    _PyBytes_Resize(&result, count)
    cut = <object>result
    Py_DECREF(cut)
    return cut


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


cdef class RecordReader:
    def __cinit__(self, RecordWriter writer not None):
        side_init(&self.side)
        self.raw.memory = NULL
        self.raw.start = 0
        self.raw.end = 0
        self.raw.capacity = 0
        self.plain = self.raw
        self.writer = writer
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
        side_free(&self.side)

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

    cdef Py_ssize_t take_plain(self, unsigned char* destination, Py_ssize_t size) noexcept:
        """Deliver from the rest of one record."""
        cdef Py_ssize_t count = min(size, self.plain.end - self.plain.start)
        memcpy(destination, self.plain.memory + self.plain.start, <size_t>count)
        self.plain.start += count
        if self.plain.start == self.plain.end:
            chunk_give(&self.plain)
        return count

    # -- with a descriptor ------------------------------------------------------------------------------------------

    cdef bint may_pass_an_end(self, Py_ssize_t limit) noexcept:
        """Whether a read of `limit` bytes may take an alert together with anything before or behind it."""
        cdef Py_ssize_t held = self.raw.end - self.raw.start
        cdef const unsigned char* header = self.raw.memory + self.raw.start
        if self.protection is None:
            return False
        if held >= HEADER:
            return held + limit > HEADER + ((<Py_ssize_t>header[3] << 8) | header[4])
        return held + limit > self.least_loss + ALERT_LENGTH

    cdef Py_ssize_t up_to_an_end(self, Py_ssize_t count) noexcept:
        """How many of `count` bytes, looked at behind those held, may be taken: an alert by itself, or what is before.

        An alert cannot be told from two bytes of data before it is opened; those two are read by themselves then. One
        that its sender padded (RFC 9846 section 5.4) looks like data, and is taken.
        """
        cdef unsigned char* memory = self.raw.memory
        cdef Py_ssize_t position = self.raw.start
        cdef Py_ssize_t stop = self.raw.end + count
        cdef Py_ssize_t length
        while stop - position >= HEADER:
            length = HEADER + ((<Py_ssize_t>memory[position + 3] << 8) | memory[position + 4])
            if length == self.least_loss + ALERT_LENGTH and (
                memory[position] == (TYPE_APPLICATION_DATA if self.protection.inner_type else TYPE_ALERT)
            ):
                if position == self.raw.start:
                    position += length
                return min(count, position - self.raw.end)
            position += length
        return count

    cdef Py_ssize_t take_seen(self, object sock, Py_ssize_t count) except -100:
        """Take from the kernel what a look at it has put into memory: the bytes taken, or -1 with `errno` set.

        With the GIL held: there is nothing to wait for, and nobody may close the descriptor meanwhile.
        """
        cdef int fd = descriptor(sock)
        if fd < 0:
            set_errno(EBADF)
            return -1
        while True:
            # Where the kernel cannot drop them, it puts the same bytes into the same place.
            count = c_recv(fd, self.raw.memory + self.raw.end, <size_t>count, MSG_DONTWAIT | MSG_DROP)
            if count >= 0 or errno != EINTR:
                return count

    cdef int carry_in(self, object carrier, Py_ssize_t limit, double timeout, double deadline) except -100:
        """`fill` through a Carrier, whose bytes are copied. It cannot be looked at: an alert may come behind data."""
        left = time_left(timeout, deadline)
        if timeout > 0 and left <= 0:
            return OUTCOME_TIMED_OUT
        data = carrier.carry_in(limit, left)
        if isinstance(data, int):
            return data
        if len(data) > limit:
            raise InternalError(Reason.INTERNAL, f"{len(data)} bytes were carried, and {limit} asked for")
        if len(data) == 0:
            self.end = OUTCOME_TRUNCATED
            return OUTCOME_TRUNCATED
        self.append(data)
        return 0

    cdef int fill(self, object sock, Py_ssize_t size, double timeout, double deadline) except -100:
        """One read from the transport, within law 1: 0 when bytes came, or an outcome (TRUNCATED at its end).

        An alert is taken by itself: behind data it stays in the kernel, so that select() goes on telling of it, and what
        is behind it may be another protocol's. A read that might pass one looks first, and takes what is before.
        """
        cdef Py_ssize_t count
        cdef Py_ssize_t limit = min(self.wanted(size), <Py_ssize_t>READ_AT_MOST)
        cdef unsigned char* memory
        cdef int fd
        cdef bint looking = size > 0 and self.may_pass_an_end(limit)
        cdef int flags = 0 if timeout < 0 else MSG_DONTWAIT
        cdef int outcome
        if isinstance(sock, Carrier):
            return self.carry_in(sock, limit, timeout, deadline)
        if looking and self.raw.end == self.raw.start and limit < 2 * self.least_loss + ALERT_LENGTH + 1:
            # So little that there is nothing to look at: enough for an alert, which nothing else fits beside.
            limit = self.least_loss + ALERT_LENGTH
            looking = False
        if looking:
            flags |= MSG_PEEK
        if self.raw.memory == NULL:
            chunk_take(&self.raw, limit)
        elif self.raw.capacity - self.raw.end < limit:
            chunk_move(&self.raw, limit, True)
        memory = self.raw.memory + self.raw.end
        while True:
            fd = descriptor(sock)
            if fd < 0:
                self.last_errno = EBADF
                outcome = OUTCOME_SYSTEM_ERROR
                break
            with nogil:
                count = c_recv(fd, memory, <size_t>limit, flags)
            if count > 0 and looking:
                count = self.take_seen(sock, self.up_to_an_end(count))
            if count > 0:
                self.raw.end += count
                return 0
            if count == 0:
                self.end = OUTCOME_TRUNCATED
                outcome = OUTCOME_TRUNCATED
                break
            if errno == EINTR:
                PyErr_CheckSignals()
                continue
            if errno != EAGAIN:
                self.last_errno = errno
                outcome = OUTCOME_SYSTEM_ERROR
                break
            if timeout == 0:
                outcome = OUTCOME_WANT_READ
                break
            outcome = wait_for(sock, POLLIN, timeout, deadline)
            if outcome != 0:
                self.last_errno = errno
                break
        return outcome

    cdef int leave(self, object sock) except -1:
        """End of a call: hold no more memory than a partial record needs, send what the callbacks queued.

        It raises nothing, because the call it ends may have data to return.
        """
        cdef Py_ssize_t held = self.raw.end - self.raw.start
        if self.raw.memory != NULL:
            if held == 0:
                chunk_give(&self.raw)
            elif self.raw.capacity > pool_size[0] and held < RECORD_LIMIT:
                try:
                    chunk_move(&self.raw, RECORD_LIMIT - held, True)
                except MemoryError:
                    pass
        self.release()
        if self.writer.control or self.writer.out.end > self.writer.out.start:
            self.writer.try_flush(sock)
        return 0

    cdef int guarded_fill(
        self, object sock, Py_ssize_t size, double timeout, double deadline, object owner
    ) except -100:
        """`fill`; a header that can begin no record is the peer's failure, a signal handler's exception is not."""
        try:
            return self.fill(sock, size, timeout, deadline)
        except TLSError as error:
            self.fail(error, owner)
            return OUTCOME_FAILED

    cdef bint openable(self) noexcept:
        """Whether `open_held` has something to do: a whole record, or messages left when the owner stopped us."""
        cdef Py_ssize_t held = self.raw.end - self.raw.start
        cdef const unsigned char* header = self.raw.memory + self.raw.start
        if self.handshake is not None:
            return True
        return held >= HEADER and held >= HEADER + ((<Py_ssize_t>header[3] << 8) | header[4])

    cdef Py_ssize_t receive(
        self, object sock, unsigned char* destination, Py_ssize_t size, PyObject** result,
        double timeout, double deadline, object owner
    ) except -100:
        """Application data: a count, 0 after close_notify, or an outcome. The caller holds the read side.

        With `result`, a bytes object is made as soon as it is known how much there can be, and holds the data.
        """
        cdef Py_ssize_t produced = 0
        cdef Py_ssize_t room = size
        cdef Py_ssize_t capacity = size
        cdef int outcome
        while True:
            if self.plain.end == self.plain.start:
                if self.end != END_NONE:
                    outcome = self.report_end()
                    return 0 if outcome == OUTCOME_CLOSED else outcome
                if not self.openable():
                    outcome = self.guarded_fill(sock, size, timeout, deadline, owner)
                    if outcome != 0 and self.end == END_NONE:
                        return outcome
                    continue
            if result != NULL:
                room = self.bytes_for(size, result)
                capacity = room + 1
                destination = <unsigned char*>PyBytes_AS_STRING(<object>result[0])
            if self.plain.end > self.plain.start:
                return self.take_plain(destination, room)
            outcome = self.open_held(destination, room, capacity, &produced, True, owner)
            if self.plain.end > self.plain.start and produced < room:
                produced += self.take_plain(destination + produced, room - produced)
            if produced > 0:
                return produced
            if outcome == OUTCOME_WANT_READ:
                # With part of a message held, only more bytes help; else the next round asks for them.
                outcome = 0
                if self.handshake is not None:
                    outcome = self.guarded_fill(sock, size, timeout, deadline, owner)
            if outcome != 0 and self.end == END_NONE:
                return outcome

    def recv(self, sock, Py_ssize_t size, timeout, owner, /):
        """Up to `size` bytes; b"" after close_notify; or an outcome."""
        cdef double limit = seconds(timeout)
        cdef double deadline = monotonic() + limit if limit > 0 else 0
        cdef Py_ssize_t count = OUTCOME_WANT_READ
        cdef PyObject* result = NULL
        cdef int outcome
        if size <= 0:
            return b""
        outcome = side_take(&self.side, limit, deadline)
        if outcome != 0:
            return OUTCOME_WANT_READ if limit == 0 else outcome
        try:
            count = self.receive(sock, NULL, size, &result, limit, deadline, owner)
        finally:
            if count <= 0:
                Py_XDECREF(result)
            self.leave(sock)
        return finish_bytes(result, count)

    def recv_into(self, sock, buffer, Py_ssize_t size, timeout, owner, /):
        """The same into the caller's buffer; 0 after close_notify."""
        cdef double limit = seconds(timeout)
        cdef double deadline = monotonic() + limit if limit > 0 else 0
        cdef Py_buffer view
        cdef int outcome
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            if size <= 0 or size > view.len:
                size = view.len
            if size == 0:
                return 0
            outcome = side_take(&self.side, limit, deadline)
            if outcome != 0:
                return OUTCOME_WANT_READ if limit == 0 else outcome
            try:
                return self.receive(sock, <unsigned char*>view.buf, size, NULL, limit, deadline, owner)
            finally:
                self.leave(sock)
        finally:
            PyBuffer_Release(&view)

    def peek(self, sock, Py_ssize_t size, timeout, owner, /):
        """Up to `size` bytes that the next read will deliver again, of one record; b"" after close_notify; an outcome."""
        cdef double limit = seconds(timeout)
        cdef double deadline = monotonic() + limit if limit > 0 else 0
        cdef Py_ssize_t produced = 0
        cdef int outcome = side_take(&self.side, limit, deadline)
        if outcome != 0:
            return OUTCOME_WANT_READ if limit == 0 else outcome
        try:
            while self.plain.end == self.plain.start:
                if self.end != END_NONE:
                    outcome = self.report_end()
                    return b"" if outcome == OUTCOME_CLOSED else outcome
                outcome = self.open_held(NULL, 0, 0, &produced, True, owner)
                if outcome == OUTCOME_WANT_READ:
                    outcome = self.guarded_fill(sock, 0, limit, deadline, owner)
                if outcome != 0 and outcome != OUTCOME_HAVE_DATA and self.end == END_NONE:
                    return outcome
            return PyBytes_FromStringAndSize(
                <char*>self.plain.memory + self.plain.start, max(0, min(size, self.plain.end - self.plain.start))
            )
        finally:
            self.leave(sock)

    def pull(self, sock, timeout, owner, /):
        """Handshake and unwrap: record by record until the owner stops, data comes, the stream ends, or an outcome."""
        cdef double limit = seconds(timeout)
        cdef double deadline = monotonic() + limit if limit > 0 else 0
        cdef Py_ssize_t produced = 0
        cdef int outcome = side_take(&self.side, limit, deadline)
        if outcome != 0:
            return OUTCOME_WANT_READ if limit == 0 else outcome
        try:
            while True:
                if self.end != END_NONE:
                    return self.report_end()
                outcome = self.open_held(NULL, 0, 0, &produced, True, owner)
                if outcome == OUTCOME_WANT_READ:
                    outcome = self.guarded_fill(sock, 0, limit, deadline, owner)
                if outcome != 0 and self.end == END_NONE:
                    return outcome
        finally:
            self.leave(sock)

    # -- without a descriptor ---------------------------------------------------------------------------------------

    def want(self, Py_ssize_t size):
        """How many bytes may be fed for a read of `size` bytes without passing law 1; 0: this record's rest."""
        if self.plain.end > self.plain.start or self.end != END_NONE:
            return 0
        return self.wanted(size)

    cdef int append(self, object data) except -1:
        """Append bytes that the transport delivered; the caller holds the read side."""
        cdef Py_buffer view
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if view.len == 0 or self.end not in (END_NONE, OUTCOME_CLOSED):
                return 0
            if self.raw.memory == NULL:
                chunk_take(&self.raw, view.len)
            elif self.raw.capacity - self.raw.end < view.len:
                chunk_move(&self.raw, max(view.len, self.raw.end - self.raw.start), False)
            memcpy(self.raw.memory + self.raw.end, view.buf, <size_t>view.len)
            self.raw.end += view.len
            return 0
        finally:
            PyBuffer_Release(&view)

    def feed(self, data, /):
        """Append bytes that the transport delivered."""
        side_take(&self.side, -1, 0)
        try:
            self.append(data)
        finally:
            self.release()

    def feed_eof(self):
        """The transport has ended; what was fed before is still opened first."""
        self.eof_fed = True

    cdef int outcome_at_eof(self, int outcome) noexcept:
        """Out of bytes after the transport's end is truncation (law 4)."""
        if outcome == OUTCOME_WANT_READ and self.eof_fed:
            self.end = OUTCOME_TRUNCATED
            return OUTCOME_TRUNCATED
        return outcome

    cdef bint take_from(self, object source, Py_ssize_t size, object owner) except -1:
        """Feed what `source` has, within law 1; False when it has nothing."""
        cdef Py_ssize_t limit
        try:
            limit = self.wanted(size)
        except TLSError as error:
            self.fail(error, owner)
            return True
        if source is None:
            return False
        data = source(limit)
        self.append(data)
        return bool(data)

    def advance(self, owner, source=None, /):
        """Process what was fed up to application data, a stop or an end.

        `source(n)`, where given, brings up to n further bytes whenever a record is not complete.
        """
        cdef Py_ssize_t produced = 0
        cdef int outcome
        side_take(&self.side, -1, 0)
        try:
            while True:
                if self.end != END_NONE:
                    return self.report_end()
                outcome = self.open_held(NULL, 0, 0, &produced, False, owner)
                if outcome == OUTCOME_WANT_READ:
                    if self.take_from(source, 0, owner):
                        continue
                    return self.outcome_at_eof(outcome)
                if outcome != OUTCOME_FAILED:
                    return outcome
        finally:
            self.release()

    cdef Py_ssize_t read_held(
        self, unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, object owner
    ) except -100:
        """Application data from what is held: a count, 0 after close_notify, or an outcome."""
        cdef Py_ssize_t produced = 0
        cdef int outcome
        if self.plain.end > self.plain.start:
            return self.take_plain(destination, size)
        if self.end != END_NONE:
            outcome = self.report_end()
        else:
            outcome = self.open_held(destination, size, capacity, &produced, False, owner)
            if self.plain.end > self.plain.start and produced < size:
                produced += self.take_plain(destination + produced, size - produced)
            if produced > 0:
                self.outcome_at_eof(outcome)
                self.end_behind_data = self.end != END_NONE
                return produced
            if outcome == OUTCOME_FAILED:
                outcome = self.report_end()
        return 0 if outcome == OUTCOME_CLOSED else outcome

    cdef Py_ssize_t bytes_for(self, Py_ssize_t size, PyObject** result) except -1:
        """A new bytes object for what can be delivered of `size` bytes, with one byte of slack for the inner type.

        The slack lets a record that fits exactly be opened in place; what is held bounds the allocation.
        """
        cdef Py_ssize_t held = max(self.plain.end - self.plain.start, self.raw.end - self.raw.start)
        size = max(min(size, held), 1)
        Py_XDECREF(result[0])
        result[0] = new_bytes(NULL, size + 1)
        if result[0] == NULL:
            raise MemoryError
        return size

    cdef bint wants_more(self, Py_ssize_t outcome, object source, Py_ssize_t size, object owner) except -1:
        """Whether a read that came to `outcome` goes on, because `source` brought more or its end was told."""
        if outcome != OUTCOME_WANT_READ:
            return False
        if self.take_from(source, size, owner):
            return True
        return self.outcome_at_eof(OUTCOME_WANT_READ) != OUTCOME_WANT_READ

    def read(self, Py_ssize_t size, owner, source=None, /):
        """Up to `size` bytes; b"" after close_notify; or an outcome. `source` as in `advance`."""
        cdef Py_ssize_t count = OUTCOME_WANT_READ
        cdef Py_ssize_t room
        cdef PyObject* result = NULL
        if size <= 0:
            return b""
        side_take(&self.side, -1, 0)
        try:
            while True:
                if self.plain.end == self.plain.start and self.end == END_NONE and not self.openable():
                    count = OUTCOME_WANT_READ
                else:
                    room = self.bytes_for(size, &result)
                    count = self.read_held(<unsigned char*>PyBytes_AS_STRING(<object>result), room, room + 1, owner)
                if not self.wants_more(count, source, size, owner):
                    break
        finally:
            self.release()
            if count <= 0:
                Py_XDECREF(result)
        return finish_bytes(result, count)

    def read_into(self, buffer, Py_ssize_t size, owner, source=None, /):
        """The same into the caller's buffer."""
        cdef Py_ssize_t count
        cdef Py_buffer view
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        try:
            side_take(&self.side, -1, 0)
            try:
                if size <= 0 or size > view.len:
                    size = view.len
                if size == 0:
                    return 0
                while True:
                    count = self.read_held(<unsigned char*>view.buf, size, size, owner)
                    if not self.wants_more(count, source, size, owner):
                        return count
            finally:
                self.release()
        finally:
            PyBuffer_Release(&view)

    def open_into(self, source, buffer, owner, /):
        """Open records from the caller's memory into the caller's memory: (consumed, produced, outcome).

        Nothing may have been fed. A partial record at the end of `source` stays the caller's.
        """
        cdef Py_buffer view
        cdef Py_buffer target
        PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(buffer, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
            try:
                side_take(&self.side, -1, 0)
                try:
                    return self.open_between(
                        <unsigned char*>view.buf, view.len, <unsigned char*>target.buf, target.len, owner
                    )
                finally:
                    self.release()
            finally:
                PyBuffer_Release(&target)
        finally:
            PyBuffer_Release(&view)

    def open_bytes(self, source, Py_ssize_t start, Py_ssize_t stop, owner, /):
        """`open_into` a new bytes object from `source[start:stop]`: (consumed, data, outcome)."""
        cdef Py_buffer view
        cdef Py_ssize_t room
        cdef Py_ssize_t consumed
        cdef Py_ssize_t produced = 0
        cdef PyObject* result = NULL
        PyObject_GetBuffer(source, &view, PyBUF_SIMPLE)
        try:
            if start < 0 or stop > view.len or start > stop:
                raise InternalError(Reason.INTERNAL, f"{start}:{stop} of {view.len} bytes")
            side_take(&self.side, -1, 0)
            try:
                # Every record loses more than its inner type, so all of them fit, and are opened where they stay.
                room = max(stop - start, self.plain.end - self.plain.start, 1)
                result = new_bytes(NULL, room)
                if result == NULL:
                    raise MemoryError
                consumed, produced, outcome = self.open_between(
                    <unsigned char*>view.buf + start, stop - start,
                    <unsigned char*>PyBytes_AS_STRING(<object>result), room, owner,
                )
            finally:
                self.release()
                if produced <= 0:
                    Py_XDECREF(result)
            return consumed, finish_bytes(result, produced), outcome
        finally:
            PyBuffer_Release(&view)

    cdef tuple open_between(
        self, unsigned char* source, Py_ssize_t length, unsigned char* target, Py_ssize_t size, object owner
    ):
        """`open_into` with the side taken and the memory held."""
        cdef Py_ssize_t consumed = 0
        cdef Py_ssize_t produced = 0
        cdef int outcome
        if self.raw.end > self.raw.start:
            raise ApiMisuse(Reason.API_MISUSE, "open_into with bytes fed before")
        if self.plain.end > self.plain.start:
            return 0, self.take_plain(target, size), OUTCOME_HAVE_DATA
        if self.end != END_NONE:
            return 0, 0, self.report_end()
        try:
            outcome = self.open_many(source, length, &consumed, target, size, size, &produced, False, owner)
        except BaseException as error:
            self.fail(error, owner)
            outcome = OUTCOME_FAILED
        if self.plain.end > self.plain.start and produced < size:
            produced += self.take_plain(target + produced, size - produced)
        if produced > 0:
            self.end_behind_data = self.end != END_NONE
            if outcome == OUTCOME_FAILED:
                forget_frames(self.failure)
            return consumed, produced, OUTCOME_HAVE_DATA if self.end != END_NONE else outcome
        if self.end != END_NONE:
            outcome = self.report_end()
        return consumed, 0, outcome

    def take_unread(self):
        """Bytes behind the close_notify: they belong to the protocol that follows (after `unwrap`)."""
        cdef bytes rest = b""
        side_take(&self.side, -1, 0)
        try:
            if self.raw.end > self.raw.start:
                rest = PyBytes_FromStringAndSize(
                    <char*>self.raw.memory + self.raw.start, self.raw.end - self.raw.start
                )
                chunk_give(&self.raw)
            return rest
        finally:
            self.release()

    def discard(self):
        """Drop keys and buffers, wiping them, now or when the thread that is inside a call leaves it."""
        if side_try(&self.side):
            self.drop()
            side_release(&self.side)
        else:
            self.gone = True

    cdef int release(self) except -1:
        """Give up the read side; what `discard` could not do meanwhile is done now."""
        side_release(&self.side)
        if self.gone and side_try(&self.side):
            self.drop()
            side_release(&self.side)
        return 0

    cdef int drop(self) except -1:
        if self.end == END_NONE:
            self.end = OUTCOME_TRUNCATED
        self.handshake = None
        self.protection = None
        self.end_behind_data = False
        chunk_wipe(&self.raw)
        chunk_wipe(&self.plain)
        return 0
