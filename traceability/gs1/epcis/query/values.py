"""The values of one parameter of a query, and what they are read as."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.context import Names, standard_names
from traceability.gs1.epcis.fields import is_uri
from traceability.gs1.epcis.prefixes import declarations
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.query.field_conditions import Asked
from traceability.gs1.epcis.query.field_values import number_of
from traceability.gs1.epcis.strict_json import Number
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.vocabulary import Vocabulary
from traceability.gs1.identifiers import IdentifierError, parse_identifier, read_identifier
from traceability.gs1.patterns import Pattern, parse_pattern
from traceability.ledger.event import microseconds

_COUNT: Final = re.compile(r"[1-9]\d{0,8}", re.ASCII).fullmatch
# The standard writes a field's name as namespace, # and local name, whatever the namespace ends in.
_POUND: Final = "#"


class QueryParameterError(InvalidInputError):
    """The parameters make no query, which EPCIS 2.0 calls QueryParameterException (§8.2.3).

    `path` is the JSONPath of the member at fault where the query is JSON.
    """

    code = "query.value"
    path = ""


@dataclass(frozen=True, slots=True)
class Given:
    """A parameter as it was given; `names` explains prefixes, `title` is how sentences call it.

    Values are texts; where the query is `typed`, which is to say JSON, its numbers are `Number` and the others texts.
    """

    title: str
    values: Sequence[str]
    names: Names
    typed: bool = False

    def only(self) -> str:
        """Return the one value."""
        if len(self.values) != 1:
            raise QueryParameterError(f"{self.title} is given once, with one value.", code="query.repeated")
        return self.values[0]

    def one_of(self, choices: Sequence[str]) -> frozenset[str]:
        """Return the values, each of which is a choice."""
        self._require_values()
        if not set(self.values) <= set(choices):
            raise QueryParameterError(f"{self.title} is one of {', '.join(choices)}.")
        return frozenset(self.values)

    def flag(self) -> bool:
        """Tell whether something has to exist: `true`, or the parameter alone, as the standard's type Void has it."""
        text = self.only()
        if text not in ("true", "false", "1", ""):
            raise QueryParameterError(f"{self.title} is true, or false, which asks for nothing.")
        return text != "false"

    def count(self) -> int:
        """Return the value, a whole number from 1."""
        return count_of(self.title, self.only())

    def time(self) -> int:
        """Return the value, a time with an offset, in microseconds UTC."""
        time = utc(self.only())
        if time is None:
            raise QueryParameterError(
                f"{self.title} is a date, a time and an offset from UTC.",
                hint="In a URL the + of an offset is written %2B: 2026-03-01T09:15:00%2B01:00.",
            )
        return microseconds(time)

    def numbers(self) -> frozenset[Fraction]:
        """Return the values, which are numbers."""
        self._require_values()
        found = [number for value in self.values if (number := number_of(value)) is not None]
        if len(found) < len(self.values):
            raise QueryParameterError(f"{self.title} is a number.")
        return frozenset(found)

    def word(self, vocabulary: Vocabulary, text: str) -> str:
        """Return a word of a vocabulary in its one spelling."""
        findings = Findings(None, "")
        word = vocabulary.word(text, self.names, "", findings)
        if word is None or findings.failed:
            raise QueryParameterError(
                f"{self.title} names a {vocabulary.name} of GS1's vocabulary, or a full URI.",
                hint="The words are bare, such as shipping, in_transit, po, owning_party, Temperature.",
            )
        return word

    def words(self, vocabulary: Vocabulary) -> frozenset[str]:
        """Return the values as words of a vocabulary."""
        self._require_values()
        return frozenset(self.word(vocabulary, value) for value in self.values)

    def subjects(self) -> frozenset[str]:
        """Return the subjects of the values, which are identifiers."""
        self._require_values()
        try:
            return frozenset(parse_identifier(value).subject for value in self.values)
        except IdentifierError as error:
            raise self._no_identifier(error) from error

    def references(self) -> frozenset[str]:
        """Return the values, which are URIs of business transactions."""
        self._require_values()
        try:
            return frozenset(read_identifier(value)[0].uri for value in self.values)
        except IdentifierError as error:
            raise self._no_identifier(error) from error

    def patterns(self) -> tuple[Pattern, ...]:
        """Return the values as identifiers and patterns of them."""
        self._require_values()
        try:
            return tuple(map(parse_pattern, dict.fromkeys(self.values)))
        except IdentifierError as error:
            raise self._no_identifier(error) from error

    def uris(self) -> frozenset[str]:
        """Return the values, which are absolute URIs."""
        self._require_values()
        if not all(map(is_uri, self.values)):
            raise QueryParameterError(f"{self.title} is a full URI.")
        return frozenset(self.values)

    def texts(self) -> frozenset[str]:
        """Return the values as they are."""
        self._require_values()
        return frozenset(self.values)

    def asked(self, *, ordered: bool) -> frozenset[Asked]:
        """Return the values to compare an extension with.

        In an address nothing tells a number from digits, so a value that can be a number is one, and a text too.
        """
        self._require_values()
        found = frozenset(
            Asked.of(
                value,
                numeric=not self.typed or isinstance(value, Number),
                textual=not (self.typed and isinstance(value, Number)),
            )
            for value in self.values
        )
        if ordered and not all(value.has_order for value in found):
            raise QueryParameterError(f"{self.title} is a number, a date, or a time with an offset.")
        return found

    def _require_values(self) -> None:
        if not self.values:
            raise QueryParameterError(f"{self.title} has no value.")

    def _no_identifier(self, error: IdentifierError) -> QueryParameterError:
        return QueryParameterError(
            f"A value of {self.title} is no identifier ({error.code}).",
            hint="Give GS1 Digital Links, EPC URNs or other full URIs.",
        )


def count_of(name: str, text: str) -> int:
    """Read a count of 1 or more; raises `QueryParameterError` (`query.value`)."""
    if _COUNT(text) is None:
        raise QueryParameterError(f"{name} is a whole number from 1.")
    return int(text)


def field_names(text: str, names: Names, *, inner: bool) -> frozenset[str]:
    """Return the names under which a field may stand in an event, of the name that a parameter gives it.

    It is a full IRI, or has a prefix that `names` explains. Inside an extension a member may have no namespace, which
    the standard writes with an empty one: `#name`.
    """
    if inner and text.startswith(_POUND):
        return frozenset({text[1:]})
    iri = names.iri(text)
    if iri is None:
        raise QueryParameterError(
            "Nothing in the query explains the prefix of a field's name.",
            code="query.unknown_prefix",
            hint="Write the full IRI, or declare the prefix: GS1-Extensions: example=https://ns.example/ in a header, "
            "or a @context in JSON.",
        )
    namespace, pound, local = iri.rpartition(_POUND)
    # JSON-LD puts nothing between the two; the namespace of CBV's master data has no colon in XML, and one in JSON-LD.
    return frozenset({iri, namespace + local, f"{namespace}:{local}"}) if pound else frozenset({iri})


def declared_prefixes(text: str | None) -> dict[str, str]:
    """Return what the prefixes that a header `GS1-Extensions` declares stand for in a query.

    One may stand for itself, `ex=ex:`, as in a name that nobody explained and that was kept as written.
    """
    return {prefix: iri for prefix, iri in declarations(text) if is_uri(iri) or iri == f"{prefix}:"}


def declared_names(text: str | None) -> Names:
    """Return the names that GS1's context and a header `GS1-Extensions` declare."""
    return standard_names().within(declared_prefixes(text), Findings(None, ""), "")
