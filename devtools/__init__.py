"""Tools for developers: embedded servers, the local stack, the demo, demo data."""
