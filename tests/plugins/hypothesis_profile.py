"""Hypothesis without its clocks: by default an example that takes 200 ms fails, which on a busy machine is chance."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)  # so that --hypothesis-profile still wins
def pytest_configure() -> None:
    # Imported late: pytest could not rewrite the assertions of a module that a plugin has already imported.
    from hypothesis import HealthCheck, settings  # noqa: PLC0415

    settings.register_profile(
        "no-clocks", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
    )
    settings.load_profile("no-clocks")
