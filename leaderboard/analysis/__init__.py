"""What the records of a board say: estimates, tests, ranks, dials, and what a method is worth in data."""
