"""What comes from others: a submission is read, held against its board, and never run."""
