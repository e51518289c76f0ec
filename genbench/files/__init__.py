"""Files on this computer: where they lie, how they are written, and the hashes of their contents."""
