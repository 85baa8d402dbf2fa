"""A ledger that has closed a log is exported and rebuilt whole, from one file or from one for each log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from adapters.exports.files import read_file
from adapters.postgres.restore import Restored
from api.notary import close_log, integrate_all, published_logs
from api.restore import restore_ledger
from tests.integration.test_restore import STORY, WORDS, Site, clean, erased_now, is_erased, site, told
from traceability.errors import ConflictError, InvalidInputError
from traceability.notary.errors import NotPublishedError
from traceability.notary.export import AuditExport, Joined
from traceability.notary.note import VerifierKey

__all__ = ["site"]  # a fixture


@contextmanager
def joined(paths: list[Path]) -> Iterator[tuple[AuditExport, list[VerifierKey]]]:
    """Open exports of several logs, with the keys that they name."""
    with ExitStack() as stack:
        texts = [stack.enter_context(read_file(path, WORDS)) for path in paths]
        named = [line for text in texts for line in b"".join(text).split(b'"vkey":"')[1:]]
        keys = [VerifierKey.parse(line.partition(b'"')[0].decode()) for line in named]
        yield AuditExport(Joined(texts)), keys


def test_a_ledger_that_had_several_logs_is_rebuilt_into_one(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY[:2])
    integrate_all(main)
    close_log(main, name="main-2", origin="traceability.local/main-2")
    told(main, STORY[2:], apart=True)
    erased_now(main, 1)  # of the first log, recorded in the second
    integrate_all(main)
    close_log(main, name="main-3", origin="traceability.local/main-3")
    integrate_all(main)
    erased_now(main, 4)  # recorded in the third, of which nothing but the empty tree is exported
    names = [log.name for log in published_logs(main)]
    files = [site.exported(main), *(site.exported(main, log=name, name=f"{name}.age") for name in names)]
    for number, used in enumerate(([files[0]], files[1:])):
        again = site.engine(f"again{number}")
        with joined(used) as (export, keys):
            done = restore_ledger(again, export, keys, [], lambda _done, _whole: None)
            assert [(one.log, one.first_position, one.size) for one in export.headers] == [
                ("main", 1, 2),
                ("main-2", 3, 4),
                ("main-3", 7, 0),
            ]
        assert done == Restored(6, (4,))
        assert (is_erased(again, 1), is_erased(again, 4), clean(again)) == (True, True, 2)
        # What records the last erasure, position 7, is another event here.
        rows, before = (
            [row for row in site.rows(one)["record"] if '"position": 7,' not in row] for one in (again, main)
        )
        assert len(rows) == 6
        assert rows == before
        assert len(published_logs(again)) == 1
    with joined(files[:0:-1]) as (export, keys), pytest.raises(InvalidInputError) as wrong:
        restore_ledger(site.engine("third"), export, keys, [], lambda _done, _whole: None)
    assert wrong.value.code == "audit.not_first"
    # No log of the chain may go on under its name, whichever it is.
    named = site.engine("fourth", log_origin="traceability.local/main-2")
    with joined(files[:1]) as (export, keys), pytest.raises(ConflictError) as same:
        restore_ledger(named, export, keys, [], lambda _done, _whole: None)
    assert same.value.code == "audit.same_origin"


def test_a_chain_is_exported_as_far_as_it_is_signed(site: Site) -> None:
    main = site.engine("main")
    told(main, STORY[:2])
    integrate_all(main)
    told(main, STORY[2:3])
    close_log(main, name="main-2", origin="traceability.local/main-2")
    told(main, STORY[3:4])
    with joined([site.exported(main)]) as (export, keys):
        assert [event.position for _, event in export.verified(*keys)] == [1, 2]
    with pytest.raises(NotPublishedError):
        site.exported(main, log="main-2", name="second.age")
    integrate_all(main)
    with joined([site.exported(main)]) as (export, keys):
        assert [event.position for _, event in export.verified(*keys)] == [1, 2, 3, 4]
    told(main, STORY[4:])
    integrate_all(main)
    with joined([site.exported(main, until=1)]) as (export, keys):
        assert [event.position for _, event in export.verified(*keys)] == [1, 2, 3, 4]
