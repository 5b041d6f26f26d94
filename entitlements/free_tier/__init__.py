"""What everybody has who has bought nothing."""
