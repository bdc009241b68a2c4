"""Access tokens of people, and the agents that service tokens act for."""
