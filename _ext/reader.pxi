# Reading: from a descriptor, from bytes that were fed, or from the caller's memory (laws 1, 3 and 4).
#
# Every call takes the read side, asks `opening.pxi` to open what is held, and says how much may be read when that is not
# enough. With a descriptor that is the pump's `recv`; without one, `feed` and the `source` of a call.

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


cdef class RecordReader(_RecordOpener):
    def __cinit__(self, RecordWriter writer not None):
        side_init(&self.side)
        self.writer = writer

    def __dealloc__(self):
        side_free(&self.side)

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
        """`fill` through a Carrier, whose bytes are copied."""
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

        Of a socket that does not block an alert is taken by itself: behind data it stays in the kernel, so that select()
        goes on telling of it. A read that might pass one looks first, and takes what is before. A program that waits in
        its reads learns of the end from the next one, and is spared the look, which is a second system call.
        """
        cdef Py_ssize_t count
        cdef Py_ssize_t limit = min(self.wanted(size), <Py_ssize_t>READ_AT_MOST)
        cdef unsigned char* memory
        cdef int fd
        cdef bint looking = size > 0 and timeout == 0 and self.may_pass_an_end(limit)
        cdef int flags = 0 if timeout < 0 else MSG_DONTWAIT
        cdef int outcome
        if isinstance(sock, Carrier):
            # It cannot be looked at, so no read passes the current record, as in a handshake: an alert comes by itself.
            return self.carry_in(sock, min(self.wanted(0), <Py_ssize_t>READ_AT_MOST), timeout, deadline)
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
