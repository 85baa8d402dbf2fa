"""`traceability register …`, run as people run it."""

from __future__ import annotations

from tests.api.test_cli import Run, dairy, run

__all__ = ["dairy", "run"]  # fixtures

KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
FROM = ("--since", "2026-03-01T00:00:00+08:00")


def test_an_organisation_is_registered_shown_and_checked(dairy: Run) -> None:
    for name in ("local", "importer.example"):
        assert dairy("organisation", "add", name).code == 0
    operator = ("--as", "local")
    office = ("--as", "dairy.example")
    assert dairy("register", "role", "dairy.example", "registrar", *operator).code == 0
    assert dairy("register", "rule", "receiving", "--licence", "import", "--partner", *FROM, *operator).code == 0
    named = ("--legal-name", "Pearl River Imports Ltd.", "--identifier", "uscc=91440101MA5CTRUE0X")
    assert dairy("register", "organisation", "importer.example", *named, *FROM, *office).code == 0
    licence = ("register", "licence", "importer.example", "import", "GZ-7")
    granted = (*licence, "--issuer", "Customs", *FROM, "--until", "2026-09-01T00:00:00+08:00", *office)
    first = dairy(*granted, "--json").json
    assert dairy(*granted, "--json").json == {**first, "recorded": False}
    assert dairy("register", "key", "importer.example", KEY, *office).code == 0
    assert dairy("register", "prefix", "importer.example", "9521234", *office).code == 0
    partner = ("register", "partner", "importer.example", "dairy.example", *FROM, "--as", "importer.example")
    assert dairy(*partner, "--hidden").code == 0

    shown = dairy("register", "show", "importer.example", "--as-of", "2026-06-01T00:00:00Z").out
    assert "import GZ-7 of Customs: in_force" in shown
    assert "uscc" in shown
    rules = dairy("register", "show")
    assert [line.split("\t")[0] for line in rules.out.splitlines()] == ["rule_set", "role_given", "prefix_held"]

    check = ("register", "check", "importer.example", "receiving", "--partner", "dairy.example", "--at")
    may = dairy(*check, "2026-06-01T00:00:00+08:00")
    assert (may.code, may.out.splitlines()[0]) == (0, "authorised")
    late = dairy(*check, "2026-09-01T00:00:00+08:00", "--json")
    assert (late.code, late.json["refusal"]["code"]) == (1, "licence_expired")
    suspended = (*licence, "--suspend", "papers are missing", "--since", "2026-04-01T00:00:00+08:00", *office)
    assert dairy(*suspended).code == 0
    assert "not authorised: licence_suspended" in dairy(*check, "2026-06-01T00:00:00+08:00").out
    assert dairy(*licence, "--reinstate", "--since", "2026-05-01T00:00:00+08:00", *office).code == 0
    assert dairy(*check, "2026-06-01T00:00:00+08:00").code == 0


def test_what_one_says_of_oneself_is_told_to_be_a_claim(dairy: Run) -> None:
    claimed = dairy("register", "licence", "dairy.example", "import", "7", "--issuer", "Customs")
    assert claimed.code == 0
    assert "It is a claim" in claimed.err
    assert "1 mere claim" in dairy("register", "show", "dairy.example").err
    assert dairy("register", "rule", "ship", "--json").json["error"]["code"] == "register.not_operator"


def test_mistakes_are_told(dairy: Run) -> None:
    assert dairy("register", "show", "nobody.example").code == 4
    assert dairy("register", "licence", "dairy.example", "import", "7").code == 2
    assert dairy("register", "licence", "dairy.example", "import", "7", "--reinstate", "--revoke", "x").code == 2
    wrong = dairy("register", "prefix", "dairy.example", "95", "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "register.malformed")
