"""Regulatory clocks: how long there is to answer, and whether it was answered in time."""
