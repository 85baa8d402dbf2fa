"""Recall: cases, what is in their scope, who was told, and what came of it."""
