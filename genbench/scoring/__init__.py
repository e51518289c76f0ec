"""From a subject and a reference to a Result."""
