"""`traceability register …`: who is registered, licensed and whose partner, and who may do what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, counted, group, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, moment
from api.cli.opening import opened
from api.provenance import microseconds_of
from api.register import (
    LicenceOut,
    StatementOut,
    describe_organisation,
    describe_rules,
    judge,
    read_statement,
    state,
)
from traceability.ledger.event import utc_text

app = group("register")

Organisation = Annotated[str, typer.Argument(metavar="ORGANISATION", help="Its permanent name.")]
Since = Annotated[
    datetime | None,
    typer.Option("--since", parser=moment, metavar="TIME", help="From this time on, with offset.", show_default="now"),
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", parser=moment, metavar="TIME", help="Until before this time; --since withdraws."),
]
Hidden = Annotated[bool, typer.Option("--hidden", help="For the organisations alone that it is about.")]
Actions = Annotated[
    list[str] | None, typer.Option("--action", metavar="ACTION", help="A business step, such as shipping; repeatable.")
]


@app.command()
def organisation(
    name: Organisation,
    *,
    legal_name: Annotated[str, typer.Option("--legal-name", metavar="TEXT")],
    identifier: Annotated[
        list[str] | None,
        typer.Option("--identifier", metavar="SCHEME=VALUE", help="Such as uscc=91440101…; repeatable."),
    ] = None,
    office: Annotated[str | None, typer.Option("--office", help="The register office.")] = None,
    contact: Annotated[str | None, typer.Option("--contact", help="A person; kept where it can be erased.")] = None,
    since: Since = None,
    until: Until = None,
    hidden: Hidden = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Register a business under its legal name.

    Example: `traceability register organisation importer.example --legal-name "Pearl River Imports Ltd."
    --identifier uscc=91440101MA5XXXXXXX --office "Guangzhou Market Supervision"`
    """
    pairs = [text.partition("=") for text in identifier or ()]
    identifiers = [{"scheme": scheme, "value": value} for scheme, _, value in pairs]
    said = {
        "organisation": name,
        "legal_name": legal_name,
        "identifiers": identifiers,
        "office": office,
        "contact": contact,
    }
    _say("organisation_registered", said, since, until, hidden=hidden, as_=as_, ledger=ledger, json=json)


@app.command()
def licence(
    name: Organisation,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="A word, such as import.")],
    number: Annotated[str, typer.Argument(metavar="NUMBER")],
    *,
    issuer: Annotated[str | None, typer.Option("--issuer", metavar="TEXT", help="Who granted it.")] = None,
    action: Actions = None,
    evidence: Annotated[str | None, typer.Option("--evidence", metavar="SHA256", help="Of the document.")] = None,
    suspend: Annotated[str | None, typer.Option("--suspend", metavar="REASON")] = None,
    reinstate: Annotated[bool, typer.Option("--reinstate", help="End a suspension.")] = False,
    revoke: Annotated[str | None, typer.Option("--revoke", metavar="REASON")] = None,
    since: Since = None,
    until: Until = None,
    hidden: Hidden = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Grant a licence or approval, or suspend, reinstate or revoke it. It expires at `--until`.

    For example:

    - `traceability register licence importer.example import GZ-7 --issuer "Guangzhou Customs" --until
      2027-03-01T00:00:00+08:00`
    - `traceability register licence importer.example import GZ-7 --suspend "papers are missing"`
    - `traceability register licence importer.example import GZ-7 --reinstate`
    """
    if sum((issuer is not None, suspend is not None, reinstate, revoke is not None)) != 1:
        raise typer.BadParameter("give --issuer to grant, or one of --suspend, --reinstate and --revoke")
    said: dict[str, Any] = {"organisation": name, "kind": kind, "number": number}
    if issuer is not None:
        said |= {"issuer": issuer, "actions": action or [], "evidence": evidence}
        type_ = "licence_granted"
    else:
        said |= {} if reinstate else {"reason": suspend or revoke}
        type_ = "licence_reinstated" if reinstate else "licence_revoked" if revoke else "licence_suspended"
    _say(type_, said, since, until, hidden=hidden, as_=as_, ledger=ledger, json=json)


@app.command()
def prefix(
    name: Organisation,
    digits: Annotated[str, typer.Argument(metavar="PREFIX", help="A GS1 company prefix, 4 to 12 digits.")],
    *,
    since: Since = None,
    until: Until = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """State whose a GS1 company prefix is.

    Example: `traceability register prefix dairy.example 9521234`
    """
    said = {"organisation": name, "prefix": digits}
    _say("prefix_held", said, since, until, hidden=False, as_=as_, ledger=ledger, json=json)


@app.command()
def partner(
    name: Organisation,
    other: Annotated[str, typer.Argument(metavar="PARTNER", help="The permanent name of the other side.")],
    *,
    action: Actions = None,
    since: Since = None,
    until: Until = None,
    hidden: Hidden = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """State whom an organisation trades with; each says it of itself.

    Example: `traceability register partner importer.example store.example --as importer.example --hidden`
    """
    said = {"organisation": name, "partner": other, "actions": action or []}
    _say("partner_authorised", said, since, until, hidden=hidden, as_=as_, ledger=ledger, json=json)


@app.command()
def key(
    name: Organisation,
    public_key: Annotated[str, typer.Argument(metavar="KEY", help="The public key in base64.")],
    *,
    algorithm: Annotated[str, typer.Option("--algorithm", metavar="NAME")] = "Ed25519",
    since: Since = None,
    until: Until = None,
    hidden: Hidden = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """State that an organisation signs with the other half of a public key.

    Example: `traceability register key importer.example 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=`
    """
    said = {"organisation": name, "algorithm": algorithm, "public_key": public_key}
    _say("key_bound", said, since, until, hidden=hidden, as_=as_, ledger=ledger, json=json)


@app.command()
def role(
    name: Organisation,
    word: Annotated[str, typer.Argument(metavar="ROLE", help="A word; a `registrar` says what is in the register.")],
    *,
    since: Since = None,
    until: Until = None,
    hidden: Hidden = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Give an organisation a role.

    Example: `traceability register role office.example registrar`
    """
    said = {"organisation": name, "role": word}
    _say("role_given", said, since, until, hidden=hidden, as_=as_, ledger=ledger, json=json)


@app.command()
def rule(
    action: Annotated[str, typer.Argument(metavar="ACTION", help="A business step, such as shipping.")],
    *,
    licence: Annotated[
        list[str] | None, typer.Option("--licence", metavar="KIND", help="Needs one of this kind; may be repeated.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", metavar="ROLE", help="Needs this role; may be repeated.")
    ] = None,
    partner: Annotated[bool, typer.Option("--partner", help="Needs an authorised trading partner.")] = False,
    since: Since = None,
    until: Until = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Set what an action needs in this ledger. Without a rule anybody may do it.

    Example: `traceability register rule receiving --licence import`
    """
    said = {"action": action, "licences": licence or [], "roles": role or [], "partner": partner}
    _say("rule_set", said, since, until, hidden=False, as_=as_, ledger=ledger, json=json)


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="ORGANISATION", help="Without it: rules, registrars and prefixes.")
    ] = None,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show what the register says of an organisation, or what concerns everybody.

    For example:

    - `traceability register show`
    - `traceability register show importer.example --as-of 2026-06-01T00:00:00+08:00`
    """
    at = None if as_of is None else microseconds_of(as_of)
    with opened(ledger, as_) as engine:
        if name is None:
            found = describe_rules(engine, as_of=at, known_at=known_at)
            rows = [_row(one) for one in (*found.rules, *found.registrars, *found.prefixes)]
            document = found.model_dump(mode="json")
        else:
            reader = engine.organisations.reader(engine.settings.organisation)
            shown = describe_organisation(engine, reader, name, as_of=at, known_at=known_at)
            rows = [] if shown.registration is None else [_row(shown.registration)]
            rows += [_licence_row(one) for one in shown.licences]
            rows += [_row(one) for one in (*shown.prefixes, *shown.partners, *shown.keys, *shown.roles)]
            document = shown.model_dump(mode="json")
            if claims := sum(one.claim is not None for one in shown.statements):
                note(f"Besides, {counted(claims, 'mere claim')}: --json shows what.")
    if json:
        print_json(document)
    else:
        print_table(("what", "says", "since", "until"), rows)


@app.command()
def check(
    name: Organisation,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="A business step, such as receiving.")],
    *,
    at: Annotated[
        datetime | None,
        typer.Option("--at", parser=moment, metavar="TIME", help="At this time, with offset.", show_default="now"),
    ] = None,
    partner: Annotated[str | None, typer.Option("--partner", metavar="ORGANISATION", help="The other side.")] = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Tell whether an organisation may do something, and by which statements. Exit 1 when it may not.

    Example: `traceability register check importer.example receiving --at 2026-06-01T00:00:00+08:00`
    """
    time = None if at is None else microseconds_of(at)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        verdict = judge(engine, reader, name, action, at=time, partner=partner, known_at=known_at)
    if json:
        print_json(verdict.model_dump(mode="json"))
    else:
        typer.echo(
            "authorised" if verdict.authorised else f"not authorised: {verdict.refusal and verdict.refusal.code}"
        )
        print_table(("what", "says", "since", "until"), [_row(one) for one in verdict.rests_on])
    if verdict.refusal is not None:
        note(f"{verdict.refusal.sentence} {verdict.refusal.remedy}")
        raise typer.Exit(EXIT_FALSE)


def _say(
    type_: str,
    said: dict[str, Any],
    since: datetime | None,
    until: datetime | None,
    *,
    hidden: bool,
    as_: str | None,
    ledger: str | None,
    json: bool,
) -> None:
    members = {name: value for name, value in said.items() if value is not None}
    members |= {} if since is None else {"since": microseconds_of(since)}
    members |= {} if until is None else {"until": microseconds_of(until)}
    with opened(ledger, as_) as engine:
        statement = read_statement(type_, members, engine.clock.now_us())
        done = state(engine, engine.settings.organisation, statement, hidden=hidden)
    if json:
        print_json({"recorded": done.new, "claim": done.claim, "position": done.position, "event_id": done.event_id})
    else:
        typer.echo(done.event_id)
    became = "Recorded" if done.new else "Said before,"
    note(f"{became} at position {done.position}, from {utc_text(statement.since)} on.")
    if done.claim:
        note("It is a claim: nothing rests on it until a registrar says the same.")


def _row(stated: StatementOut) -> tuple[str, str, str, str]:
    said = dict(stated.said)
    since, until = said.pop("since"), said.pop("until", "")
    words = (f"{name}={value}" for name, value in said.items() if value not in ([], False))
    return stated.type, " ".join(words), since, until


def _licence_row(licence: LicenceOut) -> tuple[str, str, str, str]:
    words = f"{licence.kind} {licence.number} of {licence.issuer}: {licence.status}"
    return "licence", words, licence.since, licence.until or ""
