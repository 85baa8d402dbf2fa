"""Aircraft parts: where they were installed and by which release, and how much of their life is used."""
