"""The product on one machine, for its engineers: servers, the stack, the demo, demo data."""
