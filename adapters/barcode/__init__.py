"""Codes that a phone or a scanner reads, drawn and decoded."""
