"""A Django app of the suite: empties the database after a test that has committed."""
