"""A lot of a trade item: its stage, how much of it is where, its dates and certificates, and what was wrong."""
