"""Pages for people: rendered on the server, readable without JavaScript, nothing from another origin."""
