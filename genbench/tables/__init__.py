"""Results, comparisons and gates as text: what a terminal prints, and the formats for papers and programs."""
