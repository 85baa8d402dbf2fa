"""Statements of master data about a few places, by a few organisations, at a few times."""

from __future__ import annotations

from uuid import UUID

from hypothesis import strategies as st

from traceability.gs1.epcis.master_data import CBV_ATTRIBUTE, Statement, VocabularyElement, vocabulary_type
from traceability.ledger.register.statements import PrefixHeld

NAME = f"{CBV_ATTRIBUTE}name"
CITY = f"{CBV_ATTRIBUTE}city"
PLACES = [
    "https://id.gs1.org/414/9521234000006",
    "https://id.gs1.org/414/9521234000013",
    "https://id.gs1.org/414/9521234000006/254/gate1",
    "https://maker.example/yard",
]
HOLDER, MAKER, RIVAL = "holder.example", "maker.example", "rival.example"
ORGANISATIONS = [HOLDER, MAKER, RIVAL]
GLNS = {"9521234000006": HOLDER}
TIMES = [None, 10, 20, 30]

elements = st.builds(
    VocabularyElement,
    st.sampled_from([vocabulary_type("BusinessLocation"), vocabulary_type("ReadPoint")]),
    st.sampled_from(PLACES),
    st.dictionaries(st.sampled_from([NAME, CITY]), st.sampled_from(["Gate", "Yard", None]), max_size=2),
    st.lists(st.sampled_from(PLACES), max_size=2, unique=True).map(tuple),
    valid_from=st.sampled_from(TIMES),
    valid_until=st.sampled_from([None, None, 20, 30]),
    withdrawn=st.sampled_from([False, False, False, True]),
)

prefixes = st.builds(
    PrefixHeld,
    organisation=st.sampled_from(ORGANISATIONS),
    prefix=st.sampled_from(["9521", "9521234"]),
    since=st.sampled_from([0, 15, 25]),
    until=st.sampled_from([None, None, 30]),
)


def said(element: VocabularyElement, stated_by: str = MAKER, stated_at: int = 0, position: int = 1) -> Statement:
    return Statement(element, stated_by, stated_at, position, UUID(int=position), position)


statements = st.lists(st.tuples(elements, st.sampled_from(ORGANISATIONS), st.integers(0, 3)), max_size=8).map(
    lambda found: [said(*one, position=i) for i, one in enumerate(found, 1)]
)
