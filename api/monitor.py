"""One look at a log that is watched: fetch, check, remember, and only then tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from adapters.monitor import MonitorFolder
from adapters.tiles.http import HttpLog
from traceability.errors import TraceabilityError
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.monitor import Followed, InconsistentLogError, News, Watched, follow, observe
from traceability.notary.note import VerifierKey
from traceability.ports import Clock


class ShrunkLogError(TraceabilityError):
    """A log shows an older checkpoint than before: what was published is taken back, or an old copy is served."""

    code = "log.shrunk"


class StaleLogError(TraceabilityError):
    """A log has shown nothing new for longer than it should."""

    code = "log.stale"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look has found; `age` are the seconds since a checkpoint was new or freshly cosigned."""

    checkpoint: Checkpoint
    news: News
    age: int
    entries: int | None


@dataclass(frozen=True, slots=True)
class Watch:
    """A log, where it and its witnesses are read, and what is asked of it."""

    log: HttpLog
    key: VerifierKey
    folder: MonitorFolder
    clock: Clock
    witness_keys: Sequence[VerifierKey] = ()
    witnesses: Sequence[HttpLog] = ()
    entries: bool = False
    fresh_seconds: int | None = None

    def look(self, progress: Callable[[int, int], None] = lambda _, __: None) -> Look:
        """Look once. Nothing of a checkpoint is remembered unless it was found good.

        Raises `InconsistentLogError` after both checkpoints were kept, `ShrunkLogError`, `StaleLogError`,
        `DamagedLogError` (`log.damaged`, tiles are missing or wrong), `VerificationError` and `UnavailableError`.
        """
        watched = self.folder.load() or Watched(self.key.text)
        if watched.vkey != self.key.text:
            raise VerificationError(f"{self.folder.folder} is of the log {watched.vkey}", code="monitor.state")
        shown = self.log.checkpoint()
        try:
            watched, checkpoint, news = self._moved(watched, shown)
            watched = self._compared(watched)
        except InconsistentLogError as error:
            self.folder.keep(error)
            raise
        if self.entries:
            for followed in self._followed(watched, checkpoint, progress):
                watched = replace(watched, followed=followed)
                self.folder.save(watched)
        age = self._age(watched, shown)
        if self.fresh_seconds is not None and age > self.fresh_seconds:
            raise StaleLogError(f"{self.key.name} has shown nothing new for {age} seconds")
        return Look(checkpoint, news, age, watched.followed.size if self.entries else None)

    def _moved(self, watched: Watched, shown: bytes) -> tuple[Watched, Checkpoint, News]:
        try:
            checkpoint, news = observe(watched.note, shown, self.key, self.log.read)
        except DamagedLogError as error:
            # It is signed, and cannot be judged now: who shows a fork beside wrong tiles must not get it forgotten.
            self._save(watched, watched.postponed([shown]))
            # A log that lost its end has lost the tiles that would prove that its beginning is still the same.
            self._refuse_smaller(watched, shown, error)
            raise
        if news is News.OLDER:
            self._refuse_smaller(watched, shown, None)
        if news is News.SAME:
            return watched, checkpoint, news
        # Saved before anything is told: a monitor that was killed in between must not believe a fork later.
        moved = self._save(watched, replace(watched, note=shown, changed_at=self.clock.now_us()))
        return moved, checkpoint, news

    def _save(self, before: Watched, after: Watched) -> Watched:
        if after != before:
            self.folder.save(after)
        return after

    def _refuse_smaller(self, watched: Watched, shown: bytes, cause: DamagedLogError | None) -> None:
        if watched.note is None:
            return
        before, now = (open_checkpoint(note, self.key)[0].size for note in (watched.note, shown))
        if now < before:
            raise ShrunkLogError(
                f"{self.key.name} shows a checkpoint of size {now}, after one of size {before} was seen",
                hint="Look again in a while: a cache may serve an old copy. If it stays, published entries are gone.",
            ) from cause

    def _compared(self, watched: Watched) -> Watched:
        """Compare what witnesses have cosigned, and what was undecided before, with what the log shows now."""
        notes = [witness.witnessed_checkpoint(self.key.name) for witness in self.witnesses]
        for note in notes:
            open_checkpoint(note, self.key)
        watched = self._save(watched, watched.postponed(notes))
        return self._save(watched, watched.compared(self.key, self.log.read))

    def _followed(
        self, watched: Watched, checkpoint: Checkpoint, progress: Callable[[int, int], None]
    ) -> Iterator[Followed]:
        frontier = watched.followed.frontier(checkpoint.size, self.log.read)
        progress(frontier.size, checkpoint.size)
        for reached in follow(frontier, checkpoint, self.log.read):
            progress(reached.size, checkpoint.size)
            yield Followed(reached.size, reached.root())

    def _age(self, watched: Watched, shown: bytes) -> int:
        """Return for how many seconds there is nothing new; a cosignature of a witness that is known is new as well."""
        _, note = open_checkpoint(shown, self.key, self.witness_keys)
        seconds = [key.timestamp(signature) or 0 for key, signature in note.verified]
        newest = max(watched.changed_at // 1_000_000, *seconds)
        return max(0, self.clock.now_us() // 1_000_000 - newest)
