"""Receivers that die: `python -m tests.support.mortal_receiver PORT FILE POSTS`.

Listens on PORT (0: any), says which, and writes the path and the eventIDs of each post to FILE, synced, before it
answers. It kills itself when it has written so many posts (0: never), without an answer to the last. Ends with its
standard input.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from threading import Lock

import orjson

from tests.support.receivers import Post, receiving


def main() -> None:
    port, file, posts = sys.argv[1:]
    with open(file, "ab", buffering=0) as out, receiving(int(port)) as receiver:  # noqa: PTH123
        numbers, lock = count(1), Lock()

        def status(post: Post) -> int:
            with lock:
                out.write(orjson.dumps([post.path, [one["eventID"] for one in post.events]]) + b"\n")
                os.fsync(out.fileno())
                if next(numbers) == int(posts):
                    os.kill(os.getpid(), signal.SIGKILL)
            return 204

        receiver.status = status
        print(receiver.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
