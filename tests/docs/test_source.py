"""What the security page says that the code never does, looked for in all of the code."""

import ast
from collections.abc import Iterator

from tests.docs.pages import ROOT

SOURCE = ROOT / "src" / "roost"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in FILES}
# Formats that can carry code, or reach beyond themselves; parsers of templates; shells.
UNSAFE = {"dill", "jinja2", "lxml", "mako", "marshal", "pickle", "shelve", "xml", "yaml"}
# Of the development group: what a production's installation does not have.
FOR_TESTS = {"hypothesis", "pytest", "playwright", "schemathesis", "oidc_provider_mock", "tests"}
OTHER_CRYPTO = {"Crypto", "Cryptodome", "bcrypt", "jose", "jwt", "nacl", "passlib", "rsa"}
WEAK = {"ARC4", "Blowfish", "ECB", "MD5", "PKCS1v15", "SHA1", "TripleDES", "md5"}
# Where chance keeps nothing secret: pauses between tries, ids of traces, cursors of shapes.
CHANCE = {
    "client/wire.py",
    "db/pool.py",
    "executions/claiming.py",
    "identity/access/listener.py",
    "migration/ledger.py",
    "migration/carrying.py",
    "performance/benchmarks/comparing.py",
    "performance/benchmarks/scratch.py",
    "sync/answer.py",
    "sync/subset.py",
    "telemetry/exchange.py",
    "telemetry/spans.py",
}


def imports(tree: ast.AST) -> Iterator[str]:
    """Give the packages that are imported anywhere, functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Give each call with the last part of what is called: `run` of `subprocess.run()`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield f".{node.func.attr}", node
            elif isinstance(node.func, ast.Name):
                yield node.func.id, node


def words(tree: ast.AST) -> set[str]:
    """Give the names of attributes, and of what is imported from somewhere."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {name.name for name in node.names}
    return found


def given(call: ast.Call, name: str) -> object:
    """Give the constant that an argument by name has, if it is one."""
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def test_there_is_code_to_look_at() -> None:
    assert len(FILES) > 100
    found = {name for tree in TREES.values() for name in imports(tree)}
    assert {"hashlib", "secrets", "subprocess", "random", "cryptography"} <= found


def test_no_text_is_run_as_code_and_no_shell_is_asked() -> None:
    forbidden = {"eval", "exec", "compile", "__import__", ".system", ".popen"}
    for file, tree in TREES.items():
        for name, call in calls(tree):
            assert name not in forbidden | {".create_subprocess_shell"}, (file, name)
            assert given(call, "shell") is not True, file


def test_no_format_that_can_carry_code_is_read_and_no_template_made_of_input() -> None:
    for file, tree in TREES.items():
        assert not set(imports(tree)) & UNSAFE, file
        for name, call in calls(tree):
            assert name not in {"Template", ".format_map"}, file
            if name == ".format":
                assert isinstance(call.func, ast.Attribute)
                kept = isinstance(call.func.value, ast.Constant | ast.Name)
                assert kept or ast.unparse(call.func.value) == "msgspec.json", (file, name)


def test_cryptography_is_that_of_known_libraries_and_not_of_weak_kinds() -> None:
    for file, tree in TREES.items():
        assert not set(imports(tree)) & OTHER_CRYPTO, file
        assert not words(tree) & WEAK, file
        # Names for rows of migrated data (UUID version 5), which keep nothing secret.
        assert "sha1" not in words(tree) or file == "migration/ids.py", file


def test_secrets_are_not_made_by_chance_that_can_be_foreseen() -> None:
    assert {file for file, tree in TREES.items() if "random" in set(imports(tree))} <= CHANCE


def test_no_certificate_is_taken_unseen_and_no_redirect_followed() -> None:
    for file, tree in TREES.items():
        for _, call in calls(tree):
            assert given(call, "verify") is not False, file
            assert given(call, "follow_redirects") is not True, file
        assert not words(tree) & {"CERT_NONE", "_create_unverified_context", "check_hostname"}, file


def test_nothing_of_the_tests_is_needed_to_serve() -> None:
    for file, tree in TREES.items():
        assert not set(imports(tree)) & FOR_TESTS, file


def test_what_is_forbidden_is_found() -> None:
    tree = ast.parse("import pickle\nsubprocess.run('x', shell=True)\neval('1')\nhashlib.md5()\n")
    assert set(imports(tree)) & UNSAFE == {"pickle"}
    found = dict(calls(tree))
    assert "eval" in found
    assert given(found[".run"], "shell") is True
    assert words(tree) & WEAK == {"md5"}
