"""Every GS1 Application Identifier: title, format, and what it goes with, as facts without behaviour.

From the GS1 General Specifications §3 and the GS1 Barcode Syntax Dictionary. A format is a list of components: `N`
digits, `X` CSET 82, `Y` CSET 39, `Z` file-safe base 64, how many (`..20` is 1 to 20), and behind colons the linters of
`traceability.gs1.linters` that look at it. What stands in square brackets may be left out. `n` in an identifier is any
digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Sequences: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ApplicationIdentifier:
    """One Application Identifier.

    `needs` has alternatives: beside the identifier all of one of them stand on the item. `excludes` never do.
    `qualifiers` is None for what is no primary key of a Digital Link; else each member is one permitted sequence of
    which any part may be left out, but not reordered. `attribute` tells whether a Digital Link may carry it in its
    query. `fnc1` tells whether FNC1 ends its value when another follows. `serial_at` is where the serial begins in a
    key that carries it inside its value. `word` is the name that links of version 1.0 and 1.1 could use for the number.
    """

    code: str
    title: str
    format: str
    needs: Sequences
    excludes: tuple[str, ...]
    qualifiers: Sequences | None
    attribute: bool
    fnc1: bool
    serial_at: int | None
    word: str


_KEYS: Final[Mapping[str, Sequences]] = {
    "00": ((),),
    "01": (("22", "10", "21"), ("235",)),
    "253": ((),),
    "255": ((),),
    "401": ((),),
    "402": ((),),
    "414": (("254",), ("7040",)),
    "415": (("8020",),),
    "417": (("7040",),),
    "8003": ((),),
    "8004": (("7040",),),
    "8006": (("22", "10", "21"),),
    "8010": (("8011",),),
    "8013": ((),),
    "8017": (("8019",),),
    "8018": (("8019",),),
}
_NO_ATTRIBUTES: Final = frozenset(
    (
        "03",
        "21",
        "22",
        "235",
        "254",
        "7040",
        "7041",
        "8011",
        "8014",
        "8019",
        "8020",
        "8040",
        "8041",
        "8042",
        "8043",
        "8200",
    )
)
# General Specifications figure 7.8.5-2: a reader knows the length of these by their first two digits.
_PREDEFINED: Final = frozenset(("00", "01", "02", "03", "11", "12", "13", "15", "16", "17", "20", "41")) | frozenset(
    [f"3{digit}" for digit in range(1, 7)]
)
_SERIAL_AT: Final = {"253": 13, "255": 13, "8003": 14}
_WORDS: Final = {
    "00": "sscc",
    "01": "gtin",
    "10": "lot",
    "17": "exp",
    "21": "ser",
    "22": "cpv",
    "253": "gdti",
    "254": "glnx",
    "255": "gcn",
    "401": "ginc",
    "402": "gsin",
    "414": "gln",
    "415": "payto",
    "417": "partygln",
    "7003": "expdt",
    "8003": "grai",
    "8004": "giai",
    "8006": "itip",
    "8010": "cpid",
    "8011": "cpsn",
    "8013": "gmn",
    "8017": "gsrnp",
    "8018": "gsrn",
    "8019": "srin",
    "8020": "refno",
}
# What an identifier needs beside it.
_GOODS: Final = "01 02 03 8006 8026"
_TRADE_ITEM: Final = "01 02 03"
_ITEM: Final = "01 03 8006"
_MEASURED: Final = "01 02"
_LOGISTIC: Final = "00 01"
_FREIGHT: Final = "00"
_WEIGHED: Final = "30 31nn 32nn 35nn 36nn"
_PERSON: Final = "8017 8018"
_DEVICE: Final = "01+21+8040"


def _ais(codes: str, title: str, form: str, needs: str = "", excludes: str = "") -> Iterator[ApplicationIdentifier]:
    first, _, last = codes.partition("-")
    for number in range(int(first), int(last or first) + 1):
        code = f"{number:0{len(first)}}"
        yield ApplicationIdentifier(
            code=code,
            title=title,
            format=form,
            needs=tuple([tuple(alternative.split("+")) for alternative in needs.split()]),
            excludes=tuple(excludes.split()),
            qualifiers=_KEYS.get(code),
            attribute=code not in _NO_ATTRIBUTES,
            fnc1=code[:2] not in _PREDEFINED,
            serial_at=_SERIAL_AT.get(code),
            word=_WORDS.get(code, ""),
        )


def _measures(needs: str, titles: str) -> Iterator[ApplicationIdentifier]:
    """Yield measures, each with none to five decimals, which its last digit tells."""
    for measure in titles.split("; "):
        code, _, title = measure.partition(" ")
        yield from _ais(f"{code}0-{code}5", title, "N6", needs, f"{code}n")


AI_TABLE: Final = (
    *_ais("00", "SSCC", "N18:csum:gcppos2"),
    *_ais("01", "GTIN", "N14:csum:gcppos2", "", "255 37"),
    *_ais("02", "CONTENT", "N14:csum:gcppos2", "37", "01 03"),
    *_ais("03", "MTO GTIN", "N14:csum:gcppos2", "", "01 02 37 235"),
    *_ais("10", "batch or lot number", "X..20", _GOODS),
    *_ais("11", "PROD DATE", "N6:yymmd0", _GOODS),
    *_ais("12", "DUE DATE", "N6:yymmd0", "8020"),
    *_ais("13", "PACK DATE", "N6:yymmd0", _GOODS),
    *_ais("15", "BEST BEFORE or BEST BY", "N6:yymmd0", _GOODS),
    *_ais("16", "SELL BY", "N6:yymmd0", _GOODS),
    *_ais("17", "USE BY or EXPIRY", "N6:yymmd0", "01 02 03 255 8006 8026"),
    *_ais("20", "VARIANT", "N2", _GOODS),
    *_ais("21", "serial number", "X..20", _ITEM, "235"),
    *_ais("22", "consumer product variant", "X..20", "01"),
    *_ais("235", "third-party controlled serial", "X..28", "01"),
    *_ais("240", "ADDITIONAL ID", "X..30", _GOODS),
    *_ais("241", "CUST. PART No.", "X..30", _GOODS),
    *_ais("242", "MTO VARIANT", "N..6", "01 02 8006 8026"),
    *_ais("243", "PCN", "X..20", "01 03"),
    *_ais("250", "SECONDARY SERIAL", "X..30", "01+21 03+21 8006+21"),
    *_ais("251", "REF. TO SOURCE", "X..30", _ITEM),
    *_ais("253", "GDTI", "N13:csum:gcppos1 [X..17]"),
    *_ais("254", "GLN extension", "X..20", "414"),
    *_ais("255", "GCN", "N13:csum:gcppos1 [N..12]", "", "01 02 415 8006 8020 8026"),
    *_ais("30", "VAR. COUNT", "N..8", _MEASURED),
    *_measures(
        _MEASURED,
        "310 NET WEIGHT (kg); 311 LENGTH (m); 312 WIDTH (m); 313 HEIGHT (m); 314 AREA (m²); "
        "315 NET VOLUME (l); 316 NET VOLUME (m³); 320 NET WEIGHT (lb); 321 LENGTH (in); 322 LENGTH (ft); "
        "323 LENGTH (yd); 324 WIDTH (in); 325 WIDTH (ft); 326 WIDTH (yd); 327 HEIGHT (in); "
        "328 HEIGHT (ft); 329 HEIGHT (yd); 350 AREA (in²); 351 AREA (ft²); 352 AREA (yd²); "
        "356 NET WEIGHT (tr oz); 357 NET VOLUME (oz); 360 NET VOLUME (qt (US)); 361 NET VOLUME (gal.); "
        "364 NET VOLUME (in³); 365 NET VOLUME (ft³); 366 NET VOLUME (yd³)",
    ),
    *_measures(
        _LOGISTIC,
        "330 GROSS WEIGHT (kg); 331 LENGTH (m), log; 332 WIDTH (m), log; 333 HEIGHT (m), log; "
        "334 AREA (m²), log; 335 VOLUME (l), log; 336 VOLUME (m³), log; 340 GROSS WEIGHT (lb); "
        "341 LENGTH (in), log; 342 LENGTH (ft), log; 343 LENGTH (yd), log; 344 WIDTH (in), log; "
        "345 WIDTH (ft), log; 346 WIDTH (yd), log; 347 HEIGHT (in), log; 348 HEIGHT (ft), log; "
        "349 HEIGHT (yd), log; 353 AREA (in²), log; 354 AREA (ft²), log; 355 AREA (yd²), log; "
        "362 VOLUME (qt (US)), log; 363 VOLUME (gal (US)), log; 367 VOLUME (in³), log; "
        "368 VOLUME (ft³), log; 369 VOLUME (yd³), log",
    ),
    *_measures("01", "337 KG PER m²"),
    *_ais("37", "COUNT", "N..8", "00+02 00+8026"),
    *_ais("3900-3909", "AMOUNT", "N..15", "255 8020", "390n 391n 394n 8111"),
    *_ais("3910-3919", "AMOUNT", "N3:iso4217 N..15", "8020", "391n"),
    *_ais("3920-3929", "PRICE", "N..15", "01+30 01+31nn 01+32nn 01+35nn 01+36nn", "392n 393n"),
    *_ais("3930-3939", "PRICE", "N3:iso4217 N..15", _WEIGHED, "393n"),
    *_ais("3940-3943", "PRCNT OFF", "N4", "255", "394n 8111"),
    *_ais("3950-3955", "PRICE/UoM", "N6", _WEIGHED, "392n 393n 395n 8005"),
    *_ais("400", "ORDER NUMBER", "X..30"),
    *_ais("401", "GINC", "X..30:gcppos1"),
    *_ais("402", "GSIN", "N17:csum:gcppos1"),
    *_ais("403", "ROUTE", "X..30", _FREIGHT),
    *_ais("410", "SHIP TO LOC", "N13:csum:gcppos1"),
    *_ais("411", "BILL TO", "N13:csum:gcppos1"),
    *_ais("412", "PURCHASE FROM", "N13:csum:gcppos1"),
    *_ais("413", "SHIP FOR LOC", "N13:csum:gcppos1"),
    *_ais("414", "GLN of a place", "N13:csum:gcppos1"),
    *_ais("415", "GLN of the invoicing party", "N13:csum:gcppos1", "8020"),
    *_ais("416", "PROD/SERV LOC", "N13:csum:gcppos1"),
    *_ais("417", "GLN of a party", "N13:csum:gcppos1"),
    *_ais("420", "SHIP TO POST", "X..20", "", "421"),
    *_ais("421", "SHIP TO POST", "N3:iso3166 X..9", "", "4307"),
    *_ais("422", "ORIGIN", "N3:iso3166", _GOODS, "426"),
    *_ais("423", "COUNTRY - INITIAL PROCESS", "N3:iso3166" + 4 * " [N3:iso3166]", _TRADE_ITEM, "426"),
    *_ais("424", "COUNTRY - PROCESS", "N3:iso3166", _TRADE_ITEM, "426"),
    *_ais("425", "COUNTRY - DISASSEMBLY", "N3:iso3166" + 4 * " [N3:iso3166]", _TRADE_ITEM, "426"),
    *_ais("426", "COUNTRY - FULL PROCESS", "N3:iso3166", _TRADE_ITEM),
    *_ais("427", "ORIGIN SUBDIVISION", "X..3", "01+422 02+422 03+422"),
    *_ais("4300", "SHIP TO COMP", "X..35:pcenc", _FREIGHT),
    *_ais("4301", "SHIP TO NAME", "X..35:pcenc", _FREIGHT),
    *_ais("4302", "SHIP TO ADD1", "X..70:pcenc", _FREIGHT),
    *_ais("4303", "SHIP TO ADD2", "X..70:pcenc", "4302"),
    *_ais("4304", "SHIP TO SUB", "X..70:pcenc", _FREIGHT),
    *_ais("4305", "SHIP TO LOC", "X..70:pcenc", _FREIGHT),
    *_ais("4306", "SHIP TO REG", "X..70:pcenc", _FREIGHT),
    *_ais("4307", "SHIP TO COUNTRY", "X2:iso3166alpha2", _FREIGHT),
    *_ais("4308", "SHIP TO PHONE", "X..30", _FREIGHT),
    *_ais("4309", "SHIP TO GEO", "N10:latitude N10:longitude", _FREIGHT),
    *_ais("4310", "RTN TO COMP", "X..35:pcenc", _FREIGHT),
    *_ais("4311", "RTN TO NAME", "X..35:pcenc", _FREIGHT),
    *_ais("4312", "RTN TO ADD1", "X..70:pcenc", _FREIGHT),
    *_ais("4313", "RTN TO ADD2", "X..70:pcenc", "4312"),
    *_ais("4314", "RTN TO SUB", "X..70:pcenc", _FREIGHT),
    *_ais("4315", "RTN TO LOC", "X..70:pcenc", _FREIGHT),
    *_ais("4316", "RTN TO REG", "X..70:pcenc", _FREIGHT),
    *_ais("4317", "RTN TO COUNTRY", "X2:iso3166alpha2", _FREIGHT),
    *_ais("4318", "RTN TO POST", "X..20", _FREIGHT),
    *_ais("4319", "RTN TO PHONE", "X..30", _FREIGHT),
    *_ais("4320", "SRV DESCRIPTION", "X..35:pcenc", _FREIGHT),
    *_ais("4321", "DANGEROUS GOODS", "N1:yesno", _FREIGHT),
    *_ais("4322", "AUTH TO LEAVE", "N1:yesno", _FREIGHT),
    *_ais("4323", "SIG REQUIRED", "N1:yesno", _FREIGHT),
    *_ais("4324", "NOT BEF DEL DT", "N6:yymmd0 N4:hhmi", _FREIGHT),
    *_ais("4325", "NOT AFT DEL DT", "N6:yymmd0 N4:hhmi", _FREIGHT),
    *_ais("4326", "REL DATE", "N6:yymmdd", _FREIGHT),
    *_ais("4330", "MAX TEMP F.", "N6 [X1:hyphen]", _FREIGHT, "4331"),
    *_ais("4331", "MAX TEMP C.", "N6 [X1:hyphen]", _FREIGHT, "4330"),
    *_ais("4332", "MIN TEMP F.", "N6 [X1:hyphen]", _FREIGHT, "4333"),
    *_ais("4333", "MIN TEMP C.", "N6 [X1:hyphen]", _FREIGHT, "4332"),
    *_ais("7001", "NSN", "N13", "01 02 8006 8026"),
    *_ais("7002", "MEAT CUT", "X..30", _MEASURED),
    *_ais("7003", "EXPIRY TIME", "N6:yymmdd N4:hhmi", _TRADE_ITEM),
    *_ais("7004", "ACTIVE POTENCY", "N..4", "01+10 03+10"),
    *_ais("7005", "CATCH AREA", "X..12", _MEASURED),
    *_ais("7006", "FIRST FREEZE DATE", "N6:yymmdd", _MEASURED),
    *_ais("7007", "HARVEST DATE", "N6:yymmdd [N6:yymmdd]", _MEASURED),
    *_ais("7008", "AQUATIC SPECIES", "X..3", _MEASURED),
    *_ais("7009", "FISHING GEAR TYPE", "X..10", _MEASURED),
    *_ais("7010", "PROD METHOD", "X..2", _TRADE_ITEM),
    *_ais("7011", "TEST BY DATE", "N6:yymmdd [N4:hhmi]", _TRADE_ITEM),
    *_ais("7020", "REFURB LOT", "X..20", "01+416 03+416 8006+416"),
    *_ais("7021", "FUNC STAT", "X..20", _ITEM),
    *_ais("7022", "REV STAT", "X..20", "01+7021 03+7021 8006+7021"),
    *_ais("7023", "GIAI - ASSEMBLY", "X..30:gcppos1"),
    *_ais("7030-7039", "PROCESSOR", "N3:iso3166999 X..27", _MEASURED),
    *_ais("7040", "unique identification code with extensions", "N1 X1 X1 X1:importeridx"),
    *_ais("7041", "UFRGT UNIT TYPE", "X..4:packagetype", _FREIGHT),
    *_ais("710-717", "NHRN", "X..20", "01"),
    *_ais("7230-7239", "CERT", "X2 X..28", "01 8004"),
    *_ais("7240", "PROTOCOL", "X..20", "01 8006", "03"),
    *_ais("7241", "AIDC MEDIA TYPE", "N2:mediatype", _PERSON),
    *_ais("7242", "VCN", "X..25", _PERSON),
    *_ais("7250", "DOB", "N8:yyyymmdd", "8018", "7251"),
    *_ais("7251", "DOB TIME", "N8:yyyymmdd N4:hhmi", "8018", "7250"),
    *_ais("7252", "BIO SEX", "N1:iso5218", "8018"),
    *_ais("7253", "FAMILY NAME", "X..40:pcenc", _PERSON, "7256 7259"),
    *_ais("7254", "GIVEN NAME", "X..40:pcenc", _PERSON, "7256 7259"),
    *_ais("7255", "SUFFIX", "X..10", _PERSON, "7256 7259"),
    *_ais("7256", "FULL NAME", "X..90:pcenc", _PERSON),
    *_ais("7257", "PERSON ADDR", "X..70:pcenc", "8018"),
    *_ais("7258", "BIRTH SEQUENCE", "X3:posinseqslash", "8018+7259"),
    *_ais("7259", "BABY", "X..40:pcenc", "8018", "7256"),
    *_ais("8001", "DIMENSIONS", "N4:nonzero N5:nonzero N3:nonzero N1:winding N1", "01"),
    *_ais("8002", "CMT No.", "X..20"),
    *_ais("8003", "GRAI", "N1:zero N13:csum:gcppos1 [X..16]"),
    *_ais("8004", "GIAI", "X..30:gcppos1"),
    *_ais("8005", "PRICE PER UNIT", "N6", _MEASURED),
    *_ais("8006", "ITIP", "N14:csum:gcppos2 N4:pieceoftotal", "", "01 03 37"),
    *_ais("8007", "IBAN", "X..34:iban", "415"),
    *_ais("8008", "PROD TIME", "N6:yymmdd N2:hh [N2:mi] [N2:ss]", _TRADE_ITEM),
    *_ais("8009", "OPTSEN", "X..50", "00 01 03"),
    *_ais("8010", "CPID", "Y..30:gcppos1"),
    *_ais("8011", "CPID serial number", "N..12:nozeroprefix", "8010"),
    *_ais("8012", "VERSION", "X..20", _ITEM),
    *_ais("8013", "GMN", "X..25:csumalpha:gcppos1"),
    *_ais("8014", "MUDI", "X..25:csumalpha:gcppos1:hasnondigit", "01"),
    *_ais("8017", "GSRN of a provider", "N18:csum:gcppos1", "", "8018"),
    *_ais("8018", "GSRN of a recipient", "N18:csum:gcppos1", "", "8017"),
    *_ais("8019", "service relation instance number", "N..10", _PERSON),
    *_ais("8020", "payment slip reference", "X..25", "415"),
    *_ais("8026", "ITIP CONTENT", "N14:csum:gcppos2 N4:pieceoftotal", "37", "02 03 8006"),
    *_ais("8030", "DIGSIG", "Z..90", "00 01+21 03+21 253 255 8003 8004 8006+21 8010+8011 8017 8018"),
    *_ais("8040", "IMEI", "N15", "01+21"),
    *_ais("8041", "IMEI2", "N15", _DEVICE),
    *_ais("8042", "ESIM", "N32", _DEVICE),
    *_ais("8043", "PSIM", "N18 [N..2]", _DEVICE),
    *_ais("8110", "", "X..70:couponcode"),
    *_ais("8111", "POINTS", "N4", "255"),
    *_ais("8112", "", "X..70:couponposoffer"),
    *_ais("8200", "PRODUCT URL", "X..70", "01"),
    *_ais("90", "INTERNAL", "X..30"),
    *_ais("91-99", "INTERNAL", "X..90"),
)
APPLICATION_IDENTIFIERS: Final[Mapping[str, ApplicationIdentifier]] = {ai.code: ai for ai in AI_TABLE}
