"""One Redis or Valkey that workers share, for what is nice to have: everything works without."""

from roost.redis.connecting import RedisAwayError, connect

__all__ = ["RedisAwayError", "connect"]
