"""Predictions by models: which model, how its answers become results, and the jobs that ask it."""
