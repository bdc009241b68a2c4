"""Users, log-in, sessions, access tokens, workspaces and memberships."""
