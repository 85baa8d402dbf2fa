"""North American coupon codes, the values of AI (8110) and (8112).

A coupon is digits alone: fields of a fixed length, and fields that begin with a digit that says how long they are.
Names of fields and errors are those of GS1's Barcode Syntax Tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from traceability.gs1.linters import Fault, csetnumeric, yymmdd

_LEAST: Final = 6
"""Digits of a company prefix or serial number whose length is given as 0."""
_PREFIX_LENGTHS: Final = "0123456"
_NONE: Final = "9"
_OR_NONE: Final = _PREFIX_LENGTHS + _NONE
_VALUE_LENGTHS: Final = "12345"
_REQUIREMENT_CODES: Final = "012349"
_LATEST: Final = "50"
"""Years from here on, of two digits, are of the century before."""


class _FaultError(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class _Fields:
    """The digits of a coupon, taken from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def rest(self, error: str) -> _FaultError:
        """Return a fault of what is left, of the whole when nothing is."""
        start = self.at if self.at < len(self.text) else 0
        return _FaultError(Fault(f"COUPON_{error}", start, len(self.text)))

    def take(self, length: int, error: str) -> str:
        if len(self.text) - self.at < length:
            raise self.rest(error)
        self.at += length
        return self.text[self.at - length : self.at]

    def one_of(self, allowed: str, missing: str, invalid: str) -> str:
        digit = self.take(1, missing)
        if digit not in allowed:
            raise _FaultError(Fault(f"COUPON_{invalid}", self.at - 1, self.at))
        return digit

    def next_is(self, digit: str) -> bool:
        """Take an indicator if it comes next."""
        found = self.text.startswith(digit, self.at)
        self.at += found
        return found

    def counted(self, name: str, lengths: str, least: int = _LEAST) -> None:
        """Take the digit that says how many more than `least` digits follow, and those digits."""
        length = self.one_of(lengths, f"MISSING_{name}_VLI", f"INVALID_{name}_LENGTH")
        if lengths is not _OR_NONE or length != _NONE:
            self.take(int(length) + least, f"TRUNCATED_{name}")

    def date(self, too_short: str, invalid: str) -> str:
        """Take six digits that are a date."""
        text = self.take(6, too_short)
        if yymmdd(text):
            raise _FaultError(Fault(f"COUPON_{invalid}", self.at - 6, self.at))
        return text

    def end(self) -> None:
        if self.at < len(self.text):
            raise self.rest("EXCESS_DATA")


def couponcode(text: str) -> Fault | None:
    """AI (8110): a coupon."""
    return csetnumeric(text) or _fault_in(_coupon, text)


def couponposoffer(text: str) -> Fault | None:
    """AI (8112): an offer that a positive offer file explains."""
    return csetnumeric(text) or _fault_in(_positive_offer, text)


def _fault_in(read: Callable[[_Fields], None], text: str) -> Fault | None:
    fields = _Fields(text)
    try:
        read(fields)
        fields.end()
    except _FaultError as found:
        return found.fault
    return None


def _coupon(fields: _Fields) -> None:
    fields.counted("GCP", _PREFIX_LENGTHS)
    fields.take(6, "TRUNCATED_OFFER_CODE")
    fields.counted("SAVE_VALUE", _VALUE_LENGTHS, 0)
    _purchase(fields, "1ST")
    if fields.next_is("1"):
        fields.one_of("0123", "MISSING_ADDITIONAL_PURCHASE_RULES_CODE", "INVALID_ADDITIONAL_PURCHASE_RULES_CODE")
        _purchase(fields, "2ND")
        fields.counted("2ND_PURCHASE_GCP", _OR_NONE)
    if fields.next_is("2"):
        _purchase(fields, "3RD")
        fields.counted("3RD_PURCHASE_GCP", _OR_NONE)
    _validity(fields)
    if fields.next_is("5"):
        fields.counted("SERIAL_NUMBER", "0123456789")
    if fields.next_is("6"):
        fields.counted("RETAILER_GCP_OR_GLN", "1234567")
    if fields.next_is("9"):
        fields.one_of("01256", "MISSING_SAVE_VALUE_CODE", "INVALID_SAVE_VALUE_CODE")
        fields.one_of("012", "MISSING_SAVE_VALUE_APPLIES_TO_ITEM", "INVALID_SAVE_VALUE_APPLIES_TO_ITEM")
        fields.take(1, "MISSING_STORE_COUPON_FLAG")
        fields.one_of("01", "MISSING_DONT_MULTIPLY_FLAG", "INVALID_DONT_MULTIPLY_FLAG")


def _purchase(fields: _Fields, which: str) -> None:
    name = f"{which}_PURCHASE_REQUIREMENT"
    fields.counted(name, _VALUE_LENGTHS, 0)
    fields.one_of(_REQUIREMENT_CODES, f"MISSING_{name}_CODE", f"INVALID_{name}_CODE")
    fields.take(3, f"TRUNCATED_{which}_PURCHASE_FAMILY_CODE")


def _validity(fields: _Fields) -> None:
    begin = fields.at
    # GS1 spells it so.
    end = fields.date("TOO_SHORT_FOR_EXPIRATION_DATE", "INVALID_EXIPIRATION_DATE") if fields.next_is("3") else ""
    start = fields.date("TOO_SHORT_FOR_START_DATE", "INVALID_START_DATE") if fields.next_is("4") else ""
    if start and end and _in_its_century(end) < _in_its_century(start):
        raise _FaultError(Fault("COUPON_EXPIRATION_BEFORE_START", begin, fields.at))


def _in_its_century(date: str) -> tuple[bool, str]:
    return date[:2] <= _LATEST, date


def _positive_offer(fields: _Fields) -> None:
    fields.one_of("01", "MISSING_FORMAT_CODE", "INVALID_FORMAT_CODE")
    fields.counted("FUNDER", _PREFIX_LENGTHS)
    fields.take(6, "TRUNCATED_OFFER_CODE")
    fields.counted("SERIAL_NUMBER", "0123456789")
