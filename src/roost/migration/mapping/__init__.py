"""One file for each kind of thing that is found: from its stored shape to a draft."""
