"""What comes along with the client."""

import json
import subprocess
import sys

LOOK = "import roost.client, sys, json; print(json.dumps(sorted(sys.modules)))"
HEAVY = {"sqlalchemy", "litestar", "asyncpg", "uvicorn", "pglast", "opentelemetry", "cryptography"}


def test_importing_the_client_brings_nothing_of_the_server() -> None:
    ran = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, check=True)
    modules = json.loads(ran.stdout)
    ours = {name for name in modules if name.startswith("roost.")}
    assert ours
    assert all(name == "roost.client" or name.startswith("roost.client.") for name in ours)
    assert not HEAVY & {name.partition(".")[0] for name in modules}
