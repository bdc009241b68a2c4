"""`@electric-sql/react`: a component shows a table."""

from tests.sync.clients.engine import Engine
from tests.sync.clients.scripting import running


def test_a_component_shows_what_the_table_has(engine: Engine, issues: str) -> None:
    engine.run(f"insert into {issues} values (1, 'one')")
    with running("react.mjs", url=engine.shapes, params={"table": issues}) as page:
        page.wait_for(lambda line: line.get("rows") == ["one"], "the first row")
        engine.run(f"insert into {issues} values (2, 'two')")
        page.wait_for(lambda line: sorted(line.get("rows", [])) == ["one", "two"], "an insert")
        engine.run(f"delete from {issues} where id = 1")
        page.wait_for(lambda line: line.get("rows") == ["two"], "a delete")
        assert not any("error" in line.get("text", "") for line in page.lines())
