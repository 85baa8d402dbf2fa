"""Settings of the embedded server from the size of the machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MB = 1 << 20
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or its container's limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return machine


def server_settings(data: Path) -> dict[str, str]:
    """Return PostgreSQL's settings for a server that shares this machine with its users.

    An eighth of the memory is the server's own cache, half is what it may count on the kernel to hold. WAL between
    checkpoints is limited by the space that is free on the disk of `data`, which must exist.
    """
    memory = memory_bytes() // _MB
    free_disk = shutil.disk_usage(data).free // _MB
    max_wal = _between(256, free_disk // 10, 8192)
    return {
        "listen_addresses": "",
        "port": "5432",  # only the socket's name; fixed here because PGPORT would change it
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        # A commit that was acknowledged survives a power cut.
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": f"{_between(64, memory // 8, 4096)}MB",
        "effective_cache_size": f"{_between(128, memory // 2, 65536)}MB",
        "maintenance_work_mem": f"{_between(32, memory // 32, 1024)}MB",
        "work_mem": f"{_between(4, memory // 512, 64)}MB",
        "max_wal_size": f"{max_wal}MB",
        "min_wal_size": f"{max(80, max_wal // 8)}MB",
        # Old WAL is removed, not renamed for the future with its bytes in it: the ledger may have erased them.
        "wal_recycle": "off",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "jit": "off",  # our statements are short; compiling them costs more than running them
        # The log shows what failed, never the values: it is outside the reach of an erasure.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))
