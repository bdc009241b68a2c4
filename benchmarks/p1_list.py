"""P1: the newest 20 of my 200 tasks, and how many there are, among 200,000 of 1,000 tenants."""

from benchmarks import peers, pocketbase, roost_server
from benchmarks.measure import Figures, Plan, interleaved
from benchmarks.stage import LIMIT, Stage
from benchmarks.table import Verdict, report

# The limit is where more clients no longer help.
_LIMIT_CLIENTS = 8


def run(stage: Stage, plan: Plan) -> None:
    """Measure and print."""
    contenders, sizes = stage.contenders(
        roost_server.list_request,
        peers.list_request,
        pocketbase.PocketBase.list_request,
        roost_server.list_script(),
        _LIMIT_CLIENTS,
    )
    figures = interleaved(contenders, plan)
    bodies = ", ".join(f"{name} {size / 1000:.1f} kB" for name, size in sizes.items())
    report(
        "p1",
        "P1  GET a page of tasks",
        figures,
        verdicts(figures),
        [f"Bodies: {bodies}.", "Roost: authenticated, tenant by RLS, telemetry at its default."],
    )


def verdicts(figures: dict[str, Figures]) -> list[Verdict]:
    """Hold the figures against the budget."""
    roost = figures[roost_server.NAME]

    def cpu_against(name: str, bound: float) -> Verdict:
        return Verdict(
            f"CPU per request of {name}", roost.total / figures[name].total, bound, unit=" x"
        )

    return [
        cpu_against(peers.NEXTJS, 0.20),
        cpu_against(peers.HONO, 0.70),
        cpu_against(pocketbase.NAME, 0.55),
        Verdict(
            "requests/s of pgbench",
            roost.rate / figures[LIMIT].rate,
            0.30,
            at_most=False,
            unit=" x",
        ),
    ]
