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


def main() -> None:
    """Take one JSON argument: see `embedded._spawn`."""
    task = json.loads(sys.argv[1])
    if os.fork() != 0:
        os._exit(0)  # the parent need not wait for us, nor we become its zombie
    os.setsid()
    account = task["account"]
    server = subprocess.Popen(  # noqa: S603
        task["command"],
        cwd=task["cluster"],
        stdin=subprocess.DEVNULL,
        pass_fds=[task["server_lock"]],
        start_new_session=True,
        **({"user": account[0], "group": account[1], "extra_groups": []} if account else {}),
    )
    os.close(task["server_lock"])
    threading.Thread(target=_stop_when_unused, args=(server, task["users"], task["keep"]), daemon=True).start()
    server.wait()
    if task["scratch"]:
        shutil.rmtree(task["scratch"], ignore_errors=True)
    if os.path.islink(task["short"]):  # noqa: PTH114
        os.unlink(task["short"])  # noqa: PTH108


def _stop_when_unused(server: subprocess.Popen[bytes], users: str, keep: str) -> None:
    descriptor = os.open(users, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if os.path.exists(keep):  # noqa: PTH110
        os.close(descriptor)
        return
    server.send_signal(signal.SIGINT)  # fast shutdown: the sessions that are left are rolled back


if __name__ == "__main__":
    main()
