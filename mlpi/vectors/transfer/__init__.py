"""Collections from files, into files, and into copies of themselves."""
