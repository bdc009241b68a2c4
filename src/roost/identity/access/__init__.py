"""Who is asking: tokens and session cookies turned into principals."""
