"""Ready configurations: `catalogue` has them all; each is tried on its own sample by a test."""
