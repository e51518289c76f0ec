"""Compare the speed of genbench and its peers on the same images, weights and features, each in its own process."""
