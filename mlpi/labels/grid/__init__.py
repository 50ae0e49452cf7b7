"""The data manager: tasks filtered, ordered, a page at a time, and many at once."""
