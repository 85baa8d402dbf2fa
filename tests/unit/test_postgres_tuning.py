"""Settings of the embedded server follow the machine and stay durable."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.postgres import tuning


def megabytes(settings: dict[str, str], name: str) -> int:
    return int(settings[name].removesuffix("MB"))


@pytest.mark.parametrize(
    ("memory", "buffers"), [(256 << 20, 64), (2 << 30, 256), (16 << 30, 2048), (1 << 40, 4096)], ids=str
)
def test_the_cache_is_an_eighth_of_the_memory_within_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memory: int, buffers: int
) -> None:
    monkeypatch.setattr(tuning, "memory_bytes", lambda: memory)
    settings = tuning.server_settings(tmp_path)
    assert megabytes(settings, "shared_buffers") == buffers
    assert megabytes(settings, "min_wal_size") < megabytes(settings, "max_wal_size")
    assert {settings[name] for name in ("fsync", "synchronous_commit", "full_page_writes")} == {"on"}
    assert settings["listen_addresses"] == ""


@pytest.mark.parametrize("text", ["max\n", "", "9223372036854771712\n"], ids=["max", "empty", "more than there is"])
def test_no_container_limit_means_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(tuning, "_CGROUP_LIMIT", limit)
    machine = tuning.memory_bytes()
    limit.write_text(text)
    assert tuning.memory_bytes() == machine


def test_a_container_s_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("134217728\n")
    monkeypatch.setattr(tuning, "_CGROUP_LIMIT", limit)
    assert tuning.memory_bytes() == 134217728
