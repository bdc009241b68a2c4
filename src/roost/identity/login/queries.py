"""The statements of logging in and out."""

from sqlalchemy import Boolean, Text, Uuid, and_, bindparam, func, insert, or_, select, update

from roost.db.statements import compiled
from roost.identity.access.principals import LIFETIME, live_session
from roost.identity.queries import USER, new_row
from roost.identity.tables import identities, login_links, sessions, users

_l, _s, _u, _i = login_links.c, sessions.c, users.c, identities.c
_hash = bindparam("token_hash", type_=_l.token_hash.type)

# One row, one winner: who comes second waits for the row, and then finds it used.
USE_LINK = compiled(
    "update login_links.use",
    update(login_links)
    .where(and_(_l.token_hash == _hash, _l.used_at.is_(None), _l.expires_at > func.now()))
    .values(used_at=func.now())
    .returning(_l.user_id),
)
# The version stays: nobody's edit is spoilt by a log-in. Agents have tokens, and log in by nothing.
LOGGED_IN = compiled(
    "update users.login",
    update(users)
    .where(_u.id == USER, _u.is_active, _u.kind == "person")
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
FIND_BY_SUBJECT = compiled(
    "select identities.subject",
    select(_i.id, _i.user_id, _i.issuer).where(
        _i.subject_hash == bindparam("subject_hash", type_=_i.subject_hash.type)
    ),
)
"""Finds the identity that was proved; run with its subject's digest as the credential."""
_issuer = bindparam("issuer", type_=Text)
SEEN_AT_PROVIDER = compiled(
    "update identities.login",
    update(identities)
    .where(
        _i.id == bindparam("identity", type_=Uuid),
        _i.user_id == USER,
        or_(_i.issuer.is_(None), _i.issuer == _issuer),
    )
    .values(
        issuer=_issuer,
        email=bindparam("email", type_=Text),
        email_verified=bindparam("email_verified", type_=Boolean),
        name=bindparam("name", type_=Text),
        last_login_at=func.now(),
    )
    .returning(_i.id),
)
INSERT_SEEN = compiled(
    "insert identities.login",
    new_row(
        identities,
        "id",
        "user_id",
        "provider",
        "subject",
        "subject_hash",
        "issuer",
        "email",
        "email_verified",
        "name",
    ).values(last_login_at=func.now()),
)
IS_EMAIL_PROVED = compiled(
    "select is_email_proved",
    select(func.is_email_proved(bindparam("email", type_=Text), type_=Boolean).label("is_proved")),
)
LINKING_SESSION = compiled(
    "select sessions.linking",
    select(_s.id)
    .join(users, _u.id == _s.user_id)
    .where(
        _s.token_hash == _hash,
        _s.id == bindparam("session", type_=Uuid),
        _s.user_id == USER,
        _u.is_active,
        live_session(),
    )
    .with_for_update(key_share=True, of=sessions),
)
"""Locks the session that began to link, if it still lives and is the one that was presented."""
