"""Records of use: taken in, corrected, voided, kept for a time."""
