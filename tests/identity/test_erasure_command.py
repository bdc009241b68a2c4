"""`roost user erase`: it asks first."""

import os
import pty

from roost.db.roles import OWNER_ROLE
from tests.support.schema import as_role
from tests.support.server import document, run


def at_a_terminal(reply: str, *arguments: str) -> tuple[int, str]:
    """Run `roost` with somebody there to reply; gives its status and what it said."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{reply}\n".encode())
        done = run(*arguments, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout + done.stderr


def test_the_command_asks_first_and_erases_when_told_to(fresh_roost_database: str) -> None:
    place = ("--database-url", as_role(fresh_roost_database, OWNER_ROLE))
    made = document("user", "create", "ann@example.test", *place)
    code, said = at_a_terminal("n", "user", "erase", "ann@example.test", *place)
    assert code == 1
    assert "for good?" in said
    unasked = run("user", "erase", "ann@example.test", "--json", *place)
    assert (unasked.returncode, unasked.stdout) == (2, "")
    assert "--yes" in unasked.stderr
    unknown = run("user", "erase", "nobody@example.test", "--json", *place)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no user" in unknown.stderr
    done = document("user", "erase", "ann@example.test", "--yes", *place)
    assert done == {"id": made["id"]}
    document("user", "create", "bob@example.test", *place)
    code, said = at_a_terminal("y", "user", "erase", "bob@example.test", *place)
    assert code == 0, said
    again = run("user", "erase", "ann@example.test", "--yes", *place)
    assert again.returncode == 1
    assert "no user" in again.stderr
