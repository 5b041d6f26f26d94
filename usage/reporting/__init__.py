"""What of the use is told to whom bills it."""
