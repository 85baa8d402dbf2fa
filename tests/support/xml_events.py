"""Small EPCIS documents in XML for tests."""

from tests.support.epcis_events import PACK


def xml_event(*more: str, name: str = "ObjectEvent") -> str:
    """Return an ObjectEvent with more elements at its end."""
    return (
        f"<{name}><eventTime>2026-03-01T09:15:00+01:00</eventTime><eventTimeZoneOffset>+01:00</eventTimeZoneOffset>"
        f"<epcList><epc>{PACK}</epc></epcList><action>OBSERVE</action>{''.join(more)}</{name}>"
    )


def xml_document(*events: str, version: str = "2.0", namespaces: str = "", header: str = "") -> bytes:
    """Return an EPCISDocument."""
    return (
        f'<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:{version[0]}" {namespaces} '
        f'schemaVersion="{version}" creationDate="2026-03-01T10:00:00Z">'
        f"{f'<EPCISHeader>{header}</EPCISHeader>' if header else ''}"
        f"<EPCISBody><EventList>{''.join(events)}</EventList></EPCISBody></epcis:EPCISDocument>"
    ).encode()
