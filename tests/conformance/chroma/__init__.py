"""Chroma's own tests and raw requests, run against `mlpi serve` and `chroma run`, and compared."""
