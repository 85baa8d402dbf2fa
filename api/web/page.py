"""What an item's page shows, in the words in which it shows it: the templates only lay it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Named:
    """A thing, place, party or document by the name that people know; `href` leads to its page, if it has one.

    `number` is what it is called by machines, where the name does not tell it.
    """

    value: str
    href: str | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """A labelled value."""

    label: str
    value: str
    href: str | None = None


class Tone(StrEnum):
    """How the head of the page looks: as usual, or as a warning."""

    PLAIN = "plain"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class State:
    """The state in a sentence, the place that goes with it, and since when (UTC, in words)."""

    sentence: str
    where: str | None
    since: str | None
    tone: Tone


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history; `iso`, `utc` and `local` are one time, `local` as the clock showed there.

    `retracted` says who took the event back, when and why, `claim` why the event is a mere claim; `leaf_index` is None
    while no signed tree holds the event.
    """

    anchor: str
    iso: str
    utc: str
    local: str | None
    headline: str
    place: Named | None
    details: tuple[Detail, ...]
    recorded_by: str
    receipt: str
    verify: str
    leaf_index: int | None
    retracted: str | None = None
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """A reading in the table; `note` is a word when it is an excursion."""

    utc: str
    local: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Temperature:
    """The drawing, what it says in a sentence, and all of it as a table."""

    svg: Markup
    summary: str
    unit: str
    band: str | None
    excursions: int
    rows: tuple[ReadingRow, ...]


@dataclass(frozen=True, slots=True)
class OriginRow:
    """An edge of the graph in the table."""

    source: Named
    how: str
    target: Named
    when: str


@dataclass(frozen=True, slots=True)
class LegendLine:
    """What a stroke of the drawing means; `kind` is its style."""

    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The graph of where a thing came from, or what became of it."""

    heading: str
    summary: str
    svg: Markup
    legend: tuple[LegendLine, ...]
    rows: tuple[OriginRow, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """What is inside, or belongs to a lot; `more` counts what is not listed."""

    heading: str
    items: tuple[Named, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A monitoring session in a list: its title, state and verdict in words, the device, and who opened it when."""

    href: str
    title: str
    bad: bool
    state: str
    verdict: str | None
    device: str
    opened: str
    who: str


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions that watch or watched a thing, the last opened first; `more` leads to all of them."""

    lines: tuple[Session, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Irregularity:
    """What recorded events get wrong about a thing, in a sentence; `known` when somebody said so."""

    severity: str
    code: str
    told: str
    known: bool


@dataclass(frozen=True, slots=True)
class Irregular:
    """What stands of that, what the newest events break first; `href` leads to all of it.

    `behind` is told while the newest events are not judged yet.
    """

    lines: tuple[Irregularity, ...]
    href: str
    behind: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the latest event of the history is in the log, and what a reader needs to check it elsewhere."""

    leaf_index: int | None
    size: int
    origin: str
    vkey: str
    checkpoint: str
    receipt: str
    verify: str
    file: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Everything on the page of one thing."""

    uri: str
    path: str
    json_path: str
    kind: str
    title: str
    elements: tuple[Detail, ...]
    state: State
    warnings: tuple[str, ...]
    facts: tuple[Detail, ...]
    history: tuple[Entry, ...]
    more_history: str | None
    temperature: Temperature | None
    origin: Origin | None
    contents: Contents | None
    sessions: Sessions | None
    irregular: Irregular | None
    exports: tuple[Detail, ...]
    proof: Proof | None
