"""Servers that are killed while they read a partner, again and again: every event is there once, none is left out."""

from __future__ import annotations

import random
import signal

import orjson
from starlette.responses import Response

from api.partners.define import define
from api.partners.reading import partners_of
from tests.support.capture_runs import packs
from tests.support.captures import SENDER, Site, wait_until
from tests.support.partners import Repository, page
from traceability.ledger.partners import Kind

PAGES, A_PAGE = 40, 25
KILLS = 3
SEED = 20_260_301
PARTNER = "repository"


def answer(query: dict[str, str], _: int) -> Response:
    """Answer with the page of a token, of events that were recorded a second apart."""
    number = int(query.get("nextPageToken", 0))
    since = query.get("GE_recordTime", "")
    events = []
    for i, one in enumerate(packs(*range(number * A_PAGE, (number + 1) * A_PAGE))):
        recorded = f"2026-03-01T10:{number:02}:{i:02}.000000Z"
        if recorded >= since:
            events.append({**one, "recordTime": recorded})
    return page(events, token=str(number + 1) if number + 1 < PAGES else None)


def test_a_reading_that_is_killed_again_and_again(site: Site) -> None:
    choose = random.Random(SEED)
    repository = Repository(answer)
    with repository.served() as address, site.engine() as engine:
        define(engine, PARTNER, SENDER, Kind.EPCIS, address=address, overlap_us=1_000_000)
        for number in range(KILLS):
            with site.server(f"log{number}") as (process, _):
                further = engine.ledger.head() + choose.randrange(1, 3 * A_PAGE)
                wait_until(lambda further=further: engine.ledger.head() >= further)  # type: ignore[misc]
                process.send_signal(signal.SIGKILL)
                process.wait()
        assert engine.ledger.head() < PAGES * A_PAGE, "nothing was killed in the middle"
        with site.server("last"):
            wait_until(lambda: partners_of(engine).get(PARTNER)[1].succeeded_at)
            wait_until(lambda: engine.jobs.open_jobs() == (0, 0))
        records = engine.ledger.records(range(1, engine.ledger.head() + 1))
        names = [orjson.loads(record.event.parts.more)["eventID"] for record in records]
        assert sorted(names) == sorted(one["eventID"] for one in packs(*range(PAGES * A_PAGE)))
        # Nor did a job hold what another held: the progress behind a page is committed with its job.
        totals = partners_of(engine).totals(PARTNER)
        assert (totals.counts.recorded, totals.counts.duplicates) == (PAGES * A_PAGE, 0)
        assert totals.open_findings == 0
        asked = [int(one.get("nextPageToken", 0)) for one in repository.asked]
        assert asked == sorted(asked)
