"""The real label_studio_sdk against a running service."""
