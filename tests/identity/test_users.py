"""Users over HTTP."""

import asyncio
from uuid import uuid4

import httpx

from tests.identity.conftest import Somebody, World

USERS = "/api/v1/users"


def _body(number: int, **more: object) -> dict[str, object]:
    return {
        "provider": "github",
        "providerId": str(number),
        "email": f"user{number}@example.test",
        "name": f"User {number}",
        **more,
    }


async def test_me_is_who_asks(identity_app: httpx.AsyncClient, ann: Somebody) -> None:
    answer = await identity_app.get(f"{USERS}/me", headers=ann.headers)
    assert answer.status_code == 200, answer.text
    user = answer.json()["data"]
    assert user["id"] == str(ann.id)
    assert (user["email"], user["role"], user["isActive"]) == (ann.email, "owner", True)
    assert user["profile"] == user["preferences"] == {}
    assert user["lastLoginAt"] is None
    assert len(user["createdAt"]) == len("2026-01-01T00:00:00.000000Z")
    again = await identity_app.get(
        f"{USERS}/me", headers={**ann.headers, "if-none-match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_nobody_gets_in_without_a_credential(identity_app: httpx.AsyncClient) -> None:
    for path in (USERS, f"{USERS}/me", "/api/v1/tokens", "/api/v1/workspaces"):
        answer = await identity_app.get(path)
        assert answer.status_code == 401, path
        assert answer.json()["code"] == "UNAUTHORIZED"


async def test_an_upsert_makes_a_member_once_and_then_updates(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    first = await identity_app.post(USERS, json=_body(1), headers=ann.headers)
    assert first.status_code == 201, first.text
    made = first.json()["data"]
    assert made["role"] == "member"
    assert first.headers["location"] == f"{USERS}/{made['id']}"
    second = await identity_app.post(
        USERS, json=_body(1, name="New name", email="moved@example.test"), headers=ann.headers
    )
    assert second.status_code == 200, second.text
    changed = second.json()["data"]
    assert (changed["id"], changed["version"]) == (made["id"], made["version"] + 1)
    assert (changed["name"], changed["email"]) == ("New name", "moved@example.test")
    listed = (await identity_app.get(USERS, headers=ann.headers)).json()
    assert listed["pagination"]["total"] == 2


async def test_a_known_email_is_the_same_conflict_wherever_it_is_and_links_nothing(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    for number in (1, 2):
        await identity_app.post(USERS, json=_body(number), headers=ann.headers)
    answers = [
        await identity_app.post(USERS, json=body, headers=ann.headers)
        for body in (
            _body(3, email="USER1@example.test"),
            _body(3, email=ann.email.upper()),
            _body(3, email=bob.email),
            _body(2, email=bob.email),
            _body(2, email=ann.email),
        )
    ]
    assert {answer.status_code for answer in answers} == {409}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert await world.owner.fetchval("select count(*) from identities") == 2
    assert await world.owner.fetchval("select count(*) from users") == 4


async def test_somebody_elses_email_or_identity_is_a_conflict_that_tells_nothing(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    await identity_app.post(USERS, json=_body(1), headers=bob.headers)
    by_email = await identity_app.post(USERS, json=_body(2, email=bob.email), headers=ann.headers)
    by_identity = await identity_app.post(
        USERS, json=_body(1, email="new@example.test"), headers=ann.headers
    )
    for answer in (by_email, by_identity):
        assert answer.status_code == 409
        assert answer.json()["code"] == "CONFLICT"
        assert str(bob.id) not in answer.text
        assert "lower(email)" not in answer.text
    listed = (await identity_app.get(USERS, headers=ann.headers)).json()
    assert listed["pagination"]["total"] == 1


async def test_an_admin_has_no_say_over_a_user_who_has_another_home(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, 'member')",
        ann.workspace_id,
        uuid4(),
        bob.id,
    )
    await identity_app.post(USERS, json=_body(1, email="b@example.test"), headers=bob.headers)
    await world.owner.execute("update identities set user_id = $1", bob.id)
    answer = await identity_app.post(USERS, json=_body(1), headers=ann.headers)
    assert answer.status_code == 403
    deleted = await identity_app.delete(f"{USERS}/{bob.id}", headers=ann.headers)
    assert deleted.status_code == 403
    assert (await identity_app.get(f"{USERS}/me", headers=bob.headers)).status_code == 200


async def test_the_same_user_added_twice_at_once_is_one_user(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    answers = await asyncio.gather(
        *(identity_app.post(USERS, json=_body(7), headers=ann.headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {200, 201}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1


async def test_a_bad_identity_names_its_field(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    for name, value in (
        ("email", "nobody"),
        ("email", "a@b\n"),
        ("email", "a b@c"),
        ("provider", "git hub"),
        ("provider", "github\n"),
        ("providerId", ""),
        ("providerId", "\x00"),
        ("avatarUrl", "x" * 2001),
        ("role", "owner"),
    ):
        answer = await identity_app.post(USERS, json=_body(1, **{name: value}), headers=ann.headers)
        assert answer.status_code == 400, (name, value)
        assert answer.json()["errors"][0]["field"] == name
    listed = (await identity_app.get(USERS, headers=ann.headers)).json()
    assert listed["pagination"]["total"] == 1


async def test_only_an_admin_adds_users(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    answer = await identity_app.post(USERS, json=_body(1), headers=member.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_a_merge_patch_reaches_into_the_objects(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    path = f"{USERS}/{ann.id}"
    big = 2**80 + 1
    first = {"preferences": {"theme": "dark", "editor": {"tab": 2, "big": big}}, "name": "Ann"}
    answer = await identity_app.patch(path, json=first, headers=ann.headers)
    assert answer.status_code == 200, answer.text
    second = {
        "preferences": {"editor": {"tab": None, "wrap": True}},
        "avatarUrl": "https://x.test/a",
    }
    answer = await identity_app.patch(path, json=second, headers=ann.headers)
    user = answer.json()["data"]
    assert user["preferences"] == {"theme": "dark", "editor": {"big": big, "wrap": True}}
    assert (user["name"], user["avatarUrl"]) == ("Ann", "https://x.test/a")
    cleared = await identity_app.patch(
        path, json={"preferences": None, "avatarUrl": None}, headers=ann.headers
    )
    assert cleared.json()["data"]["preferences"] == {}
    assert cleared.json()["data"]["avatarUrl"] is None


async def test_a_bad_patch_names_the_field_and_changes_nothing(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    path = f"{USERS}/{ann.id}"
    for body, field in (
        ({"email": "x@y.test"}, "email"),
        ({"name": 3}, "name"),
        ({"name": None}, "name"),
        ({"profile": [1]}, "profile"),
        ({"profile": {"a": "\x00"}}, "profile.a"),
        ({"profile": {"a": "x" * 70_000}}, "profile"),
    ):
        answer = await identity_app.patch(path, json=body, headers=ann.headers)
        assert answer.status_code == 400, body
        assert answer.json()["errors"][0]["field"] == field
    user = (await identity_app.get(path, headers=ann.headers)).json()["data"]
    assert (user["version"], user["profile"]) == (1, {})


async def test_of_two_writers_with_the_same_version_one_wins(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    path = f"{USERS}/{ann.id}"
    etag = (await identity_app.get(path, headers=ann.headers)).headers["etag"]
    answers = await asyncio.gather(
        *(
            identity_app.patch(
                path, json={"profile": {"n": n}}, headers={**ann.headers, "if-match": etag}
            )
            for n in range(2)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    [lost] = [answer for answer in answers if answer.status_code == 412]
    assert lost.json()["currentVersion"] == 2
    assert lost.headers["etag"] == '"v2"'


async def test_a_member_changes_only_themselves(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "viewer", ["*"])
    own = await identity_app.patch(
        f"{USERS}/{member.id}", json={"name": "Me"}, headers=member.headers
    )
    assert own.status_code == 200
    other = await identity_app.patch(
        f"{USERS}/{ann.id}", json={"name": "You"}, headers=member.headers
    )
    assert other.status_code == 403
    by_admin = await identity_app.patch(
        f"{USERS}/{member.id}", json={"name": "They"}, headers=ann.headers
    )
    assert by_admin.json()["data"]["name"] == "They"


async def test_an_admin_does_nothing_to_an_owner(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    admin = await world.member(ann, "admin@example.test", "admin", ["*"])
    path = f"{USERS}/{ann.id}"
    assert (await identity_app.delete(path, headers=admin.headers)).status_code == 403
    sessions = await identity_app.delete(f"{path}/sessions", headers=admin.headers)
    assert sessions.status_code == 403
    taken_over = await identity_app.post(
        USERS, json=_body(9, email=ann.email), headers=admin.headers
    )
    assert taken_over.status_code == 409


async def test_a_foreign_user_is_a_404_like_one_that_does_not_exist(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    for user_id in (bob.id, uuid4()):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("GET", "/sessions"),
            ("DELETE", "/sessions"),
            ("DELETE", f"/sessions/{uuid4()}"),
        ):
            body = {"name": "x"} if method == "PATCH" else None
            answer = await identity_app.request(
                method, f"{USERS}/{user_id}{path}", json=body, headers=ann.headers
            )
            assert (answer.status_code, answer.json()["code"]) == (404, "USER_NOT_FOUND"), path


async def test_a_deactivated_user_is_out_at_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    cookie = await world.log_in(identity_app, member)
    by_session = {"cookie": f"roost_session={cookie}"}
    for headers in (member.headers, by_session):
        assert (await identity_app.get(f"{USERS}/me", headers=headers)).status_code == 200
    answer = await identity_app.delete(f"{USERS}/{member.id}", headers=ann.headers)
    assert answer.status_code == 204, answer.text
    for headers in (member.headers, by_session):
        assert (await identity_app.get(f"{USERS}/me", headers=headers)).status_code == 401
    shown = (await identity_app.get(f"{USERS}/{member.id}", headers=ann.headers)).json()["data"]
    assert shown["isActive"] is False
    only_active = await identity_app.get(f"{USERS}?isActive=true", headers=ann.headers)
    assert [user["id"] for user in only_active.json()["data"]] == [str(ann.id)]
    live = "select count(*) from access_tokens where user_id = $1 and revoked_at is null"
    assert await world.owner.fetchval(live, member.id) == 0


async def test_a_user_is_deactivated_only_as_they_were_read(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    path = f"{USERS}/{member.id}"
    etag = (await identity_app.get(path, headers=ann.headers)).headers["etag"]
    await identity_app.patch(path, json={"name": "New"}, headers=ann.headers)
    stale = {**ann.headers, "if-match": etag}
    refused = await identity_app.delete(path, headers=stale)
    assert (refused.status_code, refused.json()["currentVersion"]) == (412, 2)
    fresh = (await identity_app.get(path, headers=ann.headers)).headers["etag"]
    answer = await identity_app.delete(path, headers={**ann.headers, "if-match": fresh})
    assert answer.status_code == 204, answer.text


async def test_the_last_owner_stays(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    answer = await identity_app.delete(f"{USERS}/{ann.id}", headers=ann.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    await world.member(ann, "co@example.test", "owner", ["*"])
    answer = await identity_app.delete(f"{USERS}/{ann.id}", headers=ann.headers)
    assert answer.status_code == 204, answer.text


async def test_two_owners_cannot_deactivate_each_other_at_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    other = await world.member(ann, "co@example.test", "owner", ["*"])
    answers = await asyncio.gather(
        identity_app.delete(f"{USERS}/{ann.id}", headers=ann.headers),
        identity_app.delete(f"{USERS}/{other.id}", headers=other.headers),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_users_are_found_by_plain_parts_of_name_and_email(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    for number, name in enumerate(("100% Sure", "snake_case", "Plain")):
        await identity_app.post(USERS, json=_body(number, name=name), headers=ann.headers)
    for text, expected in (
        ("%", ["100% Sure"]),
        ("_", ["snake_case"]),
        ("PLAI", ["Plain"]),
        ("user1@", ["snake_case"]),
        ("nothing", []),
    ):
        answer = await identity_app.get(USERS, params={"search": text}, headers=ann.headers)
        assert [user["name"] for user in answer.json()["data"]] == expected, text
    roles = await identity_app.get(USERS, params={"role": "owner,viewer"}, headers=ann.headers)
    assert [user["role"] for user in roles.json()["data"]] == ["owner"]


async def test_pages_by_number_and_by_cursor_give_every_user_once(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    for number in range(6):
        await identity_app.post(USERS, json=_body(number, name="Same"), headers=ann.headers)
    for sort in ("name", "-createdAt", "-lastLoginAt,email", "updated_at"):
        by_number: list[str] = []
        for page in (1, 2, 3, 4):
            params = {"sort": sort, "limit": "2", "page": str(page)}
            found = (await identity_app.get(USERS, params=params, headers=ann.headers)).json()
            assert found["pagination"]["totalPages"] == 4
            by_number += [user["id"] for user in found["data"]]
        by_cursor: list[str] = []
        params = {"sort": sort, "limit": "2"}
        while True:
            found = (await identity_app.get(USERS, params=params, headers=ann.headers)).json()
            by_cursor += [user["id"] for user in found["data"]]
            if found["pagination"]["nextCursor"] is None:
                break
            params["cursor"] = found["pagination"]["nextCursor"]
        assert len(set(by_number)) == 7
        assert by_number == by_cursor, sort


async def test_bad_parameters_are_named(identity_app: httpx.AsyncClient, ann: Somebody) -> None:
    for query in ("sort=color", "page=0", "limit=101", "role=king", "isActive=perhaps", "x=1",
                  "cursor=AAAA", "page=1&cursor=AAAA", "sortBy=name&sortOrder=up"):  # fmt: skip
        answer = await identity_app.get(f"{USERS}?{query}", headers=ann.headers)
        assert answer.status_code == 400, query
    bad_id = await identity_app.get(f"{USERS}/none", headers=ann.headers)
    assert bad_id.json()["errors"][0]["field"] == "id"


async def test_a_user_whose_own_workspace_can_be_restored_is_not_anothers_to_deactivate(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, 'member')",
        ann.workspace_id,
        uuid4(),
        bob.id,
    )
    ago = "update workspaces set deleted_at = now() - $2::text::interval where id = $1"
    for since, status in (("0 days", 403), ("29 days", 403), ("31 days", 204)):
        await world.owner.execute(ago, bob.workspace_id, since)
        answer = await identity_app.delete(f"{USERS}/{bob.id}", headers=ann.headers)
        assert answer.status_code == status, (since, answer.text)
