"""What a repository is asked (EPCIS 2.0 §8.2.7): questions about events and master data, in every form they come in."""
