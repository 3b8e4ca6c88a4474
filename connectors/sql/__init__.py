"""The connector `sql`: any SQL database that SQLAlchemy reaches, by statements that the admin writes."""
