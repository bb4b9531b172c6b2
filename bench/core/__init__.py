"""The few abstractions that everything else is written against."""
