# The lock of one direction (law 3). Its state changes only under the GIL, so taking a free one costs two stores;
# only a thread that must wait creates an operating-system lock. After a fork the child finds every lock free:
# whoever held it in the parent does not exist in the child (law 11). A thread that holds it and asks again, from a
# callback or a signal handler, would wait for itself for ever: it gets an error instead.

cdef extern from "pythread.h":
    ctypedef enum PyLockStatus:
        PY_LOCK_FAILURE
        PY_LOCK_ACQUIRED
        PY_LOCK_INTR
    PyThread_type_lock PyThread_allocate_lock() noexcept nogil
    void PyThread_free_lock(PyThread_type_lock lock) noexcept nogil
    void PyThread_release_lock(PyThread_type_lock lock) noexcept nogil
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait) noexcept nogil
    unsigned long PyThread_get_thread_ident() noexcept nogil
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock lock, long long microseconds, int intr) noexcept nogil

cdef uint64_t fork_generation = 0


cdef void side_init(SideLock* side) noexcept:
    side.held = False
    side.signalled = False
    side.holder = 0
    side.waiters = 0
    side.generation = fork_generation
    side.gate = NULL


cdef void side_free(SideLock* side) noexcept:
    if side.gate != NULL:
        PyThread_free_lock(side.gate)
        side.gate = NULL


cdef bint side_try(SideLock* side) noexcept:
    if side.generation != fork_generation:
        # The parent's gate may be locked by a thread that was not copied; it is left behind, not freed.
        side_init(side)
    if side.held:
        return False
    side.held = True
    side.holder = PyThread_get_thread_ident()
    return True


cdef void side_release(SideLock* side) noexcept:
    side.held = False
    if side.waiters > 0 and not side.signalled:
        side.signalled = True
        PyThread_release_lock(side.gate)


cdef int side_take(SideLock* side, double timeout, double deadline) except -100:
    """Take the lock, waiting until `deadline`: 0 or OUTCOME_TIMED_OUT. Signal handlers run meanwhile."""
    cdef long long microseconds
    cdef double left
    cdef PyLockStatus status
    if side_try(side):
        return 0
    if side.holder == PyThread_get_thread_ident():
        raise ApiMisuse(Reason.API_MISUSE, "called from within a call in the same direction of this connection")
    if side.gate == NULL:
        side.gate = PyThread_allocate_lock()
        if side.gate == NULL:
            raise MemoryError
        PyThread_acquire_lock(side.gate, 0)
    side.waiters += 1
    try:
        while side.held:
            if timeout < 0:
                microseconds = -1
            elif timeout == 0:
                # A holder on a non-blocking socket never waits for the peer, so this wait is short.
                microseconds = 50000
            else:
                left = deadline - monotonic()
                if left <= 0:
                    return OUTCOME_TIMED_OUT
                microseconds = <long long>(left * 1e6) + 1
            with nogil:
                status = PyThread_acquire_lock_timed(side.gate, microseconds, 1)
            if status == PY_LOCK_ACQUIRED:
                side.signalled = False
            elif status == PY_LOCK_INTR:
                PyErr_CheckSignals()
            elif timeout == 0 and side.held:
                return OUTCOME_TIMED_OUT
        side.held = True
        side.holder = PyThread_get_thread_ident()
        return 0
    finally:
        side.waiters -= 1
