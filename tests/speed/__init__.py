"""genbench beside its peers: the same images, weights and features, each measured thing in a process of its own."""
