"""MLflow's own tests, run against `mlpi serve` and against stock MLflow, and compared."""
