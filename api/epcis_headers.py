"""The headers of EPCIS 2.0 over REST (§12): what a request may wish for, and what an answer says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import Final

from api.settings import Settings
from api.web.negotiation import JSON
from traceability.errors import InvalidInputError
from traceability.gs1.epcis.document_writer import Format
from traceability.gs1.epcis.xml.writer import Words

LD_JSON: Final = "application/ld+json"
XML: Final = "application/xml"
TEXT_XML: Final = "text/xml"
EPCIS_VERSION: Final = "2.0.0"
CBV_VERSION: Final = "2.0.0"
VERSIONS: Final = {"GS1-EPCIS-Version": EPCIS_VERSION, "GS1-CBV-Version": CBV_VERSION}
OLD_VERSIONS: Final = {"GS1-EPCIS-Version": "1.2.0", "GS1-CBV-Version": "1.2.0"}
"""Those of what is answered, or comes, as EPCIS 1.2, which is XML."""

SUPPORTED: Final = {
    **VERSIONS,
    "GS1-EPCIS-Min": OLD_VERSIONS["GS1-EPCIS-Version"],
    "GS1-EPCIS-Max": EPCIS_VERSION,
    "GS1-CBV-Min": OLD_VERSIONS["GS1-CBV-Version"],
    "GS1-CBV-Max": CBV_VERSION,
    "GS1-Vendor-Version": f"traceability {version('traceability')}",
}
"""What OPTIONS tells of every resource."""

MIN_RECORD_TIME: Final = "GS1-Query-Min-Record-Time"
"""Of a subscription: the least recordTime that an event to come may have."""

VARY: Final = (
    "Accept, Authorization, GS1-EPC-Format, GS1-Extensions, GS1-EPCIS-Version, GS1-EPCIS-Min, GS1-EPCIS-Max,"
    " GS1-CBV-Version, GS1-CBV-Min, GS1-CBV-Max, GS1-CBV-XML-Format"
)


def capture_limits(settings: Settings) -> dict[str, str]:
    """Return the headers that announce what a capture may hold, and that it may proceed over errors."""
    most = settings.capture_max_events
    return {
        **({} if most is None else {"GS1-EPCIS-Capture-Limit": str(most)}),
        "GS1-EPCIS-Capture-File-Size-Limit": str(settings.capture_max_bytes),
        "GS1-Capture-Error-Behaviour": "all",
    }


def event_limits(settings: Settings) -> dict[str, str]:
    """Return the headers that announce what may be sent where one event is captured."""
    return {"GS1-EPCIS-Capture-Limit": "1", "GS1-EPCIS-Capture-File-Size-Limit": str(settings.max_body_bytes)}


class NotAcceptableError(InvalidInputError):
    """An answer cannot have the form that the request asks for (HTTP 406)."""

    code = "http.not_acceptable"


class CbvFormat(StrEnum):
    """How XML spells the Core Business Vocabulary (GS1-CBV-XML-Format)."""

    NO_PREFERENCE = "No_Preference"
    WEB = Words.WEB.value
    URN = Words.URN.value
    AS_RECEIVED = Words.AS_RECEIVED.value


class EpcFormat(StrEnum):
    """How identifiers are written (GS1-EPC-Format)."""

    NO_PREFERENCE = "No_Preference"
    DIGITAL_LINK = "Always_GS1_Digital_Link"
    URN = "Always_EPC_URN"
    AS_RECEIVED = "Never_Translates"


@dataclass(frozen=True, slots=True)
class Wish:
    """The form that an answer is to have; `extensions` is the header that declares prefixes.

    `format` is what a document of events is written in, `words` how XML spells those of the CBV.
    """

    media_type: str = JSON
    epc_format: EpcFormat = EpcFormat.DIGITAL_LINK
    extensions: str | None = None
    format: Format = Format.JSON
    words: Words | None = None

    @property
    def as_received(self) -> bool:
        """Tell whether something is wanted as it was received, which only the ledger's records know."""
        return self.epc_format is EpcFormat.AS_RECEIVED or self.words is Words.AS_RECEIVED

    @property
    def versions(self) -> Mapping[str, str]:
        """Return the headers that name the versions of what is answered so."""
        return OLD_VERSIONS if self.format is Format.XML_1_2 else VERSIONS
