"""The coherent cache: what was read is kept until a tick, or a commit here, touches it."""
