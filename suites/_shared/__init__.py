"""What several suites are made of; no suite, and nothing here registers one."""
