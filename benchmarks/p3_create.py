"""P3: POST a task, journaled, fsync on."""

from benchmarks import load, peers, pocketbase, roost_server
from benchmarks.measure import Plan, interleaved
from benchmarks.stage import LIMIT, Stage
from benchmarks.table import Verdict, report


def run(stage: Stage, plan: Plan) -> None:
    """Measure and print."""
    contenders, _ = stage.contenders(
        roost_server.create_request,
        peers.create_request,
        pocketbase.PocketBase.create_request,
        roost_server.insert_script(),
        # As many as wrk has: they share the fsync of a group commit.
        load.CONNECTIONS,
    )
    figures = interleaved(contenders, plan)
    rate = figures[roost_server.NAME].rate
    report(
        "p3",
        "P3  POST a task",
        figures,
        [
            Verdict(
                f"requests/s of {peers.NEXTJS}",
                rate / figures[peers.NEXTJS].rate,
                3,
                at_most=False,
                unit=" x",
            ),
            Verdict(
                "requests/s of pgbench", rate / figures[LIMIT].rate, 0.40, at_most=False, unit=" x"
            ),
        ],
        [
            "Roost and pgbench write the journal and the search index too; the peers have neither.",
            "PocketBase does not wait for the disk at a commit: synchronous=NORMAL.",
        ],
    )
