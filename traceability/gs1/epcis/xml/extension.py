"""Members that EPCIS does not define, in XML: the reverse of `xml_value`."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from traceability.gs1.epcis.problems import shown
from traceability.gs1.epcis.strict_json import JSON, Number
from traceability.gs1.epcis.xml.names import XSD, Namespaces, NotInXmlError, attribute, is_name, text
from traceability.gs1.epcis.xml.tree import JSON_LD, VALUE, XSI


class ExtensionWriter:
    """Writes members under the `namespaces` that they use."""

    def __init__(self) -> None:
        self.namespaces = Namespaces()

    def extension(self, name: str, value: JSON, *, container: bool = False) -> str:
        """Write a member that EPCIS does not define, as one element or several; raises `NotInXmlError`."""
        if isinstance(value, list):
            return self._array(name, value)
        tag = self.namespaces.name(name)
        attributes = f' {self.namespaces.prefix(JSON_LD)}:container="@set"' if container else ""
        if isinstance(value, dict):
            more, inside = self._object(value)
            attributes += more
        else:
            more, inside = self._scalar(value)
            attributes += more
        return f"<{tag}{attributes}>{inside}</{tag}>" if inside else f"<{tag}{attributes}/>"

    def _array(self, name: str, values: list[JSON]) -> str:
        if any(isinstance(value, list) for value in values) or values == [None]:
            raise NotInXmlError(f"XML has no arrays in arrays, as in {shown(name)}")
        if not values:
            tag, prefix = self.namespaces.name(name), self.namespaces.prefix
            return f'<{tag} {prefix(JSON_LD)}:container="@set" {prefix(XSI)}:nil="true"/>'
        return "".join([self.extension(name, value, container=len(values) == 1) for value in values])

    def _scalar(self, value: JSON) -> tuple[str, str]:
        """Return the attributes and the text of a value."""
        xsi = self.namespaces.prefix
        if value is None:
            return f' {xsi(XSI)}:nil="true"', ""
        if isinstance(value, bool):
            return f' {xsi(XSI)}:type="{xsi(XSD)}:boolean"', "true" if value else "false"
        if isinstance(value, Number) or type(value) is int:
            kind = "double" if "e" in str(value).lower() else "decimal"
            return f' {xsi(XSI)}:type="{xsi(XSD)}:{kind}"', str(value)
        return "", text(value)

    def _object(self, members: Mapping[str, JSON]) -> tuple[str, str]:
        """Return the attributes and what is inside of an object."""
        if not members:
            raise NotInXmlError("XML has no objects without members")
        plain = {n: v for n, v in members.items() if n.startswith("@") and type(v) is str and is_name(n[1:])}
        attributes = "".join(f' {name[1:]}="{attribute(value)}"' for name, value in plain.items())
        rest = {name: value for name, value in members.items() if name not in plain}
        if plain and rest.keys() == {VALUE} and _is_text(rest[VALUE]):
            more, inside = self._scalar(rest[VALUE])
            return attributes + more, inside
        return attributes, "".join([self.extension(name, value) for name, value in rest.items()])

    def inside(self, members: Mapping[str, JSON], known: AbstractSet[str]) -> str:
        """Write the extensions of an object of EPCIS; raises `NotInXmlError` for a name that no namespace explains."""
        others = [name for name in members if name not in known]
        for name in others:
            if ":" not in name:
                raise NotInXmlError(f"XML has no field {shown(name)} here, and no namespace explains it")
        return "".join([self.extension(name, members[name]) for name in others])


def _is_text(value: JSON) -> bool:
    """Tell whether a value can be the text of an element that has attributes."""
    return value is not None and value != "" and not isinstance(value, (dict, list))
