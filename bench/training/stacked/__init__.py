"""Several seeds of one method trained as one."""
