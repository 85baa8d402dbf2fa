"""Integrators that die: `python -m tests.support.mortal_integrator URL FOLDER`.

Takes lines `AT MOST` and forks for each a process that integrates at most MOST leaves a round, and kills itself before
call number AT of the file layer, from 1 (0: never). Says `leads` when it does, `done` or `killed` in the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from adapters.postgres.connection import open_pool
from adapters.postgres.notary import find_log
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.support.disks import WatchedDisk
from tests.support.logs import KEY
from traceability.notary.log import Log


def integrate(url: str, folder: Path, at: int, most: int) -> None:
    """Wait for the lead, and integrate all that is there."""

    def die(_name: str, number: int) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_pool(url, max_size=2) as pool:
        database = find_log(pool, 1)
        assert database is not None
        while True:
            with database.leadership() as leads:
                if leads:
                    print("leads", os.getpid(), flush=True)
                    log = Log(database, FileTileStore(folder, WatchedDisk(die)), KEY, SystemClock())
                    while log.integrate(most):
                        pass
                    return
            time.sleep(0.005)


def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    for line in sys.stdin:
        at, most = map(int, line.split())
        if (child := os.fork()) == 0:
            integrate(url, folder, at, most)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = "killed" if os.WIFSIGNALED(status) else "done" if status == 0 else "failed"
        print(ended, flush=True)


if __name__ == "__main__":
    main()
