"""What was labeled, as files: formats, answers that stream, and snapshots that stay."""
