"""The life of some tasks over HTTP, to be lived on any kind of database."""

import httpx

TASKS = "/api/v1/tasks"


async def one_life(client: httpx.AsyncClient, name: str) -> None:
    """Make, read, list, search, change, talk about, batch and delete tasks of one tenant."""
    made = await client.post(TASKS, json={"title": f"{name} one", "labels": [name]})
    assert made.status_code == 201, made.text
    task = made.json()["data"]
    item = f"{TASKS}/{task['id']}"
    assert (await client.get(item)).json()["data"] == task
    changed = await client.patch(item, json={"status": "in_progress"}, headers={"if-match": '"v1"'})
    assert changed.json()["data"]["version"] == 2, changed.text
    put = await client.put(item, json={"title": f"{name} two"})
    assert put.status_code == 200, put.text
    for number in range(2):
        said = await client.post(f"{item}/messages", json={"role": "user", "text": str(number)})
        assert said.status_code == 201, said.text
    assert len((await client.get(f"{item}/messages")).json()["data"]) == 2
    batch = [{"op": "create", "task": {"title": f"{name} {n}"}} for n in range(5)]
    done = await client.post(f"{TASKS}/batch", json={"operations": batch})
    assert done.status_code == 200, done.text
    page = (await client.get(TASKS, params={"limit": 100})).json()
    assert page["pagination"]["total"] == 6
    assert all(task["title"].startswith(f"{name} ") for task in page["data"])
    found = (await client.get(f"{TASKS}/search", params={"search": f"{name} two"})).json()["data"]
    assert found
    assert all(task["title"].startswith(f"{name} ") for task in found)
    for task in page["data"]:
        assert (await client.delete(f"{TASKS}/{task['id']}")).status_code == 204
    assert (await client.get(TASKS)).json()["data"] == []
