"""Browser data on its way into the database: sources, parsing, mapping, plan, apply."""
