"""Partners: sources of events that are asked, listened to or looked at, each with its own cursor and errors."""
