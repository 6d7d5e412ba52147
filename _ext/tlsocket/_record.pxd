# Declarations of the compiled record layer: the map of `_ext/`.
#
# It stands in a folder `tlsocket/` because Cython looks for the declarations of the module `tlsocket._record` there.
# Every cdef function states its exception policy. `noexcept` functions touch no Python object that can fail.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t


cdef extern from "pythread.h":
    ctypedef void* PyThread_type_lock


# locks.pxi: one for each direction of a connection; guarded by the GIL, waits without it.
cdef struct SideLock:
    bint held
    bint signalled
    unsigned long holder                     # the thread that holds it
    int waiters
    uint64_t generation
    PyThread_type_lock gate


# buffers.pxi: a piece of aligned memory from the pool, and the part of it in use.
cdef struct Chunk:
    unsigned char* memory
    Py_ssize_t capacity
    Py_ssize_t start
    Py_ssize_t end


cdef class Window:
    cdef unsigned char* memory
    cdef Py_ssize_t length
    cdef bint writable


# pump.pxi: an object in the place of a descriptor. No fields, so that it mixes with any class.
cdef class Carrier:
    pass


# protection.pxi: keys of one direction and one epoch.
cdef class Protection:
    cdef readonly Py_ssize_t overhead        # what a record loses besides its header
    cdef Py_ssize_t content_offset           # explicit nonce between header and content
    cdef bint inner_type                     # the type is inside (TLS 1.3) or outside (TLS 1.2)
    cdef uint64_t sequence
    cdef uint64_t confidentiality_limit
    cdef uint64_t soft_limit
    cdef object aead
    cdef unsigned char iv[12]
    cdef Window source
    cdef Window destination

    cdef Py_ssize_t seal(self, unsigned char* record, Py_ssize_t length, int content_type) except -1
    cdef Py_ssize_t open(
        self, unsigned char* record, Py_ssize_t length, unsigned char* destination, int* content_type
    ) except -1
    cdef Py_ssize_t opened_size(self, Py_ssize_t length) noexcept
    cdef bytes nonce(self)


cdef class Tls13Protection(Protection):
    pass


# protection_tls12.pxi
cdef class Tls12Protection(Protection):
    cdef bytes record_nonce(self, const unsigned char* explicit)
    cdef bytes additional_data(self, const unsigned char* header, Py_ssize_t length)


# writer.pxi: a part of what is to be sent, in the caller's memory; an array of them is used up from the front.
cdef struct Piece:
    const unsigned char* data
    Py_ssize_t length


# writer.pxi, pump.pxi
cdef class RecordWriter:
    cdef SideLock side
    cdef Protection protection
    cdef Chunk out                           # sealed and not yet in the kernel: the tail
    cdef Py_ssize_t sealed                   # application bytes in the tail, to be offered again (law 2)
    cdef Py_ssize_t room                     # what the kernel was measured to take at once
    cdef Py_ssize_t fragment                 # content bytes of one protected record
    cdef list control
    cdef bint application
    cdef bint closing                        # nothing may be queued or sent any more
    cdef bint gone                           # discarded while another thread was inside a call
    cdef object failure                      # why sealing broke off
    cdef readonly int last_errno

    cdef int append(self, list entries) except -1
    cdef int seal_control(self) except -1
    cdef int change_key(self, object item) except -1
    cdef int fail(self, object error) except -1
    cdef int prepare(self, object owner) except -100
    cdef int seal_bytes(
        self, Protection protection, int content_type, Piece** pieces, Py_ssize_t length
    ) except -1
    cdef int refuse(self) except -1
    cdef int seal_application(self, Piece** pieces, Py_ssize_t length) except -1
    cdef tuple seal_between(
        self, const unsigned char* data, Py_ssize_t length, unsigned char* out, Py_ssize_t size, object owner
    )
    cdef int reserve(self, Py_ssize_t length) except -1
    cdef int write_out(self, object sock, double timeout, double deadline) except -100
    cdef Py_ssize_t send_all(
        self, object sock, Piece* pieces, Py_ssize_t length, double timeout, double deadline, object owner
    ) except -100
    cdef int carry_out(self, object carrier, double timeout, double deadline) except -100
    cdef Py_ssize_t send_pieces(
        self, object sock, Piece* pieces, Py_ssize_t length, object timeout, object owner
    ) except -100
    cdef int finish(self, object sock) except -1
    cdef int release(self) except -1
    cdef int drop(self) except -1


# opening.pxi: the half of a reader that opens what is held.
cdef class _RecordOpener:
    cdef Protection protection
    cdef Chunk raw                           # bytes from the transport: at most a partial record between calls
    cdef Chunk plain                         # the undelivered rest of one opened record
    cdef bytearray handshake                 # bytes of handshake messages not yet delivered
    cdef int end                             # 0, CLOSED, TRUNCATED or FAILED
    cdef bint end_behind_data
    cdef object failure
    cdef int empty_records
    cdef readonly int change_cipher_specs
    cdef bint application
    cdef bint seen_record
    cdef bint plaintext_alert
    cdef Py_ssize_t least_loss               # what every record loses: header, tag, and what else its protection takes
    cdef public bint change_cipher_spec_allowed
    cdef public bint change_cipher_spec_reported
    cdef public Py_ssize_t early_data_left   # bytes of early data that are skipped; negative: none is
    cdef public Py_ssize_t max_handshake_message
    cdef public Py_ssize_t max_record        # bytes of one protected record behind its header
    cdef public int max_empty_records
    cdef public int max_change_cipher_specs

    cdef Py_ssize_t record_length(self, const unsigned char* header) except -1
    cdef Py_ssize_t wanted(self, Py_ssize_t size) except -1
    cdef int open_many(
        self, unsigned char* source, Py_ssize_t available, Py_ssize_t* consumed,
        unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, Py_ssize_t* produced,
        bint greedy, object owner
    ) except -100
    cdef int open_record(
        self, unsigned char* record, Py_ssize_t length,
        unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, Py_ssize_t* produced, object owner
    ) except -100
    cdef int open_after_early_data(
        self, Protection protection, unsigned char* record, Py_ssize_t length, object owner
    ) except -100
    cdef int skip_early_data(self, Py_ssize_t length) except -1
    cdef int deliver_handshake(self, object owner) except -100
    cdef int take_alert(self, const unsigned char* content, Py_ssize_t length, object owner) except -100
    cdef int take_plaintext(self, unsigned char* record, Py_ssize_t length, object owner) except -100
    cdef int take_content(
        self, int content_type, const unsigned char* content, Py_ssize_t length, object owner
    ) except -100
    cdef int fail(self, object error, object owner) except -1
    cdef int report_end(self) except -100
    cdef int open_held(
        self, unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, Py_ssize_t* produced,
        bint greedy, object owner
    ) except -100
    cdef bint openable(self) noexcept
    cdef Py_ssize_t take_plain(self, unsigned char* destination, Py_ssize_t size) noexcept


# reader.pxi, pump.pxi
cdef class RecordReader(_RecordOpener):
    cdef RecordWriter writer
    cdef SideLock side
    cdef bint eof_fed
    cdef bint gone                           # discarded while another thread was inside a call
    cdef readonly int last_errno

    cdef bint may_pass_an_end(self, Py_ssize_t limit) noexcept
    cdef Py_ssize_t up_to_an_end(self, Py_ssize_t count) noexcept
    cdef int carry_in(self, object carrier, Py_ssize_t limit, double timeout, double deadline) except -100
    cdef Py_ssize_t take_seen(self, object sock, Py_ssize_t count) except -100
    cdef int fill(self, object sock, Py_ssize_t size, double timeout, double deadline) except -100
    cdef int guarded_fill(
        self, object sock, Py_ssize_t size, double timeout, double deadline, object owner
    ) except -100
    cdef Py_ssize_t receive(
        self, object sock, unsigned char* destination, Py_ssize_t size, PyObject** result,
        double timeout, double deadline, object owner
    ) except -100
    cdef int leave(self, object sock) except -1
    cdef int append(self, object data) except -1
    cdef int outcome_at_eof(self, int outcome) noexcept
    cdef bint take_from(self, object source, Py_ssize_t size, object owner) except -1
    cdef Py_ssize_t read_held(
        self, unsigned char* destination, Py_ssize_t size, Py_ssize_t capacity, object owner
    ) except -100
    cdef Py_ssize_t bytes_for(self, Py_ssize_t size, PyObject** result) except -1
    cdef bint wants_more(self, Py_ssize_t outcome, object source, Py_ssize_t size, object owner) except -1
    cdef tuple open_between(
        self, unsigned char* source, Py_ssize_t length, unsigned char* target, Py_ssize_t size, object owner
    )
    cdef int release(self) except -1
    cdef int drop(self) except -1
