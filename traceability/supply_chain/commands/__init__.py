"""Commands: what an organisation asks to be done, checked against all that it sees, and recorded as events."""
