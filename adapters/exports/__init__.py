"""Audit exports as files, and answers from them."""
