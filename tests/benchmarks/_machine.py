"""What a figure has to be read with."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from pathlib import Path


def machine() -> dict[str, str | int | float]:
    """Describe the interpreter and the machine; an interpreter built without optimisation is 1.5 times slower."""
    return {
        "python": platform.python_version(),
        "configure": sysconfig.get_config_var("CONFIG_ARGS") or "",
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_1min": os.getloadavg()[0],
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
