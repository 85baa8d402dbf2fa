"""Standing queries (EPCIS 2.0 §8.2.5): what a subscriber asks for, when it is due, and how its answer is signed."""
