"""Reviews: what was annotated is accepted, fixed or rejected by somebody else."""
