# Outcomes that are not errors, and the limits of RFC 9846 section 5. `_record.pyi` says what each outcome means.

cdef enum:
    OUTCOME_WANT_READ = -1
    OUTCOME_WANT_WRITE = -2
    OUTCOME_TIMED_OUT = -3
    OUTCOME_TRUNCATED = -4
    OUTCOME_SYSTEM_ERROR = -5
    OUTCOME_STOPPED = -6
    OUTCOME_HAVE_DATA = -7
    OUTCOME_BAD_LENGTH = -8
    OUTCOME_CLOSED = -9
    OUTCOME_FAILED = -10        # internal: `failure` holds what to raise

cdef enum:
    TYPE_CHANGE_CIPHER_SPEC = 20
    TYPE_ALERT = 21
    TYPE_HANDSHAKE = 22
    TYPE_APPLICATION_DATA = 23

cdef enum:
    HEADER = 5
    PLAINTEXT_LIMIT = 16384                     # TLSPlaintext.fragment, RFC 9846 section 5.1
    INNER_LIMIT = 16384 + 1                     # TLSInnerPlaintext, RFC 9846 section 5.4
    CIPHERTEXT_LIMIT = 16384 + 256              # TLSCiphertext.encrypted_record, RFC 9846 section 5.2
    RECORD_LIMIT = 5 + 16384 + 256
    ALERT_LENGTH = 2                            # Alert, RFC 9846 section 6
    LEAST_LOSS = 22                             # header, tag and inner type: what a record loses under TLS 1.3
    EMPTY_RECORD_BUDGET = 32                    # consecutive records without content (law 9)
    CHANGE_CIPHER_SPEC_BUDGET = 32

# How much is sealed before one system call. Not waiting: what the kernel was measured to take, at least the first
# figure. Waiting: the last, above which nothing was gained over loopback (see manual/performance.md).
cdef enum:
    ROOM_AT_FIRST = 65536
    ROOM_AT_MOST = 1048576
    BLOCKING_BATCH = 524288
    READ_AT_MOST = 262144

WANT_READ = OUTCOME_WANT_READ
WANT_WRITE = OUTCOME_WANT_WRITE
TIMED_OUT = OUTCOME_TIMED_OUT
TRUNCATED = OUTCOME_TRUNCATED
SYSTEM_ERROR = OUTCOME_SYSTEM_ERROR
STOPPED = OUTCOME_STOPPED
HAVE_DATA = OUTCOME_HAVE_DATA
BAD_LENGTH = OUTCOME_BAD_LENGTH
CLOSED = OUTCOME_CLOSED

MAX_PLAINTEXT = PLAINTEXT_LIMIT
