"""The words of the Core Business Vocabulary (CBV 2.0 §7, §8.5) and of GS1's Web Vocabulary that events use.

A word has four spellings: bare, as a CURIE of GS1's context, as a web URI, and as the URN of EPCIS 1.x. Parts hold
the bare word. A term of anybody else's vocabulary is an absolute URI and stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.fields import is_uri
from traceability.gs1.epcis.problems import Findings, shown

_CBV_WEB: Final = ("https://ref.gs1.org/cbv/", "https://ns.gs1.org/cbv/", "http://ns.gs1.org/cbv/")
_GS1_WEB: Final = (
    "https://gs1.org/voc/",
    "http://gs1.org/voc/",
    "https://www.gs1.org/voc/",
    "https://ref.gs1.org/voc/",
)
CBV_NAMES: Final = (*_CBV_WEB, "urn:epcglobal:cbv:")
"""What the full names of its words begin with."""
_GS1_TERMS: Final = (*CBV_NAMES, *_GS1_WEB)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The standard words of one field.

    `closed` refuses a bare word that is none of them. An unknown word under GS1's name, which is a full URI, is kept as
    written with a warning: it says something of the event, and GS1 names faster than readers learn.
    """

    name: str
    spellings: Mapping[str, str]
    closed: bool

    def word(self, value: object, names: Names, path: str, findings: Findings) -> str | None:
        """Return the canonical form of a term, None with an error noted when it is none."""
        if type(value) is not str or not value:
            findings.error(path, "epcis.type", f"A {self.name} is a word or a URI, not {shown(value)}.")
            return None
        known = self.spellings.get(value)
        return known if known is not None else self._unusual(value, names, path, findings)

    def _unusual(self, value: str, names: Names, path: str, findings: Findings) -> str | None:
        iri = names.iri(value)
        if iri is not None and iri in self.spellings:
            return self.spellings[iri]
        # A bare word that a context explains stands for a URI too.
        if (iri is not None or ":" in value) and not is_uri(iri or value):
            findings.error(path, "epcis.uri", f"A {self.name} of your own is a full URI; {shown(value)} is none.")
            return None
        if iri is None and ":" in value:
            message = f"No context in the document explains the {self.name} {shown(value)}; it is kept as written."
            findings.warn_once(path, "epcis.unresolved_name", value, message)
            return value
        if iri is not None and not iri.startswith(_GS1_TERMS):
            return iri
        if iri is None and self.closed:
            findings.error(
                path,
                "epcis.vocabulary",
                f"{shown(value)} is not a {self.name} of the Core Business Vocabulary; "
                "a term of your own is written as a full URI.",
            )
            return None
        message = f"{shown(value)} is not a {self.name} that GS1 has named; it is kept as written."
        findings.warn_once(path, "epcis.unknown_word", value, message)
        return iri or value


def _cbv(name: str, web: str, urn: str, words: str, *, closed: bool = True) -> Vocabulary:
    spellings = {}
    for word in words.split():
        spellings[word] = word
        spellings[f"urn:epcglobal:cbv:{urn}:{word}"] = word
        for namespace in _CBV_WEB:
            spellings[f"{namespace}{web}-{word}"] = word
    return Vocabulary(name, spellings, closed)


def _gs1(name: str, words: str, *infixes: str) -> Vocabulary:
    spellings = {word: word for word in words.split()}
    for word in words.split():
        for namespace in _GS1_WEB:
            for infix in ("", *infixes):
                spellings[namespace + infix + word] = word
    return Vocabulary(name, spellings, closed=False)


BIZ_STEP: Final = _cbv(
    "business step",
    "BizStep",
    "bizstep",
    "accepting arriving assembling collecting commissioning consigning creating_class_instance cycle_counting "
    "decommissioning departing destroying disassembling dispensing encoding entering_exiting holding inspecting "
    "installing killing loading other packing picking receiving removing repackaging repairing replacing reserving "
    "retail_selling sampling sensor_reporting shipping staging_outbound stock_taking stocking storing transporting "
    "unloading unpacking void_shipping",
)
DISPOSITION: Final = _cbv(
    "disposition",
    "Disp",
    "disp",
    "active available completeness_inferred completeness_verified conformant container_closed container_open damaged "
    "destroyed dispensed disposed encoded expired in_progress in_transit inactive mismatch_class mismatch_instance "
    "mismatch_quantity needs_replacement no_pedigree_match non_conformant non_sellable_other partially_dispensed "
    "recalled reserved retail_sold returned sellable_accessible sellable_not_accessible stolen unavailable unknown",
)
TRANSACTION_TYPE: Final = _cbv(
    "business transaction type",
    "BTT",
    "btt",
    "bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt",
)
SOURCE_TYPE: Final = _cbv("source or destination type", "SDT", "sdt", "location owning_party possessing_party")
ERROR_REASON: Final = _cbv("error reason", "ER", "er", "did_not_occur incorrect_data")
COMPONENT: Final = _cbv(
    "component",
    "Comp",
    "comp",
    "altitude axial_distance azimuth easting elevation_angle height latitude longitude northing polar_angle "
    "spherical_radius x y z",
    closed=False,
)
MEASUREMENT: Final = _gs1(
    "measurement type",
    "AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance "
    "AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area Capacitance "
    "Conductance Conductivity Count Density Dimensionless DoseEquivalent DoseEquivalentRate DynamicViscosity "
    "EffectiveDose EffectiveDoseRate ElectricCharge ElectricCurrent ElectricCurrentDensity ElectricFieldStrength "
    "Energy Exposure Force Frequency Illuminance Inductance Irradiance KinematicViscosity Length LinearMomentum "
    "Luminance LuminousFlux LuminousIntensity MagneticFlux MagneticFluxDensity MagneticVectorPotential Mass "
    "MassConcentration MassFlowRate MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy MolarMass "
    "MolarVolume Power Pressure RadiantFlux RadiantIntensity Radioactivity RelativeHumidity Resistance Resistivity "
    "SolidAngle SpecificVolume Speed SurfaceDensity SurfaceTension Temperature Time Torque Voltage Volume "
    "VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber",
    "MT-",
    "MeasurementType-",
)
ALERT: Final = _gs1("sensor alert", "ALARM_CONDITION ERROR_CONDITION", "SensorAlertType-")
