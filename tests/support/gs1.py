"""Values of any Application Identifier, made from its format."""

from __future__ import annotations

import re
from functools import cache

from hypothesis import strategies as st

from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS
from traceability.gs1.check_digits import check_digit, check_pair
from traceability.gs1.code_lists import COUNTRIES, COUNTRIES_ALPHA_2, CURRENCIES, MEDIA_TYPES, PACKAGE_TYPES

DIGITS = "0123456789"
CSET82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
CSET39 = "#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CSET64 = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
CHARACTERS = {"N": DIGITS, "X": CSET82, "Y": CSET39, "Z": CSET64}
PLAIN = CSET82.replace("%", "")

_COMPONENT = re.compile(r"(\[?)([NXYZ])(\.\.)?([0-9]+)((?::[a-z0-9]+)*)\]?")
_dates = st.dates().map(lambda day: day.strftime("%y%m%d"))
_SPECIAL: dict[str, st.SearchStrategy[str]] = {
    "yymmdd": _dates,
    "yymmd0": st.one_of(_dates, _dates.map(lambda text: text[:4] + "00")),
    "yyyymmdd": st.dates().map(lambda day: f"{day.year:04}{day:%m%d}"),
    "hhmi": st.times().map(lambda time: f"{time:%H%M}"),
    "hh": st.integers(0, 23).map("{:02}".format),
    "mi": st.integers(0, 59).map("{:02}".format),
    "ss": st.integers(0, 59).map("{:02}".format),
    "iso3166": st.sampled_from(sorted(COUNTRIES)),
    "iso3166999": st.sampled_from([*sorted(COUNTRIES), "999"]),
    "iso3166alpha2": st.sampled_from(sorted(COUNTRIES_ALPHA_2)),
    "iso4217": st.sampled_from(sorted(CURRENCIES)),
    "mediatype": st.sampled_from(sorted(MEDIA_TYPES)),
    "packagetype": st.sampled_from(sorted(PACKAGE_TYPES)),
    "pieceoftotal": st.sampled_from(["0101", "0102", "0999"]),
    "posinseqslash": st.sampled_from(["1/1", "2/3", "8/9"]),
    "yesno": st.sampled_from("01"),
    "winding": st.sampled_from("019"),
    "iso5218": st.sampled_from("0129"),
    "hyphen": st.just("-"),
    "zero": st.just("0"),
    "latitude": st.integers(0, 180 * 10**7).map("{:010}".format),
    "longitude": st.integers(0, 360 * 10**7).map("{:010}".format),
    "iban": st.sampled_from(["FR7630006000011234567890189", "BE71096123456769"]),
    "importeridx": st.sampled_from(CSET64),
    "couponcode": st.sampled_from(["10614141011111275110111", "0123456123456111101233200229"]),
    "couponposoffer": st.sampled_from(["101234561234560123456", "0012345612345611234567"]),
}


def _digits(count: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=count, max_size=count)


def _special(kind: str, least: int, most: int) -> dict[str, st.SearchStrategy[str]]:
    numbers = st.integers(1, 10**most - 1).map(lambda number: str(number).zfill(least))
    made = {
        "nonzero": numbers,
        "nozeroprefix": numbers,
        "pcenc": st.text(PLAIN, min_size=1, max_size=most),
        "csum": _digits(most - 1).map(lambda body: body + check_digit(body)),
    }
    if most > 6:
        rest = st.text(CHARACTERS[kind], min_size=1, max_size=most - 6)
        made["gcppos1"] = st.tuples(_digits(6), rest).map("".join)
        pairs = st.tuples(_digits(4), st.text(PLAIN, max_size=most - 7)).map("A".join)
        made["csumalpha"] = pairs.map(lambda body: body + check_pair(body))
    return _SPECIAL | made


def _component(kind: str, least: int, most: int, linters: list[str]) -> st.SearchStrategy[str]:
    special = _special(kind, least, most)
    # The first linter of a component is the hardest to please.
    for linter in linters:
        if linter in special:
            return special[linter]
    return st.text(CHARACTERS[kind], min_size=least, max_size=most)


@cache
def values(code: str) -> st.SearchStrategy[str]:
    """Right values of one Application Identifier."""
    required: list[st.SearchStrategy[str]] = []
    optional: list[st.SearchStrategy[str]] = []
    for part in APPLICATION_IDENTIFIERS[code].format.split(" "):
        found = _COMPONENT.fullmatch(part)
        assert found is not None
        bracket, kind, upto, length, names = found.groups()
        strategy = _component(kind, 1 if upto else int(length), int(length), names.split(":")[1:])
        (optional if bracket else required).append(strategy)
    whole = st.tuples(*required).map("".join)
    for count in range(len(optional)):
        whole |= st.tuples(*required, *optional[: count + 1]).map("".join)
    return whole


@st.composite
def elements(draw: st.DrawFn, codes: list[str] | None = None) -> dict[str, str]:
    """Some elements of any kind, none twice, in any order."""
    chosen = codes or draw(
        st.lists(st.sampled_from(sorted(APPLICATION_IDENTIFIERS)), min_size=1, max_size=8, unique=True)
    )
    return {code: draw(values(code)) for code in chosen}
