"""PostgreSQL: a private server, migrations, connections, and every SQL statement of the project."""
