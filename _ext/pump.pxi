# System calls and waiting, for the methods of the reader and the writer that take a descriptor.
#
# The descriptor is asked of the socket object before each system call, with the GIL held: after `close` or `detach`
# every call is EBADF, and a descriptor that was reused meanwhile is never touched (law 3). Nothing waits but
# `wait_for`; it runs signal handlers, and a timeout is a deadline for the whole call (law 11).

cdef extern from *:
    """
    #include <sys/socket.h>
    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE; this flag is for programs that do not. */
    #endif
    #ifdef __linux__
    #define TLSOCKET_MSG_DROP MSG_TRUNC /* For TCP: take the bytes without copying them. */
    #else
    #define TLSOCKET_MSG_DROP 0
    #endif
    """
    int MSG_DROP "TLSOCKET_MSG_DROP"

cdef extern from "sys/socket.h" nogil:
    Py_ssize_t c_send "send"(int fd, const void* data, size_t length, int flags) noexcept
    Py_ssize_t c_recv "recv"(int fd, void* data, size_t length, int flags) noexcept
    int MSG_DONTWAIT
    int MSG_PEEK
    int MSG_NOSIGNAL

cdef extern from "poll.h" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int c_poll "poll"(pollfd* descriptors, unsigned long count, int milliseconds) noexcept
    short POLLIN
    short POLLOUT
    short POLLNVAL

cdef extern from "time.h" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* now) noexcept


cdef class Carrier:
    """In the place of a descriptor: an object that moves the bytes itself. A subclass has two methods:

    carry_out(data, timeout) gives bytes to its transport and answers how many it took, at least one; carry_in(size,
    timeout) answers up to `size` bytes, b"" at the transport's end. Either answers an outcome where it did not come to
    that, and raises what its transport raises. `timeout` is in seconds; None waits for ever, 0 not at all.
    """


cdef enum:
    CARRIED_AT_MOST = 65536


cdef object time_left(double timeout, double deadline):
    """What is left for a Carrier; below zero when the time is up."""
    if timeout < 0:
        return None
    return 0.0 if timeout == 0 else deadline - monotonic()


cdef double monotonic() noexcept:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <double>now.tv_sec + <double>now.tv_nsec * 1e-9


cdef double seconds(object timeout) except? -2:
    """A socket's timeout as a number: -1 for None, which waits for ever."""
    return -1.0 if timeout is None else timeout


cdef int descriptor(object sock) except -100:
    """The socket's descriptor now; -1 when it is closed."""
    return sock.fileno()


cdef int wait_for(object sock, short events, double timeout, double deadline) except -100:
    """Wait until the descriptor is ready: 0, TIMED_OUT, or SYSTEM_ERROR with `errno` set."""
    cdef pollfd one
    cdef int ready
    cdef int milliseconds
    cdef double left
    while True:
        one.fd = descriptor(sock)
        one.events = events
        one.revents = 0
        if one.fd < 0:
            set_errno(EBADF)
            return OUTCOME_SYSTEM_ERROR
        milliseconds = -1
        if timeout >= 0:
            left = deadline - monotonic()
            if left <= 0:
                return OUTCOME_TIMED_OUT
            # Rounded up, or the last part of a millisecond would be spent spinning.
            milliseconds = <int>min(left * 1e3 + 1, 2e9)
        with nogil:
            ready = c_poll(&one, 1, milliseconds)
        if ready > 0:
            if one.revents & POLLNVAL:
                set_errno(EBADF)
                return OUTCOME_SYSTEM_ERROR
            return 0
        if ready < 0:
            if errno != EINTR:
                return OUTCOME_SYSTEM_ERROR
            PyErr_CheckSignals()


cdef extern from *:
    """
    #include <errno.h>
    static void tlsocket_set_errno(int value) { errno = value; }
    """
    void set_errno "tlsocket_set_errno"(int value) noexcept
