"""Documents for people: PDF."""
