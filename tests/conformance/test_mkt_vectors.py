"""Published cases of mean kinetic temperature and of shelf life, each run whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from traceability.supply_chain.cold_chain.kinetic import MILLIONTHS, Ints, life_consumed, mean_kinetic_temperature

ROOT = Path(__file__).resolve().parents[2]
VECTORS = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "domains/mkt/vectors.json"
pytestmark = pytest.mark.skipif(not VECTORS.is_file(), reason="shared fixtures absent")


def vectors(kind: str) -> list[Any]:
    cases: list[Any] = json.loads(VECTORS.read_bytes())[kind] if VECTORS.is_file() else []
    return cases


def scaled(numbers: Iterable[float], factor: int = MILLIONTHS) -> Ints:
    return np.array([round(number * factor) for number in numbers], np.int64)


@pytest.mark.parametrize("case", vectors("mkt"), ids=lambda case: case["name"])
def test_mean_kinetic_temperature(case: Any) -> None:
    temperatures, durations = zip(*case["segments"], strict=True)
    found = mean_kinetic_temperature(scaled(temperatures), scaled(durations, 3_600_000_000))
    assert found == pytest.approx(case["mkt"], abs=1e-6)


@pytest.mark.parametrize("case", vectors("shelf_life"))
def test_shelf_life(case: Any) -> None:
    hours = life_consumed(
        scaled([case["temperature_c"]]), scaled([case["hours"]], 1), q10=case["q10"], reference=case["tref_c"]
    )
    assert hours / 24 == pytest.approx(case["life_consumed_days_at_tref"], abs=1e-6)
