"""EPCIS in XML, 1.x and 2.0: read as its JSON twin (ADR 0010), and written."""
