"""Witnesses: where ours remembers what it cosigned, and how those of others are asked."""

from adapters.witness.client import HttpWitnesses
from adapters.witness.key import cosigning_key
from adapters.witness.store import FileWitnessStore

__all__ = ["FileWitnessStore", "HttpWitnesses", "cosigning_key"]
