"""Shipments: what was advised, what came, and the exception cases of what differs."""
