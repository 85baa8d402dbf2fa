"""`traceability log fsck` of a whole ledger: each log of its chain, and that together they hold every position once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.postgres.index_stored import WINDOW
from adapters.tiles import FileTileStore
from api.fsck import Asked, Checked, LogCheck, Show, nothing_confirmed
from api.notary import PublishedLog, published_log, published_logs
from api.wiring import Engine
from traceability.notary.chain import check_chain
from traceability.notary.report import Report


@dataclass
class CheckedChain:
    """What came of it: for each log by name, in the order of their positions, and for the chain if all were checked."""

    logs: dict[str, Checked] = field(default_factory=dict)
    chain: Report | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return all(checked.clean for checked in self.logs.values()) and (self.chain is None or self.chain.clean)


def check_logs(
    engine: Engine,
    asked: Asked,
    show: Show = lambda _what: lambda _done, _whole: None,
    *,
    name: str | None = None,
    workers: int | None = None,
    window: int = WINDOW,
) -> CheckedChain:
    """Check the log of that name, else all logs of the ledger and what ties them together.

    Raises as `LogCheck.run` does, and `NotFoundError` (`log.unknown`) when there is no such log. Among several a log
    that no check has confirmed yet is checked whole: it is new since the others were.
    """
    logs = published_logs(engine) if name is None else []
    found = CheckedChain()
    if logs:
        found.chain = check_chain([log.database for log in logs])
    else:
        logs = [published_log(engine, name)]
    checks = [
        LogCheck(engine, log, one, _named(show, log.name) if len(logs) > 1 else show, workers=workers, window=window)
        for log, one in zip(logs, _shared_out(asked, logs), strict=True)
    ]
    if asked.since is not None and not any(check.builds_on_another for check in checks):
        raise nothing_confirmed()
    for log, check in zip(logs, checks, strict=True):
        found.logs[log.name] = check.check()
    # Not before all came to their end: if this is interrupted, a log that was good is not checked again.
    for check in checks:
        check.finish()
    return found


def _named(show: Show, name: str) -> Show:
    return lambda what: show(f"{name}: {what}")


def _shared_out(asked: Asked, logs: Sequence[PublishedLog]) -> list[Asked]:
    """Give each log what others kept of it, as the origin in it says; what is of no log here, the last one."""
    origins = [log.database.identity.origin for log in logs]

    def of(origin: str) -> int:
        return origins.index(origin) if origin in origins else len(logs) - 1

    copies: list[list[Path]] = [[] for _ in logs]
    checkpoints: list[list[Path]] = [[] for _ in logs]
    for folder in asked.copies:
        copies[of(_origin(FileTileStore(folder).checkpoint() or b""))].append(folder)
    for path in asked.checkpoints:
        checkpoints[of(_origin(path.read_bytes()))].append(path)
    return [replace(asked, copies=c, checkpoints=k) for c, k in zip(copies, checkpoints, strict=True)]


def _origin(note: bytes) -> str:
    return note.partition(b"\n")[0].decode(errors="replace")
