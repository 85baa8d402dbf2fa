"""Check digits and check characters (GS1 General Specifications §7.9.1 and §7.9.5)."""

from __future__ import annotations

from typing import Final

_PAIR_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PAIR_MODULUS: Final = 1021
# One prime for each place in front of the pair, counted from the right.
_PAIR_WEIGHTS: Final = tuple(
    [number for number in range(2, 510) if all(number % divisor for divisor in range(2, int(number**0.5) + 1))]
)
LONGEST_PAIRED: Final = len(_PAIR_WEIGHTS)
"""Characters for which there is a check pair; AI (8013) has at most 23."""
_CSET82: Final = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_CSET82_VALUE: Final = {character: value for value, character in enumerate(_CSET82)}


def check_digit(digits: str) -> str:
    """Return the modulo-10 check digit that follows `digits` (ASCII digits, not empty).

    The weights 3, 1, 3 … run from the right, so the same rule serves GTINs, SSCCs, GLNs and GSRNs of any length.
    """
    values = digits.encode("ascii")
    # Each byte carries an excess of 0x30 that must not survive the weights.
    heavy, light = values[::-2], values[-2::-2]
    total = 3 * (sum(heavy) - 48 * len(heavy)) + sum(light) - 48 * len(light)
    return str(-total % 10)


def check_pair(characters: str) -> str:
    """Return the two check characters that follow `characters` (CSET 82, at most `LONGEST_PAIRED`)."""
    total = sum(
        weight * _CSET82_VALUE[character]
        for weight, character in zip(_PAIR_WEIGHTS, reversed(characters), strict=False)
    )
    high, low = divmod(total % _PAIR_MODULUS, len(_PAIR_ALPHABET))
    return _PAIR_ALPHABET[high] + _PAIR_ALPHABET[low]
