"""How the C library hands out memory."""

import ctypes
import gc
import platform
import sys

# Of <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for what it allocates next; return whether that can be set.

    By default glibc gives large blocks back to the system as soon as they are free. A step of training frees and asks
    for hundreds of megabytes, and the system has to find and clear the pages anew each time: up to a seventh of the
    CPU time of a step of 6 x 384. What a process keeps is at most what it held at its peak. Call it before TensorFlow
    is imported. Other C libraries than glibc are left as they are.
    """
    if not _has_glibc():
        return False
    set_option = ctypes.CDLL(None).mallopt
    # Never give the top of the heap back; have no blocks mapped on their own; have one heap, since those beyond the
    # first are given back whole.
    return all(set_option(option, value) for option, value in ((_TRIM_THRESHOLD, -1), (_MMAP_MAX, 0), (_ARENA_MAX, 1)))


def give_back_freed_memory() -> None:
    """Give back what is kept, once, that of unreachable cycles too; other C libraries than glibc do as they like."""
    gc.collect()
    if _has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _has_glibc() -> bool:
    return sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"
