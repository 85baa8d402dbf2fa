"""The cold chain: what temperatures add up to, and whether they kept to a profile of limits."""
