"""The cases: each drives one path of one world for a moment and says how much it did."""
