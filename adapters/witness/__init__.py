"""Witnesses: where ours remembers what it cosigned, and how those of others are asked."""

from adapters.witness.store import FileWitnessStore

__all__ = ["FileWitnessStore"]
