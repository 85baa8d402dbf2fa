"""Feeds: what partners send, on disk before anybody is told that it was received."""
