"""The vector that docs/guide/commitment.md prints is the one that our code makes."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest

from traceability.ledger.commitment import commit, entry_of, leaf_hash, open_items, part_commitments
from traceability.ledger.parts import Parts

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "commitment.md").read_text()
SALT = bytes(range(32))
PERSONAL_SALT = bytes(range(32, 64))


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    section = PAGE.partition("## A vector")[2]
    return dict(re.findall(r"^(p\d|item\d(?:\.\w+)?|root|c\d|C|leaf) +(\S.*)$", section, re.MULTILINE))


@pytest.fixture(scope="module")
def parts(printed: dict[str, str]) -> Parts:
    content = {name: text.encode() for name, text in printed.items()}
    return Parts(
        head=content["p0"],
        what=(content["item0"], content["item1"], content["item2"]),
        where=content["p2"],
        how=content["p4"],
        more=content["p5"],
        personal=content["p6"],
    )


def test_commitments(printed: dict[str, str], parts: Parts) -> None:
    made = part_commitments(parts, SALT, PERSONAL_SALT)
    assert {name: made[int(name[1])].hex() for name in ("c1", "c3", "c6")} == {
        name: printed[name] for name in ("c1", "c3", "c6")
    }
    assert commit(parts, SALT, PERSONAL_SALT).hex() == printed["C"]


def test_leaf(printed: dict[str, str], parts: Parts) -> None:
    match = re.search(r"`event_id` ([0-9a-f]{32}),\n`recorded_at` (\d+)", PAGE)
    assert match
    entry = entry_of(UUID(match[1]), int(match[2]), commit(parts, SALT, PERSONAL_SALT))
    assert len(entry) == 57
    assert leaf_hash(entry).hex() == printed["leaf"]


def test_item(printed: dict[str, str], parts: Parts) -> None:
    root, (opening,) = open_items(parts, SALT, [1])
    assert root.hex() == printed["root"]
    assert opening.content.decode() == printed["item1"]
    assert [opening.salt.hex(), *(node.hex() for node in opening.path)] == [
        printed[name] for name in ("item1.t", "item1.path0", "item1.path1")
    ]


def test_nothing(printed: dict[str, str]) -> None:
    assert f"`{commit(Parts(head=b''), SALT, PERSONAL_SALT).hex()}`" in PAGE
    assert "p3" not in printed
    assert "p7" not in printed
