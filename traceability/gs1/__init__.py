"""GS1 keys and identifiers: check digits, Application Identifiers, Digital Links, EPC URNs."""
