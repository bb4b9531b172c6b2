"""The harness of mtlbench: tasks, sharing, constraints, weightings, training, engines, command line."""
