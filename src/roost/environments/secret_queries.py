"""The statements on environments' secrets."""

from sqlalchemy import LargeBinary, Text, Uuid, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from roost.db.statements import Statement, compiled
from roost.environments.tables import environment_secrets

_c = environment_secrets.c
_mine = _c.workspace_id == bindparam("workspace", type_=Uuid)
_here = _mine & (_c.environment_id == bindparam("environment", type_=Uuid))
_named = _here & (_c.name == bindparam("secret", type_=Text))


def _put_secret() -> Statement:
    made = insert(environment_secrets).values(
        workspace_id=bindparam("workspace", type_=Uuid),
        id=bindparam("new_id", type_=Uuid),
        environment_id=bindparam("environment", type_=Uuid),
        name=bindparam("secret", type_=Text),
        ciphertext=bindparam("new_ciphertext", type_=LargeBinary),
    )
    replaced = made.on_conflict_do_update(
        index_elements=[_c.workspace_id, _c.environment_id, _c.name],
        set_={"ciphertext": made.excluded.ciphertext, "updated_at": func.now()},
    )
    return compiled("insert environment_secrets", replaced)


PUT_SECRET = _put_secret()
DELETE_SECRET = compiled(
    "delete environment_secrets",
    delete(environment_secrets).where(_named).returning(_c.id),
)
SECRETS = compiled("select environment_secrets", select(_c.name, _c.ciphertext).where(_here))
NAMES = compiled("select environment_secrets.names", select(_c.name).where(_here).order_by(_c.name))
ALL_SECRETS = compiled(
    "select environment_secrets.all",
    select(_c.id, _c.ciphertext).where(_mine).order_by(_c.id).with_for_update(),
)
RESEAL_SECRET = compiled(
    "update environment_secrets",
    update(environment_secrets)
    .where(_mine, _c.id == bindparam("secret_id", type_=Uuid))
    .values(ciphertext=bindparam("new_ciphertext", type_=LargeBinary)),
)
