"""`traceability command`: a command each, with an option for each member of its body, all made from the table."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from api.cli.context import JSON, As, LedgerName, group, note, print_json
from api.cli.opening import opened
from api.commands import perform
from api.validation import sentence
from traceability.errors import InvalidInputError, NotFoundError
from traceability.supply_chain.commands.body import Command, decoded
from traceability.supply_chain.commands.table import COMMANDS

app = group("command")

_STDIN: Final = Path("-")
_EXAMPLES: Final = {
    "commission": "--gtin 9521234000013 --serials 1001 --serials 1002 --lot A7 --expiry 2027-03-01",
    "observe": "--things '(01)09521234000013(21)1001' --biz-step inspecting --disposition conformant",
    "pack": "--parent '(00)095212340000000013' --children '(01)09521234000013(21)1001'",
    "unpack": "--parent '(00)095212340000000013'",
    "transform": (
        """--input-quantities '{"id": "https://id.gs1.org/01/09521234000013/10/A7", "quantity": 10, "uom": "KGM"}'"""
        " --outputs '(01)09521234000020(21)1'"
    ),
    "ship": "--things '(00)095212340000000013' --to https://id.gs1.org/417/9521234000013",
    "receive": "--things '(00)095212340000000013' --read-point '(414)9521234000006'",
    "reject": "--things '(00)095212340000000013'",
    "propose_transfer": "--things '(00)095212340000000013' --role ownership --to store.example",
    "accept_transfer": "--things '(00)095212340000000013' --proposal P1 --as store.example",
    "decline_transfer": "--things '(00)095212340000000013' --proposal P1 --as store.example",
    "cancel_transfer": "--things '(00)095212340000000013' --proposal P1",
    "place_hold": "--things '(00)095212340000000013' --reason 'seal broken' --hold H1",
    "release_hold": "--things '(00)095212340000000013' --hold H1",
    "customs_entry": "--things '(00)095212340000000013' --declaration 26DE0001",
    "customs_release": "--things '(00)095212340000000013' --declaration 26DE0001 --release 26DE0001/R",
    "release_part": (
        "--things '(01)09521301007013(21)KF-20417' --form 'EASA Form 1' --tracking-number ARC-2023-0417 --status new"
        " --approval UK.21G.0001 --document $(sha256sum form1.pdf | cut -c-64)"
    ),
    "set_part_limit": "--things '(01)09521301007013(21)KF-20417' --limit LLP --cycles 20000 --source 'CMM 73-11-01'",
    "install_part": "--part '(01)09521301007013(21)KF-20417' --on '(8004)9521302ENG-61044' --position left",
    "remove_part": "--part '(01)09521301007013(21)KF-20417' --on '(8004)9521302ENG-61044' --reason 'fuel leak'",
    "state_utilisation": (
        "--things '(8004)9521302AC-117' --since 2026-03-01T00:00:00Z --until 2026-03-08T00:00:00Z"
        " --cycles 14 --minutes 2310"
    ),
    "scrap_part": "--things '(01)09521301007013(21)KF-20417'",
    "deactivate_pack": "--things '(01)09521201003016(21)AB7K0003' --status supplied",
    "reactivate_pack": "--things '(01)09521201003016(21)AB7K0003' --status supplied",
    "recall_batch": "--lots '(01)09521201003016(10)VX4417' --reason 'particles found'",
    "withdraw_product": "--products '(01)09521201003016' --reason 'unexpected side effects'",
    "decommission": "--things '(01)09521234000013(21)1001'",
    "destroy": "--things '(01)09521234000013(21)1001'",
    "correct": "--event urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001 --reason did_not_occur",
}

_Body = Annotated[
    Path | None,
    typer.Option("--body", metavar="FILE", help="Take what no option says from this JSON object; - is standard input."),
]


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is list


def _holds_objects(field: FieldInfo) -> bool:
    inside = get_args(field.annotation)
    return bool(inside) and hasattr(inside[0], "model_fields")


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    is_flag = field.annotation is bool
    kind = bool if is_flag else list[str] if _is_list(field) else str
    hint = " One JSON object each." if _holds_objects(field) else " May be repeated." if _is_list(field) else ""
    metavar = None if is_flag else "JSON" if _holds_objects(field) else "TEXT"
    option = typer.Option(
        f"--{name.strip('_').replace('_', '-')}", metavar=metavar, help=(field.description or "") + hint
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _run(command: type[Command]) -> Callable[..., None]:
    def run(*, body: Path | None, json: bool, as_: str | None, ledger: str | None, **options: Any) -> None:  # noqa: ANN401
        said = _read(body) if body is not None else {}
        for name, value in options.items():
            if value:
                field = command.model_fields[name]
                said[field.alias or name] = [_object(name, text) for text in value] if _holds_objects(field) else value
        try:
            asked = command.model_validate(said)
        except ValidationError as error:
            raise _malformed(error) from error
        with opened(ledger, as_) as engine:
            done = perform(engine, engine.settings.organisation, asked)
        if json:
            print_json(
                {
                    "command": command.name,
                    "position": done.position,
                    "event_id": done.record_id,
                    "eventID": done.event_id,
                    "name": done.name,
                }
            )
            return
        typer.echo(done.position)
        named = done.event_id or done.name or done.record_id
        note(f"Recorded as {named}. Its receipt: traceability log prove {done.position}")

    own = [_option(name, field) for name, field in command.model_fields.items()]
    shared = {"body": _Body, "json": JSON, "as_": As, "ledger": LedgerName}
    common = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if name == "json" else None, annotation=annotation
        )
        for name, annotation in shared.items()
    ]
    # Typer reads a function's signature, and a command's options are the members of its body.
    run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *common)}
    example = f"traceability command {command.name} {_EXAMPLES[command.name]}"
    run.__doc__ = f"{command.__doc__}\n\nFor example:\n\n    {example}"
    return run


def _read(file: Path) -> dict[str, Any]:
    try:
        said = decoded(sys.stdin.buffer.read() if file == _STDIN else file.read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {file}", code="command.file") from error
    except ValueError as error:
        raise InvalidInputError(f"{file} is not JSON: {error}", code="command.malformed") from error
    if not isinstance(said, dict):
        raise InvalidInputError("The body of a command is a JSON object", code="command.malformed")
    return said


def _object(name: str, text: str) -> object:
    try:
        return decoded(text.encode(errors="surrogateescape"))
    except ValueError as error:
        raise InvalidInputError(f"--{name.replace('_', '-')} takes a JSON object", code="command.malformed") from error


def _malformed(error: ValidationError) -> InvalidInputError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = "/".join(map(str, first["loc"]))
    return InvalidInputError(
        f"{place}: {sentence(first)}" if place else sentence(first),
        code="command.malformed",
        hint="--help shows what the command takes.",
    )


for _command in COMMANDS.values():
    app.command(_command.name)(_run(_command))
