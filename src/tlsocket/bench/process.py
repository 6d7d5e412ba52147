"""What a process is and may: its resident memory, how many descriptors it can have. No scenario of its own."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from pathlib import Path

__all__ = ["allow_descriptors", "resident"]

PAGE = os.sysconf("SC_PAGE_SIZE")
SPARE_DESCRIPTORS = 100


def allow_descriptors(connections: int) -> None:
    """Raise this process's limit so far that it can have so many; OSError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OSError(f"this process may have {hard} descriptors, and {wanted} are needed")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def resident() -> int:
    """Bytes of this process in memory, garbage and what the allocator keeps for later left out."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
