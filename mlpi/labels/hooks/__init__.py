"""Webhooks: who is told of what is done in labeling, by Label Studio's words, at least once."""
