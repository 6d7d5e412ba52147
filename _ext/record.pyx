# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=False, emit_code_comments=False
"""The compiled record layer of tlsocket (RFC 9846 section 5, RFC 5246 section 6): sealing, opening, and the pump.

`RecordWriter` seals and sends, `RecordReader` receives and opens. They share no state: one thread may read while
another writes. Would-block, end of stream and failed system calls are small negative numbers; only a peer that
breaks the protocol raises, with the exceptions of `tlsocket.errors`.

What does not belong here: the meaning of any handshake message, the derivation of keys, `ssl`'s exceptions.

This file holds the imports and includes the topics; `tlsocket/_record.pxd` is the map:

    constants.pxi    outcomes and limits
    locks.pxi        one lock for each direction
    buffers.pxi      aligned memory from a pool
    protection.pxi   keys, sequence numbers, usage limits; TLS 1.3 protection
    protection_tls12.pxi  TLS 1.2 AEAD protection
    pump.pxi         system calls and waiting
    writer.pxi       fragmenting, sealing and sending, the control queue
    opening.pxi      de-framing, opening, handshake reassembly
    reader.pxi       receiving: with a descriptor and without
"""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_XDECREF
from libc.errno cimport EAGAIN, EBADF, EINTR, EPIPE, errno
from libc.stdint cimport UINT64_MAX, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

cimport cython

import os

from cryptography.exceptions import InvalidTag

from tlsocket.errors import ApiMisuse, InternalError, InvalidMessage, PeerMisbehaved, Reason, TLSError, detached

include "constants.pxi"
include "locks.pxi"
include "buffers.pxi"
include "protection.pxi"
include "protection_tls12.pxi"
include "pump.pxi"
include "writer.pxi"
include "opening.pxi"
include "reader.pxi"
