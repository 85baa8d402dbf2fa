import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.application_identifiers import validated
from traceability.gs1.check_digits import check_digit, check_pair
from traceability.gs1.errors import IdentifierError

DIGITS = "0123456789"
KEYS_BY_LENGTH = {13: "414", 14: "01", 17: "402", 18: "00"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [("0952123400001", "3"), ("09521234000000001", "3"), ("952123400000", "6"), ("0", "0"), ("5", "5")],
)
def test_a_known_check_digit(body: str, expected: str) -> None:
    assert check_digit(body) == expected


@given(st.sampled_from(sorted(KEYS_BY_LENGTH)).flatmap(lambda n: st.text(DIGITS, min_size=n - 1, max_size=n - 1)))
def test_every_error_in_one_digit_is_found(body: str) -> None:
    number = body + check_digit(body)
    key = KEYS_BY_LENGTH[len(number)]
    assert validated(key, number) == number
    for position, right in enumerate(number):
        for wrong in DIGITS.replace(right, ""):
            with pytest.raises(IdentifierError) as refused:
                validated(key, number[:position] + wrong + number[position + 1 :])
            assert refused.value.code == "gs1.check_digit"


@given(st.text(DIGITS, min_size=12, max_size=12).map(lambda body: body + check_digit(body)), st.integers(0, 11))
def test_neighbours_swapped_are_found_unless_they_differ_by_five(gln: str, position: int) -> None:
    left, right = gln[position], gln[position + 1]
    swapped = gln[:position] + right + left + gln[position + 2 :]
    found = check_digit(swapped[:-1]) != swapped[-1]
    assert found == (abs(int(left) - int(right)) not in {0, 5})


@given(st.from_regex(r"[0-9]{4}[A-Za-z0-9!%/]{1,19}", fullmatch=True), st.data())
def test_a_model_number_with_one_wrong_character_is_refused(body: str, data: st.DataObject) -> None:
    number = body + check_pair(body)
    assert validated("8013", number) == number
    position = data.draw(st.integers(4, len(body) - 1))
    wrong = data.draw(st.sampled_from("ABCxyz019").filter(lambda character: character != number[position]))
    with pytest.raises(IdentifierError) as refused:
        validated("8013", number[:position] + wrong + number[position + 1 :])
    assert refused.value.code == "gs1.check_digit"
