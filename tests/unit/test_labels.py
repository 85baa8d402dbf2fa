"""What a walk keeps of the labels it comes upon, against taking them one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from traceability.supply_chain.labels import REACHES, TRACED, Kept, Labels
from traceability.supply_chain.tables import ints
from traceability.supply_chain.windows import BEGIN, END

Label = tuple[int, int, int, int]

LABEL = st.tuples(
    st.integers(0, 2),
    st.integers(0, len(REACHES) - 1),
    st.sampled_from([BEGIN, -1, 0, 1, 2]),
    st.sampled_from([2, 3, 4, END - 1, END]),
)
LEVELS = st.lists(st.lists(LABEL, max_size=8), max_size=4)


def covers(one: Label, other: Label) -> bool:
    return one[0] == other[0] and one[1] in (TRACED, other[1]) and one[2] <= other[2] and other[3] <= one[3]


def columns(labels: list[Label]) -> Labels:
    return Labels(*(ints(label[n] for label in labels) for n in range(4)))


def rows(labels: Labels) -> list[Label]:
    return list(zip(*(column.tolist() for column in labels), strict=True))


def maximal(labels: set[Label]) -> set[Label]:
    return {one for one in labels if not any(other != one and covers(other, one) for other in labels)}


@settings(max_examples=400)
@given(LEVELS)
def test_what_is_kept_is_what_no_other_label_covers(levels: list[list[Label]]) -> None:
    kept, accepted, reference = Kept(), list[Label](), list[Label]()
    for level in levels:
        before = set(accepted)
        new = rows(kept.accept(columns(level)))
        assert set(new) <= set(level)
        assert len(set(new)) == len(new)
        # None is implied by what was kept before, or by another of its level.
        assert not any(covers(one, other) for one in before for other in new)
        assert maximal(set(new)) == set(new)
        accepted += new
        for label in level:
            if not any(covers(one, label) for one in reference):
                reference.append(label)
    assert maximal(set(accepted)) == maximal(set(reference))
