"""The process between an embedded server and those who use it: starts it, and stops it when the last has gone.

Run by path with `python -I -S` (standard library only, some 15 ms), detached from the terminal. A user of the server
holds a shared flock on `users`; the kernel drops it however the user ends, kill -9 included. This process waits for
the exclusive flock, which it gets when no user is left, and holds it until the server is down: a newcomer's shared
flock waits exactly as long as a stop takes.

The flock on `server` is inherited by the server and its children and says, more surely than any pid file, whether one
of them is alive.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 60


def main() -> None:
    """Take one JSON argument: see `embedded._spawn`."""
    task = json.loads(sys.argv[1])
    if os.fork() != 0:
        os._exit(0)  # the parent need not wait for us, nor we become its zombie
    os.setsid()  # an interrupt typed at the terminal of whoever came first is neither ours nor the server's
    server = subprocess.Popen(  # noqa: S603
        task["command"],
        stdin=subprocess.DEVNULL,
        env=task["environment"],
        pass_fds=task["inherited"],
        **task["account"],
    )
    for descriptor in task["inherited"]:
        os.close(descriptor)
    threading.Thread(target=_stop_when_unused, args=(server, task), daemon=True).start()
    server.wait()
    if task["scratch"]:
        shutil.rmtree(task["scratch"], ignore_errors=True)


def _stop_when_unused(server: subprocess.Popen[bytes], task: dict[str, Any]) -> None:
    descriptor = os.open(task["users"], os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if Path(task["keep"]).exists():
        os.close(descriptor)
        return
    # Now, and not after the server's end: then a newcomer could already be using the link again.
    Path(task["short"]).unlink(missing_ok=True)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        # Newcomers are waiting. This is no loss either: the next start replays the WAL.
        server.send_signal(signal.SIGQUIT)


if __name__ == "__main__":
    main()
