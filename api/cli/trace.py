"""`traceability trace`."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from api.bundles import trace_bundle
from api.cli.context import EXIT_OK, JSON, As, LedgerName, note, print_json
from api.cli.item import AsOf, Bundle, KnownAt, moment, named, save_bundle
from api.cli.opening import opened
from api.trace_exports import MEDIA_TYPES, GraphFormat
from api.trace_models import MAX_NODES, EdgeOut, Include, NodeOut, TraceIn, TraceOut
from api.traces import describe_trace, trace_graph, trace_lines
from traceability.supply_chain.provenance import PROPAGATING, Direction, EdgeKind, Reach, Stop
from traceability.supply_chain.shares import ChainOfCustody

_HEADINGS = {Direction.BACK: "where it came from", Direction.FORWARD: "what became of it"}
_STOPS = {
    Stop.CLASS_LEVEL: "only the class was recorded",
    Stop.DEPTH: "more behind --max-depth",
    Stop.LIMIT: "more behind --max-nodes",
}
_WIDE = 10_000  # columns of a pipe: a program reads lines, so none is broken


def trace(
    identifiers: Annotated[list[str], typer.Argument(metavar="ID", help="Digital Links, URNs, (01)… or numbers.")],
    *,
    direction: Annotated[Direction, typer.Option(help="To origins, to consequences, or both.")] = Direction.BOTH,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    max_depth: Annotated[int, typer.Option(min=0, max=MAX_NODES, help="Steps from thing to thing.")] = 100,
    max_nodes: Annotated[int, typer.Option(min=1, max=MAX_NODES, help="Things and transformations.")] = 10_000,
    edge_kinds: Annotated[
        list[EdgeKind] | None,
        typer.Option("--edge-kind", help="What to follow.", show_default="all but association, which is only shown"),
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="With --json or --ndjson: each event, not only its name.")
    ] = False,
    names: Annotated[bool, typer.Option("--names", help="With --json or --ndjson: what you call the things.")] = False,
    custody: Annotated[
        bool, typer.Option("--custody", help="With --json or --ndjson: who had the first 1,000 things.")
    ] = False,
    shares: Annotated[
        bool,
        typer.Option(
            "--shares", help="With --json or --ndjson: how much of the roots may be in what was made of them."
        ),
    ] = False,
    whereabouts: Annotated[
        bool, typer.Option("--whereabouts", help="With --json or --ndjson: where each affected thing was last seen.")
    ] = False,
    tolerance: Annotated[
        str,
        typer.Option(metavar="PART", help="The part of what goes into a transformation that may be lost or gained."),
    ] = "0",
    chain_of_custody: Annotated[
        ChainOfCustody | None, typer.Option(help="With --json or --ndjson: where this model of ISO 22095 is broken.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="PLACE", help="Show only the roots and what was seen there."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="Show only what was seen from then on.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="TIME", help="Show only what was seen up to then.")
    ] = None,
    form: Annotated[
        GraphFormat | None, typer.Option("--format", help="Print the graph for another tool.", show_default=False)
    ] = None,
    bundle: Bundle = None,
    json: JSON = False,
    ndjson: Annotated[bool, typer.Option("--ndjson", help="Print lines of JSON while the trace is found.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show where things came from and what became of them.

    Transformations, containment in time and lots are followed, over the events that the organisation of `--as` may see.
    `--bundle` writes the answer with a proof of all its events, as known at the last published position.

    For example:

    - `traceability trace https://id.gs1.org/01/09521103001011/21/0003 --direction back`
    - `traceability trace '(01)09521103001011(10)L1' --direction forward --json`
    - `traceability trace '(01)09521103001011(10)L1' --ndjson --max-nodes 200000`
    - `traceability trace '(01)09521103001011(10)L1' --direction back --bundle origins.zip`
    - `traceability trace '(01)09521103001011(10)L1' --format mermaid`
    """
    question = TraceIn(
        roots=identifiers,
        direction=direction,
        as_of=as_of,
        known_at=known_at,
        max_depth=max_depth,
        max_nodes=max_nodes,
        edge_kinds=frozenset(edge_kinds or PROPAGATING),
        include=frozenset(
            one
            for one, wanted in (
                (Include.EVENTS, events),
                (Include.NAMES, names),
                (Include.CUSTODY, custody),
                (Include.SHARES, shares),
                (Include.WHEREABOUTS, whereabouts),
            )
            if wanted
        ),
        tolerance=_part(tolerance),
        chain_of_custody=chain_of_custody,
        at=at or [],
        since=since,
        until=until,
    )
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        if bundle is not None:
            save_bundle(engine, trace_bundle(engine, reader, question), bundle)
            raise typer.Exit(EXIT_OK)
        if form is not None:
            typer.echo(trace_graph(engine, reader, question, MEDIA_TYPES[form]), nl=False)
            raise typer.Exit(EXIT_OK)
        if ndjson:
            for lines in trace_lines(engine, reader, question):
                typer.echo(lines, nl=False)
            raise typer.Exit(EXIT_OK)
        if json:
            print_json(describe_trace(engine, reader, question).model_dump(mode="json"))
            raise typer.Exit(EXIT_OK)
        walked = _HEADINGS if direction is Direction.BOTH else {direction: _HEADINGS[direction]}
        for way, heading in walked.items():
            _print(describe_trace(engine, reader, question.model_copy(update={"direction": way})), heading)


def _part(text: str) -> Decimal:
    try:
        part = Decimal(text)
    except InvalidOperation:
        part = Decimal(-1)
    if not part.is_finite() or not 0 <= part <= 1:
        raise typer.BadParameter("A tolerance is a number from 0 to 1.", param_hint="--tolerance")
    return part


def _print(found: TraceOut, heading: str) -> None:
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(highlight=False, width=_WIDE, color_system=None)
    for root in found.roots:
        out.print(_tree(found, root, heading))
    if not found.complete:
        note("A limit cut this trace short.")


def _tree(found: TraceOut, root: str, heading: str) -> Tree:
    """Lay the graph out from a root, each node once, where the shortest way leads to it."""
    ties: dict[str, list[tuple[str, EdgeOut]]] = defaultdict(list)
    for edge in found.edges:
        ties[edge.source].append((edge.target, edge))
        ties[edge.target].append((edge.source, edge))
    stops = {frontier.id: _STOPS[frontier.reason] for frontier in found.frontier if frontier.reason in _STOPS}
    tree = Tree(Text(f"{named(root)}: {heading}", style="bold"))
    branches = {root: tree}
    todo = deque([root])
    while todo:
        here = todo.popleft()
        for there, edge in ties[here]:
            if there not in branches:
                branches[there] = branches[here].add(_text(there, found.nodes[there], edge, stops))
                todo.append(there)
    return tree


def _text(name: str, node: NodeOut, edge: EdgeOut, stops: dict[str, str]) -> Text:
    text = Text()
    if node.reach is None:
        text.append("transformation", style="magenta")
        text.append(f" {_time(edge.since)}")
        return text
    text.append(named(name), style="bold" if node.reach is Reach.TRACED else "")
    text.append(f"  {', '.join(_remarks(node, edge, stops.get(name)))}", style="dim")
    return text


def _remarks(node: NodeOut, edge: EdgeOut, stop: str | None) -> Iterable[str]:
    match edge.kind:
        case EdgeKind.CONTAINMENT:
            yield f"together {_time(edge.since)} to {_time(edge.until) or 'now'}"
        case EdgeKind.ASSOCIATION:
            yield f"attached {_time(edge.since)} to {_time(edge.until) or 'now'}"
        case EdgeKind.LOT:
            yield "of one lot"
        case EdgeKind.TRANSFORMATION:
            yield _time(edge.since)
    if node.reach is Reach.CARRIER:
        yield "as container"
    if stop is not None:
        yield stop


def _time(time: str | None) -> str:
    return "" if time is None else time[:16].replace("T", " ")
