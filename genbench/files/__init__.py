"""Files on this computer: the cache folders, atomic writing, progress bars and cached hashes of file contents."""
