"""SQL that makes messages of a table's rows where the rows are."""

from roost.sync.clause.printing import literal
from roost.sync.definition import Definition
from roost.sync.identifiers import quoted
from roost.sync.messages import encode, key_prefix

_MOST_ARGUMENTS = 90
"""PostgreSQL takes 100 arguments a call."""


def message_sql(definition: Definition, mark: str | None = None) -> str:
    """SQL of a row's insert message as text; `mark` is SQL of a subset's number."""
    relation = definition.relation
    table = quoted(relation.name)
    texts = {name: relation.by_name[name].text_sql(table) for name in definition.columns}
    parts = [literal('{"key":'), f"to_json({_key_sql(definition, table)})"]
    glue = ',"value":{'
    for name, text in texts.items():
        parts += [literal(f"{glue}{encode(name).decode()}:"), _json_sql(text)]
        glue = ","
    names = encode([relation.schema, relation.name]).decode()
    opening = "{" if not texts else ""
    parts.append(literal(f'{opening}}},"headers":{{"operation":"insert","relation":{names}'))
    parts += [literal(',"snapshot_mark":'), mark] if mark else []
    parts.append(literal("}}"))
    return _concatenated(parts)


def _key_sql(definition: Definition, table: str) -> str:
    relation = definition.relation
    parts = [literal(key_prefix(relation))]
    for name in relation.key:
        text = f"replace({relation.by_name[name].text_sql(table)}, '/', '//')"
        parts.append(f"""coalesce('/"' || {text} || '"', '/_')""")
    return _concatenated(parts)


def _json_sql(text: str) -> str:
    return f"coalesce(to_json({text})::text, 'null')"


def _concatenated(parts: list[str]) -> str:
    chunks = [
        f"concat({', '.join(parts[start : start + _MOST_ARGUMENTS])})"
        for start in range(0, len(parts), _MOST_ARGUMENTS)
    ]
    return chunks[0] if len(chunks) == 1 else f"concat({', '.join(chunks)})"


def condition_sql(definition: Definition, array: str) -> str:
    """SQL of the shape's own condition, its parameters taken from a text array."""
    condition = definition.condition
    return "true" if condition is None else f"({condition.sql(array)})"


def parameters_of(definition: Definition) -> list[str]:
    """The values for `condition_sql`'s array."""
    return [] if definition.condition is None else definition.condition.values
