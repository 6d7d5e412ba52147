# Fragmenting and sealing (RFC 9846 section 5.1), and the control queue.
#
# Control (handshake messages, alerts, key changes) is queued by anyone, in the reader's thread too, and sealed by
# whoever holds the write side, always before further application data (law 3). A key change stands in the same queue,
# so that what was queued before it goes out under the old key. Sealed bytes that the kernel has not taken are the
# tail; they are never sealed again (law 2).

# A key change in the control queue, where a content type would stand.
cdef enum:
    CONTROL_KEY = 0


cdef Py_ssize_t sealed_size(Py_ssize_t length, Py_ssize_t fragment) noexcept:
    """Room for `length` bytes as records of `fragment` bytes each, whatever protects them."""
    return length + (length // fragment + 1) * (RECORD_LIMIT - PLAINTEXT_LIMIT)


cdef void gather(Piece** pieces, unsigned char* target, Py_ssize_t length) noexcept:
    """Take `length` bytes off the front of the pieces and copy them to `target`, where that is not NULL."""
    cdef Py_ssize_t part
    while length > 0:
        part = min(length, pieces[0].length)
        if target != NULL:
            memcpy(target, pieces[0].data, <size_t>part)
            target += part
        pieces[0].data += part
        pieces[0].length -= part
        length -= part
        if pieces[0].length == 0 and length > 0:
            pieces[0] += 1


cdef class RecordWriter:
    def __cinit__(self):
        side_init(&self.side)
        self.out.memory = NULL
        self.out.start = 0
        self.out.end = 0
        self.out.capacity = 0
        self.control = []
        self.room = ROOM_AT_FIRST
        self.fragment = PLAINTEXT_LIMIT

    def __dealloc__(self):
        chunk_give(&self.out)
        side_free(&self.side)

    # -- control: no lock, the list is the queue --------------------------------------------------------------------

    cdef int append(self, list entries) except -1:
        """Append to the queue in one step. The entries are made before, since making them may run other threads."""
        if not self.closing:
            self.control.extend(entries)
        return 0

    @property
    def max_fragment(self):
        """Content bytes that one protected record may carry: what the peer asked for (RFC 8449, RFC 6066 section 4)."""
        return self.fragment

    @max_fragment.setter
    def max_fragment(self, Py_ssize_t value):
        if value < 1 or value > PLAINTEXT_LIMIT:
            raise InternalError(Reason.INTERNAL, f"a fragment of {value} bytes")
        self.fragment = value

    def queue(self, int content_type, payload not None):
        """Append handshake, alert or change_cipher_spec bytes; dropped after close_notify or a fatal alert.

        A callable is asked for the bytes when their turn comes: under the key of that moment.
        """
        if not isinstance(payload, bytes) and not callable(payload):
            raise TypeError(f"bytes, or a callable that returns them, not {type(payload).__name__}")
        self.append([(content_type, payload)])

    def queue_key(self, protection):
        """Everything after this is sealed under `protection`, or under what it returns when its turn comes."""
        self.append([(CONTROL_KEY, protection)])

    def queue_key_update(self, bytes message not None, protection):
        """`queue` and `queue_key` with nothing between them: whoever seals meanwhile seals both or neither."""
        self.append([(TYPE_HANDSHAKE, message), (CONTROL_KEY, protection)])

    def queue_close_notify(self):
        """Queue a close_notify once (RFC 9846 section 6.1); nothing after it."""
        self.append([(TYPE_ALERT, b"\x01\x00")])
        self.closing = True

    def queue_fatal_alert(self, int description):
        """Queue a fatal alert once (RFC 9846 section 6.2); nothing after it.

        Nor is it sent after close_notify, which promised that nothing follows: what follows may be another protocol.
        """
        self.append([(TYPE_ALERT, bytes((2, description)))])
        self.closing = True

    def open_application(self):
        """Application data may be sent from now on."""
        self.application = True

    @property
    def has_output(self):
        """Whether control waits to be sealed, or a tail waits for the kernel."""
        return bool(self.control) or self.out.end > self.out.start

    @property
    def close_notify_queued(self):
        """Whether this side has ended its direction."""
        return self.closing

    # -- sealing: the caller holds the write side -------------------------------------------------------------------

    cdef int reserve(self, Py_ssize_t length) except -1:
        """Make room for `length` bytes behind those in use."""
        if self.out.memory == NULL:
            chunk_take(&self.out, length)
        elif self.out.capacity - self.out.end < length:
            # Twice what is in use, so that a growing output is not copied once for each record.
            chunk_move(&self.out, max(length, self.out.end - self.out.start), False)
        return 0

    cdef int seal_bytes(
        self, Protection protection, int content_type, Piece** pieces, Py_ssize_t length
    ) except -1:
        """Fragment `length` bytes of the pieces into records of one type at the end of the output."""
        cdef Py_ssize_t part
        cdef unsigned char* record
        while True:
            part = min(length, <Py_ssize_t>PLAINTEXT_LIMIT if protection is None else self.fragment)
            record = self.out.memory + self.out.end
            if protection is None:
                record[0] = <unsigned char>content_type
                record[1] = 3
                record[2] = 3
                record[3] = <unsigned char>(part >> 8)
                record[4] = <unsigned char>(part & 0xFF)
                gather(pieces, record + HEADER, part)
                self.out.end += HEADER + part
            else:
                gather(pieces, record + HEADER + protection.content_offset, part)
                try:
                    self.out.end += protection.seal(record, part, content_type)
                except BaseException as error:
                    # Law 5: it stays in no buffer.
                    wipe(record, <size_t>(HEADER + protection.content_offset + part))
                    self.fail(error)
                    raise
            length -= part
            if length == 0:
                return 0

    cdef int seal_control(self) except -1:
        """Seal the control queue, in order, changing keys where it says so."""
        cdef list control
        cdef bytes payload
        cdef Piece piece
        cdef Piece* pieces
        try:
            while self.control:
                control = self.control
                self.control = []
                for content_type, item in control:
                    if content_type == CONTROL_KEY:
                        self.change_key(item)
                        continue
                    payload = item if isinstance(item, bytes) else item()
                    piece.data = <unsigned char*>PyBytes_AS_STRING(payload)
                    piece.length = PyBytes_GET_SIZE(payload)
                    pieces = &piece
                    self.reserve(sealed_size(piece.length, self.fragment))
                    # A change_cipher_spec is never protected (RFC 9846 section 5).
                    self.seal_bytes(
                        None if content_type == TYPE_CHANGE_CIPHER_SPEC else self.protection,
                        content_type, &pieces, piece.length,
                    )
        except BaseException as error:
            self.fail(error)
            raise
        return 0

    cdef int change_key(self, object item) except -1:
        """A callable is asked only when its turn comes, so that updates queued by two threads follow each other."""
        protection = item if isinstance(item, Protection) else item()
        if not isinstance(protection, Protection):
            # None would mean plaintext.
            raise InternalError(Reason.INTERNAL, "a key change without a key")
        self.protection = protection
        return 0

    cdef int fail(self, object error) except -1:
        """Sealing broke off half-way: neither repeating nor forgetting would be right, so nothing may follow."""
        self.closing = True
        self.control = []
        self.failure = detached(error)
        return 0

    cdef int prepare(self, object owner) except -100:
        """Seal the control queue, with new keys where they wear out: 0 if application data may follow, or CLOSED."""
        self.seal_control()
        if self.protection is None:
            raise ApiMisuse(Reason.HANDSHAKE_NOT_DONE)
        if not self.closing and self.protection.sequence >= self.protection.soft_limit:
            owner.on_send_limit()
            self.seal_control()
        return OUTCOME_CLOSED if self.closing else 0

    cdef int seal_application(self, Piece** pieces, Py_ssize_t length) except -1:
        """Seal application data, the next `length` bytes of the pieces, behind the control queue: all or nothing."""
        cdef uint64_t records = <uint64_t>((length + self.fragment - 1) // self.fragment)
        if self.protection.confidentiality_limit - self.protection.sequence < records:
            raise TLSError(Reason.SEND_KEY_EXHAUSTED)
        self.reserve(sealed_size(length, self.fragment))
        self.seal_bytes(self.protection, TYPE_APPLICATION_DATA, pieces, length)
        return 0

    # -- with a descriptor ------------------------------------------------------------------------------------------

    cdef int write_out(self, object sock, double timeout, double deadline) except -100:
        """Give the tail to the kernel: 0, or WANT_WRITE, TIMED_OUT, SYSTEM_ERROR. A timeout of 0 never waits."""
        cdef Py_ssize_t count
        cdef Py_ssize_t length
        cdef const unsigned char* data
        cdef int fd
        cdef int flags = MSG_NOSIGNAL if timeout < 0 else MSG_NOSIGNAL | MSG_DONTWAIT
        cdef int outcome
        if isinstance(sock, Carrier):
            return self.carry_out(sock, timeout, deadline)
        while self.out.end > self.out.start:
            fd = descriptor(sock)
            if fd < 0:
                self.last_errno = EBADF
                return OUTCOME_SYSTEM_ERROR
            data = self.out.memory + self.out.start
            length = self.out.end - self.out.start
            with nogil:
                count = c_send(fd, data, <size_t>length, flags)
            if count >= 0:
                self.out.start += count
                if count < length and timeout == 0:
                    # What it took just now is the kernel's room.
                    self.room = max(<Py_ssize_t>ROOM_AT_FIRST, count)
                elif timeout != 0:
                    # A signal that interrupts a wait in the kernel shows as a short count, not as EINTR.
                    PyErr_CheckSignals()
                continue
            if errno == EINTR:
                if timeout != 0:
                    PyErr_CheckSignals()
                continue
            if errno != EAGAIN:
                self.last_errno = errno
                return OUTCOME_SYSTEM_ERROR
            if timeout == 0:
                return OUTCOME_WANT_WRITE
            outcome = wait_for(sock, POLLOUT, timeout, deadline)
            if outcome != 0:
                self.last_errno = errno
                return outcome
        chunk_give(&self.out)
        return 0

    cdef int carry_out(self, object carrier, double timeout, double deadline) except -100:
        """`write_out` through a Carrier, which gets a copy: it may keep what it is given."""
        cdef Py_ssize_t length
        cdef Py_ssize_t count
        while self.out.end > self.out.start:
            length = min(self.out.end - self.out.start, <Py_ssize_t>CARRIED_AT_MOST)
            left = time_left(timeout, deadline)
            if timeout > 0 and left <= 0:
                return OUTCOME_TIMED_OUT
            data = PyBytes_FromStringAndSize(<char*>self.out.memory + self.out.start, length)
            try:
                count = carrier.carry_out(data, left)
            except (BrokenPipeError, ConnectionResetError) as error:
                # As from a descriptor: who sends may have reasons to do without.
                self.last_errno = error.errno or EPIPE
                return OUTCOME_SYSTEM_ERROR
            if count > length or count == 0:
                raise InternalError(Reason.INTERNAL, f"{count} of {length} bytes were carried")
            if count < 0:
                return <int>count
            self.out.start += count
        chunk_give(&self.out)
        return 0

    cdef Py_ssize_t send_all(
        self, object sock, Piece* pieces, Py_ssize_t length, double timeout, double deadline, object owner
    ) except -100:
        """Law 2. What was taken of the pieces, or an outcome. Waiting sockets take everything; others one batch."""
        cdef Py_ssize_t taken = 0
        cdef Py_ssize_t batch
        cdef int outcome
        outcome = self.refuse()
        if outcome != 0:
            return outcome
        if length < self.sealed:
            return OUTCOME_BAD_LENGTH
        gather(&pieces, NULL, self.sealed)
        while True:
            outcome = self.write_out(sock, timeout, deadline)
            if outcome != 0:
                # What was sealed stays the tail; the caller offers it again.
                return taken if taken > 0 else outcome
            taken += self.sealed
            if self.sealed > 0 and timeout == 0:
                self.sealed = 0
                return taken
            self.sealed = 0
            outcome = self.prepare(owner)
            if taken < length and outcome == 0:
                batch = min(length - taken, self.room if timeout == 0 else BLOCKING_BATCH)
                self.seal_application(&pieces, batch)
                self.sealed = batch
                if timeout == 0 and batch == self.room:
                    self.room = min(2 * self.room, <Py_ssize_t>ROOM_AT_MOST)
            elif self.out.end == self.out.start:
                # Closed by another thread while this one waited: the alert is out, and nothing follows it.
                return taken if taken > 0 else outcome

    cdef int finish(self, object sock) except -1:
        """Give up the write side, after sealing what the reader queued while we had it (law 3).

        It raises nothing, because the call it ends may have succeeded; `failure` keeps what the next call reports.
        """
        while True:
            self.release()
            if not self.control or not side_try(&self.side):
                return 0
            try:
                self.seal_control()
                self.write_out(sock, 0, 0)
            except Exception:
                pass

    cdef int release(self) except -1:
        """Give up the write side; what `discard` could not do meanwhile is done now."""
        side_release(&self.side)
        if self.gone and side_try(&self.side):
            self.drop()
            side_release(&self.side)
        return 0

    cdef Py_ssize_t send_pieces(
        self, object sock, Piece* pieces, Py_ssize_t length, object timeout, object owner
    ) except -100:
        """`send_all` with the side taken and given up."""
        cdef double limit = seconds(timeout)
        cdef double deadline = monotonic() + limit if limit > 0 else 0
        cdef int outcome = side_take(&self.side, limit, deadline)
        if outcome != 0:
            return OUTCOME_WANT_WRITE if limit == 0 else outcome
        try:
            return self.send_all(sock, pieces, length, limit, deadline, owner)
        finally:
            self.finish(sock)

    def send(self, sock, data, timeout, owner, /):
        """Law 2: the number of bytes taken, all of them in the kernel; or an outcome."""
        cdef Py_buffer view
        cdef Piece piece
        cdef int outcome = self.refuse()
        if outcome != 0:
            return outcome
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            piece.data = <const unsigned char*>view.buf
            piece.length = view.len
            return self.send_pieces(sock, &piece, view.len, timeout, owner)
        finally:
            PyBuffer_Release(&view)

    def sendmsg(self, sock, buffers, timeout, owner, /):
        """`send` of several buffers as if they were one, without joining them: each byte is copied into its record."""
        cdef list held = list(buffers)
        cdef Py_ssize_t count = len(held)
        cdef Py_ssize_t taken = 0
        cdef Py_ssize_t length = 0
        cdef Py_buffer* views
        cdef Piece* pieces
        cdef int outcome = self.refuse()
        if outcome != 0:
            return outcome
        # One more than there are: no buffers are none to send, and no memory is an error.
        views = <Py_buffer*>malloc(<size_t>(count + 1) * sizeof(Py_buffer))
        pieces = <Piece*>malloc(<size_t>(count + 1) * sizeof(Piece))
        try:
            if views == NULL or pieces == NULL:
                raise MemoryError
            pieces[0].length = 0
            for item in held:
                PyObject_GetBuffer(item, &views[taken], PyBUF_SIMPLE)
                pieces[taken].data = <const unsigned char*>views[taken].buf
                pieces[taken].length = views[taken].len
                length += views[taken].len
                taken += 1
            return self.send_pieces(sock, pieces, length, timeout, owner)
        finally:
            while taken > 0:
                taken -= 1
                PyBuffer_Release(&views[taken])
            free(views)
            free(pieces)

    def flush(self, sock, timeout, /):
        """Seal the control queue and give everything to the kernel: 0, or an outcome."""
        cdef double limit = seconds(timeout)
        cdef double deadline = monotonic() + limit if limit > 0 else 0
        cdef int outcome = side_take(&self.side, limit, deadline)
        if outcome != 0:
            return OUTCOME_WANT_WRITE if limit == 0 else outcome
        try:
            self.seal_control()
            return self.write_out(sock, limit, deadline)
        finally:
            self.finish(sock)

    def try_flush(self, sock, /):
        """`flush` if the write side is free, without waiting for anything; a failure is the next call's to report."""
        if side_try(&self.side):
            try:
                self.seal_control()
                self.write_out(sock, 0, 0)
            except Exception:
                pass
            finally:
                self.finish(sock)

    def push(self, sock, data, Py_ssize_t start, owner, /):
        """Seal `data` from `start` on, in batches, each given to the kernel at once, as long as it takes them whole.

        The number of bytes sealed, or CLOSED or SYSTEM_ERROR. What the kernel left (`has_output`) is for
        `data_to_send`: this is for an event loop, which has a buffer of its own, and nothing is offered again.
        """
        cdef Py_buffer view
        cdef Piece piece
        cdef Piece* pieces = &piece
        cdef Py_ssize_t taken = start
        cdef Py_ssize_t batch
        cdef int outcome = self.refuse()
        if outcome != 0:
            return outcome
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            piece.data = <const unsigned char*>view.buf + start
            piece.length = view.len - start
            side_take(&self.side, -1, 0)
            try:
                while taken < view.len and outcome == 0:
                    outcome = self.prepare(owner)
                    if outcome != 0:
                        break
                    batch = min(view.len - taken, self.room)
                    self.seal_application(&pieces, batch)
                    taken += batch
                    if batch == self.room:
                        self.room = min(2 * self.room, <Py_ssize_t>ROOM_AT_MOST)
                    outcome = self.write_out(sock, 0, 0)
                return taken - start if outcome == 0 or outcome == OUTCOME_WANT_WRITE else outcome
            finally:
                self.release()
        finally:
            PyBuffer_Release(&view)

    # -- without a descriptor ---------------------------------------------------------------------------------------

    cdef int refuse(self) except -1:
        """What every call that sends application data asks first, and again once it has the side: 0, or CLOSED."""
        if self.failure is not None:
            raise detached(self.failure)
        if self.closing:
            return OUTCOME_CLOSED
        if not self.application:
            raise ApiMisuse(Reason.HANDSHAKE_NOT_DONE)
        return 0

    def write(self, data, owner, /):
        """Seal all of `data` behind the control queue; `data_to_send` has the bytes. The length, or CLOSED."""
        cdef Py_buffer view
        cdef Piece piece
        cdef Piece* pieces = &piece
        cdef Py_ssize_t taken = 0
        cdef Py_ssize_t batch
        cdef int outcome
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            piece.data = <const unsigned char*>view.buf
            piece.length = view.len
            side_take(&self.side, -1, 0)
            try:
                outcome = self.refuse()
                while outcome == 0:
                    # In batches, so that keys are renewed in time however much there is.
                    outcome = self.prepare(owner)
                    if outcome == 0 and taken < view.len:
                        batch = min(view.len - taken, <Py_ssize_t>BLOCKING_BATCH)
                        self.seal_application(&pieces, batch)
                        taken += batch
                    if taken == view.len:
                        break
                return taken if outcome == 0 else outcome
            finally:
                self.release()
        finally:
            PyBuffer_Release(&view)

    def data_to_send(self):
        """Seal the control queue; return and forget everything sealed."""
        side_take(&self.side, -1, 0)
        try:
            self.seal_control()
            if self.out.end == self.out.start:
                return b""
            sealed = PyBytes_FromStringAndSize(
                <char*>self.out.memory + self.out.start, self.out.end - self.out.start
            )
            chunk_give(&self.out)
            return sealed
        finally:
            self.release()

    def seal_into(self, data, out, owner, /):
        """Seal as much of `data` as fits into the caller's memory: (bytes taken, bytes written).

        The control queue must be empty and no tail may wait: flush first.
        """
        cdef Py_buffer source
        cdef Py_buffer target
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(out, &target, PyBUF_SIMPLE | PyBUF_WRITABLE)
            try:
                side_take(&self.side, -1, 0)
                try:
                    return self.seal_between(
                        <const unsigned char*>source.buf, source.len, <unsigned char*>target.buf, target.len, owner
                    )
                finally:
                    self.release()
            finally:
                PyBuffer_Release(&target)
        finally:
            PyBuffer_Release(&source)

    cdef tuple seal_between(
        self, const unsigned char* data, Py_ssize_t length, unsigned char* out, Py_ssize_t size, object owner
    ):
        """`seal_into` with the side taken and the memory held."""
        cdef Protection protection = self.protection
        cdef Py_ssize_t taken = 0
        cdef Py_ssize_t written = 0
        cdef Py_ssize_t part
        cdef Py_ssize_t least
        cdef int outcome = self.refuse()
        if outcome != 0:
            return outcome, 0
        if self.control or self.out.end > self.out.start:
            raise ApiMisuse(Reason.API_MISUSE, "seal_into before the queued output was taken")
        if protection is None:
            raise ApiMisuse(Reason.HANDSHAKE_NOT_DONE)
        if protection.sequence >= protection.soft_limit:
            owner.on_send_limit()
            if self.control:
                return 0, 0
        least = HEADER + protection.overhead
        while taken < length and size - written > least:
            if protection.sequence >= protection.confidentiality_limit:
                if taken > 0:
                    break
                raise TLSError(Reason.SEND_KEY_EXHAUSTED)
            part = min(min(length - taken, self.fragment), size - written - least)
            memcpy(out + written + HEADER + protection.content_offset, data + taken, <size_t>part)
            try:
                written += protection.seal(out + written, part, TYPE_APPLICATION_DATA)
            except BaseException as error:
                wipe(out + written, <size_t>(HEADER + protection.content_offset + part))
                self.fail(error)
                raise
            taken += part
        return taken, written

    def discard(self):
        """Drop queue, tail and keys, now or when the thread that is inside a call leaves it."""
        self.closing = True
        if side_try(&self.side):
            self.drop()
            side_release(&self.side)
        else:
            self.gone = True

    cdef int drop(self) except -1:
        self.control = []
        self.sealed = 0
        chunk_wipe(&self.out)
        self.protection = None
        return 0
