"""The journal of row changes, the ticks that order it, and the windows between them."""
