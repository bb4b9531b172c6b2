"""Training: from a RunSpec to a ResultRecord, under Lightning."""
