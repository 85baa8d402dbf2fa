"""The threads of a server that read partners when their time has come.

Every partner has its own hold, so any number of servers may run these, and its own thread for as long as it is read, so
that one that is slow or wrong delays no other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import structlog
from starlette.datastructures import State

from adapters.postgres.partners import Held, LostPartnerError
from api.background import Background
from api.partners.reading import StoppedError, partners_of
from api.partners.run import read
from api.wiring import Engine
from traceability.errors import TraceabilityError

POLL_SECONDS: Final = 1.0
AT_ONCE: Final = 4
_log: Final = structlog.stdlib.get_logger("api.partners")


class PartnerReader:
    """Reads up to `AT_ONCE` partners at a time, each when it is due."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._partners = partners_of(engine)
        self._slots = threading.Semaphore(AT_ONCE)
        self.background = Background("partners", self._run)
        """Ends after the pages in progress; what is left is gone on with by the next server."""

    def wake(self) -> None:
        """Look now whether a partner is due."""
        self.background.woken.set()

    def _run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="partner") as threads:
            while not self.background.stops:
                if not self._slots.acquire(timeout=POLL_SECONDS):
                    continue
                held = self._due()
                if held is not None:
                    threads.submit(self._read, held).add_done_callback(self._free)
                    continue
                self._slots.release()
                self.background.rest(POLL_SECONDS)

    def _due(self) -> Held | None:
        try:
            return self._partners.claim_due()
        except TraceabilityError as error:
            _log.warning("no partner can be read", code=error.code, reason=error.message)
        except Exception:  # noqa: BLE001 - a thread that ended without a word would look like one that is idle
            _log.exception("no partner can be read")
        return None

    def _free(self, _: Future[None]) -> None:
        self._slots.release()
        self.wake()

    def _read(self, held: Held) -> None:
        log = _log.bind(partner=held.partner.name)
        try:
            was_read = read(self._engine, held, stopping=self.background.stopping)
        except StoppedError:
            pass
        except LostPartnerError:
            log.warning("partner taken over")
        except TraceabilityError as error:
            log.warning("partner not read", code=error.code, reason=error.message)
        except Exception:
            log.exception("partner not read")
        else:
            log.info("partner read", events=was_read.events, recorded=was_read.counts.recorded)


def wake_reader(state: State) -> None:
    """Have the application's reader look now, if this process has one."""
    reader: PartnerReader | None = getattr(state, "partner_reader", None)
    if reader is not None:
        reader.wake()


@contextmanager
def reading_partners(engine: Engine) -> Iterator[PartnerReader]:
    """Read the partners of the engine's ledger in the background for as long as the context lasts."""
    reader = PartnerReader(engine)
    with reader.background:
        yield reader
