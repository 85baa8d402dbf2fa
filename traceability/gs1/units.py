"""Units of measure: codes of UN/ECE Recommendation 20 and what they are in a unit of reference, exactly.

EPCIS names units by these codes, and a question in one unit is about readings in every unit of the same kind (GS1's
conformance requirement TCR-53, step 26). Factors are fractions, so that 0 °C and 273.15 K are one temperature. A code
that is not listed is a kind of its own, compared with itself alone. A degree of arc and a radian are two kinds: no
fraction tells one from the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

_POUND: Final = "0.45359237"
_POUND_FORCE: Final = "4.4482216152605"
_MERCURY: Final = "133.322387415"  # a millimetre of mercury, conventional
# Of each kind the codes, and how much of the unit of reference one of each is; `+` is what zero of a scale is.
_KINDS: Final = {
    "temperature": "KEL=1 CEL=1+273.15 FAH=5/9+459.67*5/9 A48=5/9",
    "pressure": (
        "PAL=1 H75=10 74=1e-3 B96=1e-6 A97=100 KPA=1e3 MPA=1e6 A89=1e9 BAR=1e5 MBR=100 C55=1 C56=1e6 ATT=98066.5 "
        f"ATM=101325 UA=101325/760 B40=9.80665 K31=98.0665 E42=98066.5 E41=9806650 HP=9.80665 H78=98.0665 N23=9806.65 "
        f"F78=25.4*9.80665 K24=304.8*9.80665 HN={_MERCURY} J89=10*{_MERCURY} F79=25.4*{_MERCURY} K25=304.8*{_MERCURY} "
        f"PS={_POUND_FORCE}/0.00064516 K85={_POUND_FORCE}/0.09290304 84=1e3*{_POUND_FORCE}/0.00064516 "
        f"N20=1e3*{_POUND_FORCE}/0.00064516"
    ),
    "density": (
        "KMQ=1 23=1e3 D41=1e3 GJ=1e3 B35=1e3 B72=1e3 B34=1e3 G31=1e6 GL=1 F23=1 M1=1e-3 A93=1e-3 H29=1e-6 GP=1e-6 "
        f"GQ=1e-9 87={_POUND}/0.028316846592 GE={_POUND}/0.003785411784 LA={_POUND}/0.000016387064 "
        f"K71={_POUND}/0.00454609 K84={_POUND}/0.764554857984"
    ),
    "volume": (
        "MTQ=1 DMQ=1e-3 CMQ=1e-6 MMQ=1e-9 K6=1 HLT=0.1 LTR=1e-3 DLT=1e-4 CLT=1e-5 MLT=1e-6 4G=1e-9 MAL=1e3 "
        "INQ=0.000016387064 FTQ=0.028316846592 YDQ=0.764554857984 GLL=0.003785411784 GLI=0.00454609 "
        "OZA=0.0000295735295625 OZI=0.0000284130625 PTI=0.00056826125 PTL=0.000473176473 QTI=0.0011365225 "
        "QTL=0.000946352946 BLL=0.158987294928 BUA=0.03523907016688 BUI=0.03636872"
    ),
    "mass": (
        f"KGM=1 GRM=1e-3 MGM=1e-6 MC=1e-9 CGM=1e-5 DG=1e-4 DJ=0.01 HGM=0.1 DTN=100 TNE=1e3 2U=1e3 KTN=1e6 CTM=2e-4 "
        f"LBR={_POUND} ONZ={_POUND}/16 APZ=0.0311034768 GRN=0.00006479891 STI=14*{_POUND} CWI=112*{_POUND} "
        f"CWA=100*{_POUND} LTN=2240*{_POUND} STN=2000*{_POUND}"
    ),
    "length": (
        "MTR=1 KMT=1e3 HMT=100 A45=10 DMT=0.1 CMT=1e-2 MMT=1e-3 4H=1e-6 C45=1e-9 C52=1e-12 A11=1e-10 INH=0.0254 "
        "FOT=0.3048 YRD=0.9144 AK=1.8288 SMI=1609.344 NMI=1852 A12=149597870700"
    ),
    "area": (
        "MTK=1 DMK=1e-2 CMK=1e-4 MMK=1e-6 KMK=1e6 ARE=100 H16=100 H18=1e4 HAR=1e4 INK=0.00064516 FTK=0.09290304 "
        "YDK=0.83612736 MIK=2589988.110336 ACR=4046.8564224"
    ),
    "time": "SEC=1 C26=1e-3 B98=1e-6 C47=1e-9 MIN=60 HUR=3600 DAY=86400 WEE=604800 MON=2629800 ANN=31557600",
    "speed": (
        "MTS=1 KMH=1/3.6 2M=1e-2 C16=1e-3 M62=1e3 2X=1/60 HM=0.44704 KNT=1852/3600 FS=0.3048 FR=0.3048/60 IU=0.0254"
    ),
    "acceleration": "MSK=1 A73=0.3048 A76=0.01 C11=1e-5 K40=9.80665",
    "force": f"NEW=1 B47=1e3 B73=1e6 C20=1e-3 B92=1e-6 DU=1e-5 B37=9.80665 B51=9.80665 C78={_POUND_FORCE}",
    "torque": (
        f"NU=1 B48=1e3 B74=1e6 DN=0.1 J72=1e-2 D83=1e-3 B93=1e-6 M92=0.3048*{_POUND_FORCE} F21=0.0254*{_POUND_FORCE}"
    ),
    "energy": (
        "JOU=1 J55=1 A13=1e-18 A70=1e-15 C15=1e-3 KJO=1e3 3B=1e6 GV=1e9 D30=1e12 C68=1e15 A68=1e18 WHR=3600 KWH=3.6e6 "
        "MWH=3.6e9 GWH=3.6e12 D32=3.6e15 A57=1e-7 A53=1.602176634e-19 B29=1.602176634e-16 B71=1.602176634e-13 "
        f"A85=1.602176634e-10 D70=4.1868 E14=4186.8 K53=4184 BTU=1055.05585262 85=0.3048*{_POUND_FORCE}"
    ),
    "power": (
        "WTT=1 C31=1e-3 D80=1e-6 KWT=1e3 MAW=1e6 A90=1e9 D31=1e12 A63=1e-7 B39=9.80665 HJ=735.49875 A25=735.49875 "
        "N12=735.49875"
    ),
    "electric current": "AMP=1 4K=1e-3 B84=1e-6 C39=1e-9 C70=1e-12 B22=1e3 H38=1e6",
    "voltage": "VLT=1 2Z=1e-3 D82=1e-6 KVT=1e3 B78=1e6",
    "electric charge": "COU=1 A8=1 D86=1e-3 B86=1e-6 C40=1e-9 C71=1e-12 B26=1e3 D77=1e6 E09=3.6 AMH=3600 TAH=3.6e6",
    "resistance": "OHM=1 E45=1e-3 B94=1e-6 B49=1e3 B75=1e6 A87=1e9 H44=1e12",
    "conductance": "SIE=1 C27=1e-3 B99=1e-6 B53=1e3",
    "conductivity": "D10=1 H43=100 H61=0.1 G42=1e-4 G43=1e-6",
    "capacitance": "FAR=1 C10=1e-3 4O=1e-6 C41=1e-9 4T=1e-12",
    "inductance": "81=1 C14=1e-3 B90=1e-6 C43=1e-9 C73=1e-12",
    "magnetic flux": "WEB=1 C33=1e-3 P11=1e3",
    "magnetic flux density": "D33=1 C29=1e-3 D81=1e-6 C48=1e-9",
    "frequency": "HTZ=1 KHZ=1e3 MHZ=1e6 A86=1e9 D29=1e12",
    "angle in degrees": "DD=1 D61=1/60 D62=1/3600 A91=0.9",
    "angle in radians": "C81=1 C25=1e-3 B97=1e-6",
    "illuminance": "LUX=1 KLX=1e3",
    "luminous intensity": "CDL=1 P33=1e3 P34=1e-3",
    "amount of substance": "C34=1 B45=1e3 C18=1e-3 FH=1e-6",
    "amount of substance per volume": "C36=1 B46=1e3 C35=1e3 C38=1e3 M33=1",
    "radioactivity": "BQL=1 2Q=1e3 4N=1e6 GBQ=1e9 CUR=3.7e10 2R=3.7e13 MCU=3.7e7 M5=3.7e4",
    "absorbed dose": "A95=1 C13=1e-3 C80=0.01",
    "dose equivalent": "D13=1 C28=1e-3 D91=0.01",
    "volume flow rate": "MQS=1 MQH=1/3600 G51=1e-3 L2=1e-3/60 E32=1e-3/3600",
    "mass flow rate": "KGS=1 F31=1/60 E93=1/3600",
    "dynamic viscosity": "C65=1 C24=1e-3 89=0.1 C7=1e-3",
    "kinematic viscosity": "S4=1 C17=1e-6 91=1e-4 4C=1e-6",
    "memory capacity": "A99=1 AD=8 C37=1e3 D36=1e6 B68=1e9 2P=8e3 4L=8e6 E34=8e9 E35=8e12",
    "ratio": "P1=0.01 NX=1e-3 59=1e-6 61=1e-9",
    "count": "C62=1 H87=1 EA=1 PR=2 DZN=12 SCO=20 CEN=100 GRO=144 MIL=1e3 MIO=1e6",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: the kind of quantity that it measures, and what one of it and its zero are in the unit of reference."""

    kind: str
    factor: Fraction = Fraction(1)
    zero: Fraction = Fraction(0)

    def reference(self, amount: Fraction, *, difference: bool = False) -> Fraction:
        """Return an amount in the unit of reference; a `difference` has no zero: a spread of 1 °C is one of 1 K."""
        return amount * self.factor if difference else amount * self.factor + self.zero


def unit(code: str) -> Unit:
    """Return the unit of a code; one that is not listed is a kind of its own."""
    return _units().get(code) or Unit(code)


@cache
def reference_code(kind: str) -> str:
    """Return the code of the unit of reference of a kind; a kind that is not listed is a code itself."""
    text = _KINDS.get(kind)
    return kind if text is None else text.partition("=")[0]


@cache
def _units() -> dict[str, Unit]:
    return {code: found for kind, text in _KINDS.items() for code, found in _read(kind, text)}


def _read(kind: str, text: str) -> Iterator[tuple[str, Unit]]:
    for entry in text.split():
        code, _, worth = entry.partition("=")
        factor, _, zero = worth.partition("+")
        yield code, Unit(kind, _product(factor), _product(zero or "0"))


def _product(text: str) -> Fraction:
    over, *under = text.split("/")
    result = Fraction(1)
    for number in over.split("*"):
        result *= Fraction(number)
    for term in under:
        first, *rest = term.split("*")
        result /= Fraction(first)
        for number in rest:
            result *= Fraction(number)
    return result
