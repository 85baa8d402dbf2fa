"""Witnesses: where ours remembers what it cosigned, and how those of others are asked."""

from adapters.witness.key import cosigning_key
from adapters.witness.store import FileWitnessStore

__all__ = ["FileWitnessStore", "cosigning_key"]
