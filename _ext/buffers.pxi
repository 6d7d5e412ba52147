# Record buffers: page-aligned memory in four sizes, kept in a pool for the whole process (law 10: an idle connection
# holds none). Aligned, because the kernel's copy into or out of unaligned memory is up to twice as slow on some
# machines. Guarded by the GIL.

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void** memory, size_t alignment, size_t size) noexcept

cdef extern from *:
    """
    #include <string.h>
    /* memset that the compiler may not leave out, though the memory is freed next. */
    static void tlsocket_wipe(void *memory, size_t length) {
        memset(memory, 0, length);
        __asm__ __volatile__("" : : "r"(memory) : "memory");
    }
    """
    void wipe "tlsocket_wipe"(void* memory, size_t length) noexcept nogil

cdef enum:
    POOL_CLASSES = 4
    POOL_DEPTH = 64
    ALIGNMENT = 4096
    CACHE_LINE = 64

# One record; four records; a large read; the largest batch, each with room for some control records.
cdef Py_ssize_t pool_size[POOL_CLASSES]
pool_size[:] = [20480, 86016, 331776, 1118208]
cdef int pool_limit[POOL_CLASSES]
pool_limit[:] = [64, 16, 8, 4]
cdef unsigned char* pool_free[POOL_CLASSES][POOL_DEPTH]
cdef int pool_count[POOL_CLASSES]
cdef Py_ssize_t pool_in_use = 0


cdef int chunk_take(Chunk* chunk, Py_ssize_t need) except -1:
    """Give an empty chunk memory for at least `need` bytes."""
    cdef int index
    cdef void* memory = NULL
    cdef Py_ssize_t size = need
    global pool_in_use
    for index in range(POOL_CLASSES):
        if need <= pool_size[index]:
            size = pool_size[index]
            if pool_count[index] > 0:
                pool_count[index] -= 1
                memory = pool_free[index][pool_count[index]]
            break
    if memory == NULL and posix_memalign(&memory, ALIGNMENT, <size_t>size) != 0:
        raise MemoryError
    chunk.memory = <unsigned char*>memory
    chunk.capacity = size
    chunk.start = 0
    chunk.end = 0
    pool_in_use += size
    return 0


cdef void chunk_give(Chunk* chunk) noexcept:
    """Return the memory to the pool."""
    cdef int index
    global pool_in_use
    if chunk.memory == NULL:
        return
    pool_in_use -= chunk.capacity
    for index in range(POOL_CLASSES):
        if chunk.capacity == pool_size[index] and pool_count[index] < pool_limit[index]:
            pool_free[index][pool_count[index]] = chunk.memory
            pool_count[index] += 1
            break
    else:
        free(chunk.memory)
    chunk.memory = NULL
    chunk.capacity = 0
    chunk.start = 0
    chunk.end = 0


cdef void chunk_wipe(Chunk* chunk) noexcept:
    """Zero what the chunk holds or held, and return it: after a failure no plaintext stays behind (law 5)."""
    if chunk.memory != NULL:
        wipe(chunk.memory, <size_t>chunk.capacity)
        chunk_give(chunk)


cdef int chunk_move(Chunk* chunk, Py_ssize_t capacity, bint align_end) except -1:
    """Move the bytes in use into memory for `capacity` bytes beyond them.

    With `align_end`, what the kernel appends next starts on a cache line.
    """
    cdef Chunk other
    cdef Py_ssize_t used = chunk.end - chunk.start
    chunk_take(&other, used + capacity + CACHE_LINE)
    if align_end:
        other.start = (CACHE_LINE - used % CACHE_LINE) % CACHE_LINE
    other.end = other.start + used
    memcpy(other.memory + other.start, chunk.memory + chunk.start, <size_t>used)
    chunk_give(chunk)
    chunk[0] = other
    return 0


cdef void pool_drop() noexcept:
    cdef int index
    for index in range(POOL_CLASSES):
        while pool_count[index] > 0:
            pool_count[index] -= 1
            free(pool_free[index][pool_count[index]])


def pool_statistics():
    """Bytes of record buffers that connections hold, and that the pool keeps for the next."""
    cdef Py_ssize_t pooled = 0
    cdef int index
    for index in range(POOL_CLASSES):
        pooled += pool_count[index] * pool_size[index]
    return {"in_use": pool_in_use, "pooled": pooled}


def _after_fork_in_child():
    global fork_generation
    fork_generation += 1
    pool_drop()


os.register_at_fork(after_in_child=_after_fork_in_child)


cdef class Window:
    """A view of memory for one call of an AEAD object; it never outlives the call."""

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        # By hand: PyBuffer_FillInfo would overwrite the reference that Cython has put into `obj`, and lose it.
        if flags & PyBUF_WRITABLE and not self.writable:
            raise BufferError("this memory is only to be read")
        buffer.buf = self.memory
        buffer.obj = self
        buffer.len = self.length
        buffer.itemsize = 1
        buffer.readonly = not self.writable
        buffer.ndim = 1
        buffer.format = <char*>b"B" if flags & PyBUF_FORMAT else NULL
        buffer.shape = &buffer.len if flags & PyBUF_ND else NULL
        buffer.strides = &buffer.itemsize if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        buffer.suboffsets = NULL
        buffer.internal = NULL

    def __releasebuffer__(self, Py_buffer* buffer):
        pass
