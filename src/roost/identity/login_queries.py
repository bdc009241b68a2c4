"""The statements of logging in and out."""

from sqlalchemy import Text, and_, bindparam, func, insert, update

from roost.db.statements import compiled
from roost.identity.principals import LIFETIME
from roost.identity.queries import USER
from roost.identity.tables import login_links, sessions, users

_l, _s, _u = login_links.c, sessions.c, users.c
_hash = bindparam("token_hash", type_=_l.token_hash.type)

# One row, one winner: who comes second waits for the row, and then finds it used.
USE_LINK = compiled(
    "update login_links.use",
    update(login_links)
    .where(and_(_l.token_hash == _hash, _l.used_at.is_(None), _l.expires_at > func.now()))
    .values(used_at=func.now())
    .returning(_l.user_id),
)
# The version stays: nobody's edit is spoilt by a log-in.
LOGGED_IN = compiled(
    "update users.login",
    update(users)
    .where(_u.id == USER, _u.is_active)
    .values(last_login_at=func.now())
    .returning(_u.id),
)
INSERT_SESSION = compiled(
    "insert sessions",
    insert(sessions).values(
        id=bindparam("new_id", type_=_s.id.type),
        user_id=USER,
        token_hash=_hash,
        user_agent=bindparam("user_agent", type_=Text),
        address=bindparam("address", type_=Text),
        expires_at=func.now() + LIFETIME,
    ),
)
END_PRESENTED = compiled(
    "update sessions.presented",
    update(sessions)
    .where(_s.token_hash == _hash, _s.revoked_at.is_(None))
    .values(revoked_at=func.now()),
)
