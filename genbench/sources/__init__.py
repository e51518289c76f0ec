"""Sources of samples: folders, archives, data sets, arrays, streams and 2-D mixtures."""
