"""The labeling page: what its script is told, and what it sends."""
