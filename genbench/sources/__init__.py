"""Where samples come from: folders, archives, data sets, arrays and 2-D toys."""
