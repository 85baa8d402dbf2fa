"""Capture: documents received, checked, and appended to the end, whatever happens meanwhile."""
