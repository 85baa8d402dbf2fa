"""The CBV event hash (CBV 2.0 §8.9), by the rules and as the reference implementation has it (ADR 0011)."""
