"""A package of a medicine: whether it may be dispensed, and what was wrong with what was said of it."""
