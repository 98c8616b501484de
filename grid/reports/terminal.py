"""Results on the screen: what people look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from grid.ecosystems import BY_NAME
from grid.reports.results import SEVERITIES, Connection, Done, ImageResult, folded
from grid.reports.tables import STYLES

MAX_FAILURES = 20
MAX_ADVICE = 15
WIDE = 112
"""Columns from which titles are shown too."""

_STATUS = {"ok": "green", "unsupported": "dim", "incomplete": "yellow", "failed": "red", "deferred": "cyan"}
_NAMES = {
    "deb": "Debian packages", "apk": "Alpine packages", "rpm": "RPM packages", "pypi": "Python packages",
    "npm": "Node packages", "alpm": "Arch Linux packages",
}  # fmt: skip


def titled(ecosystem: str) -> str:
    """What the packages of an ecosystem are called: by where they come from, if they have no name of their own."""
    known = BY_NAME.get(ecosystem)
    if known is not None and known.unmanaged:
        return "Programs without a package"
    place = known.osv[0] if known is not None and known.osv else ecosystem
    return _NAMES.get(ecosystem, f"{place} packages")


def size(count: float) -> str:
    """Bytes for people: 1.4 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def counted(count: int, noun: str) -> str:
    """3 layers, 1 layer."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def severity_line(counts: Mapping[str, int]) -> Text:
    """``3 critical  12 high``, coloured; worst first."""
    line = Text()
    for name in SEVERITIES:
        if counts.get(name):
            line.append(f" {counts[name]} {name} ", style=STYLES[name])
            line.append(" ")
    return line if line else Text("no known vulnerability", style="green")


# --- scan ----------------------------------------------------------------------------------------


def show_images(
    console: Console, images: Sequence[ImageResult], done: Done, *, matched: bool, suppressed: bool = False
) -> None:
    """Every image with its findings (and those suppressed, if asked for), then one line for all."""
    for image in images:
        console.print(_header(image, matched))
        if image.vulnerabilities:
            console.print(_vulnerabilities(image, console.width))
            if image.advice:
                console.print(_advice(image, console.width))
        if image.suppressed and suppressed:
            console.print(_suppressed(image))
        if image.secrets:
            console.print(_secrets("Secrets", image.secrets))
        if image.suppressed_secrets and suppressed:
            console.print(_secrets("Suppressed secrets", image.suppressed_secrets))
        if image.notes:
            console.print(_notes(image))
    console.print(_effort(done))
    if not matched:
        console.print(_unmatched())


def _header(image: ImageResult, matched: bool) -> RenderableType:
    row = image.summary
    title = Text(image.name, style="bold")
    status = str(row["status"])
    if status not in ("ok", "incomplete"):
        reason = Text(f"{status}: {row['error_code']}: {row['error_message']}", style=_STATUS[status])
        return Panel(reason, title=title, title_align="left", border_style=_STATUS[status])
    distro = Text(distro_name(row), style="dim")
    if row["distro_support"] is not None:
        distro.append(f" ({support(row)})", style=_SUPPORT[row["distro_support"]])
    facts = [
        "/".join(filter(None, (row["os"], row["arch"]))),
        counted(row["layer_count"], "layer") + f", {size(row['size_bytes'])}",
        counted(row["packages"], "package") + (f" and {row['declared']:,} declared" if row["declared"] else ""),
    ]
    coverage = row["coverage"]
    if coverage is not None and coverage >= 1:  # of what a match would have to judge, nothing is known without one
        facts.append("coverage 100%" if matched else "not matched")
    lines: list[RenderableType] = [
        Text(" · ", style="dim").join([distro, *(Text(fact, style="dim") for fact in facts)])
    ]
    if status == "incomplete":
        lines.append(Text(f"incomplete: {row['error_code']}: {row['error_message']}", style="yellow"))
    if matched:
        line = severity_line(image.counts()) if image.vulnerabilities or not (doubt := _doubt(row)) else doubt
        if row["vulnerabilities_declared"]:
            line.append(f"   {row['vulnerabilities_declared']:,} more in what lock files declare", style="dim")
        if image.secrets:
            line.append(f"   {counted(len(image.secrets), 'secret')}", style="bold magenta")
        if image.suppressed or image.suppressed_secrets:
            hidden = len({row["vuln_id"] for row in image.suppressed}) + len(image.suppressed_secrets)
            line.append(f"   {hidden:,} suppressed", style="dim")
        lines.append(line)
    if coverage is not None and coverage < 1:
        lines.append(Text(f"coverage {share(coverage)}: see the notes below", style="yellow"))
    return Panel(Group(*lines), title=title, title_align="left", border_style="dim", padding=(0, 1))


_SUPPORT = {"supported": "dim green", "extended": "yellow", "ended": "bold red", "unknown": "yellow"}


def distro_name(row: Mapping[str, Any]) -> str:
    """An image's distribution for people."""
    told = row["distro_name"] or " ".join(filter(None, (row["distro_id"], row["distro_version"])))
    return str(told or "no distribution")


def support(row: Mapping[str, Any]) -> str:
    """``supported until 2026-06-10``, ``support ended 2024-06-30``."""
    state, day = row["distro_support"], row["distro_eol"]
    if state == "ended":
        day = row["distro_extended_eol"] or day
        return f"support ended {day}" if day else "support ended"
    if state == "extended":
        return f"extended support only, since {day}" if day else "extended support only"
    if state == "supported":
        return f"supported until {day}" if day else "supported"
    return "support state unknown"


def share(coverage: float) -> str:
    """A coverage below 1 never reads as 100%."""
    return f"{min(coverage, 0.99):.0%}" if coverage < 1 else "100%"


def _doubt(row: Mapping[str, Any]) -> Text | None:
    """Why no finding does not mean that the image is clean."""
    if not row["packages"]:
        return Text("no package record found, so nothing was matched", style="yellow")
    if row["os_matched"] is False:
        name = row["os_namespace"] or distro_name(row)
        return Text(f"the database has no advisories for {name}: its packages were not matched", style="yellow")
    if row["coverage"] == 0:
        return Text("the database has no advisories for any of its packages: nothing was matched", style="yellow")
    if row["distro_support"] == "ended":
        name = distro_name(row)
        return Text(f"no known vulnerability, but {name} gets no security updates any more", style="yellow")
    return None


def _vulnerabilities(image: ImageResult, width: int) -> RenderableType:
    parts: list[RenderableType] = []
    rows = sorted(folded(image), key=lambda r: r["ecosystem"])
    for ecosystem, group in groupby(rows, key=lambda r: str(r["ecosystem"])):
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, title_justify="left", expand=False)
        table.title = Text(titled(ecosystem), style="bold")
        table.add_column("package", overflow="fold", min_width=10, max_width=max(14, width // 5))
        table.add_column("installed", overflow="fold", min_width=8, max_width=max(12, width // 7))
        table.add_column("severity", no_wrap=True)
        table.add_column("vulnerability", no_wrap=True, min_width=18)
        table.add_column("fixed in", overflow="fold", min_width=8, max_width=max(12, width // 7))
        titles = width >= WIDE  # a narrow screen keeps what one acts upon
        if titles:
            table.add_column("what", overflow="ellipsis", no_wrap=True, max_width=width - WIDE + 24)
        members = sorted(group, key=lambda r: r["source"])
        blocks = [list(b) for _, b in groupby(members, key=lambda r: (r["source"], r["version"]))]
        blocks.sort(key=lambda b: min((SEVERITIES.index(r["severity"]), r["source"]) for r in b))
        for block in blocks:
            for index, row in enumerate(block):
                first = index == 0
                table.add_row(
                    Text(_package(row) if first else ""),
                    Text(str(row["version"]) if first else "", style="dim"),
                    Text(f" {row['severity']} ", style=STYLES[row["severity"]]),
                    Text(str(row["vuln_id"])) + (Text(" KEV", style="bold red") if row["kev"] else Text("")),
                    Text(str(row["fixed_version"] or _state(row)), style="green" if row["fixed_version"] else "dim"),
                    *([Text(str(row["title"] or ""), style="dim")] if titles else []),
                )
        parts.append(Padding(table, (0, 0, 0, 1)))
    return Group(*parts)


def _package(row: Mapping[str, Any]) -> str:
    packages = row["packages"]
    if packages == [row["source"]]:
        return f"{row['source']}{' (declared)' if row['declared'] else ''}"
    return f"{row['source']} ({', '.join(packages[:3])}{', …' if len(packages) > 3 else ''})"


def _state(row: Mapping[str, Any]) -> str:
    return {"affected": "no fix yet", "fixed": "", "unknown": "unknown"}.get(
        row["state"], str(row["state"]).replace("_", " ")
    )


def _advice(image: ImageResult, width: int) -> RenderableType:
    """What to type; what cannot be mended is counted by its reason."""
    mendable = [row for row in image.advice if row["upgrade_version"] is not None]
    parts: list[RenderableType] = []
    if mendable:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, title_justify="left")
        table.title = Text("Upgrades", style="bold")
        table.add_column("package", overflow="fold", min_width=10, max_width=max(14, width // 6))
        table.add_column("from", overflow="fold", min_width=8, max_width=max(12, width // 8))
        table.add_column("to", overflow="fold", min_width=8, max_width=max(12, width // 8))
        table.add_column("clears", no_wrap=True)
        table.add_column("how", overflow="fold")
        for row in mendable[:MAX_ADVICE]:
            total = row["clears"] + row["remaining"]
            table.add_row(
                Text(str(row["package"])),
                Text(str(row["version"]), style="dim"),
                Text(str(row["upgrade_version"]), style="green"),
                Text("all" if not row["remaining"] else f"{row['clears']} of {total}"),
                Text(str(row["command"] or row["not_fixable"] or ""), style="" if row["command"] else "yellow"),
            )
        parts.append(table)
        if len(mendable) > MAX_ADVICE:
            parts.append(Text(f"and {len(mendable) - MAX_ADVICE} more: select * from advice", style="dim"))
    reasons = Counter(str(row["not_fixable"]) for row in image.advice if row["upgrade_version"] is None)
    if reasons:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        count = sum(reasons.values())
        parts.append(Text(f"Nothing to upgrade to for {counted(count, 'package')}: {told}", style="dim"))
    return Padding(Group(*parts), (0, 0, 0, 1))


def _suppressed(image: ImageResult) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, title_justify="left")
    table.title = Text("Suppressed", style="bold")
    for name in ("package", "severity", "vulnerability", "status", "by", "reason"):
        table.add_column(name, overflow="fold")
    for row in image.suppressed:
        told = (
            row["severity"],
            row["vuln_id"],
            row["suppressed_status"],
            row["suppressed_by"],
            row["suppressed_reason"],
        )
        table.add_row(
            Text(f"{row['package']} {row['version']}"), *(Text(str(value or ""), style="dim") for value in told)
        )
    return Padding(table, (0, 0, 0, 1))


def _secrets(title: str, rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, title_justify="left")
    table.title = Text(title, style="bold")
    for name in ("severity", "what", "where", "value", "layer"):
        table.add_column(name, overflow="fold")
    for row in rows:
        kept = "in the image" if row["visible"] else "deleted later, still in the layer"
        table.add_row(
            Text(f" {row['severity']} ", style=STYLES[row["severity"]]),
            Text(str(row["title"])),
            Text(f"{row['path']}:{row['line']}"),
            Text(str(row["redacted"]), style="dim"),
            Text(
                kept if row["suppressed_by"] is None else f"{row['suppressed_by']}: {row['suppressed_reason'] or ''}",
                style="dim",
            ),
        )
    return Padding(table, (0, 0, 0, 1))


def _notes(image: ImageResult) -> RenderableType:
    ordered = sorted(image.notes, key=lambda r: r["layer_digest"] is not None)  # first what concerns the whole image
    shown = ordered[:10]
    lines = [Text(f"note: {_noted(r)}{r['message']} ({r['code']})", style="dim") for r in shown]
    if len(image.notes) > len(shown):
        lines.append(Text(f"and {len(image.notes) - len(shown)} more: select * from image_notes", style="dim"))
    return Padding(Group(*lines), (0, 0, 1, 2))


def _noted(row: Mapping[str, Any]) -> str:
    return f"{row['path']}: " if row["path"] else "layer: " if row["layer_digest"] else ""


def _effort(done: Done) -> Text:
    rate = done.bytes_scanned / done.seconds if done.seconds > 0 else 0.0
    text = (
        f"{counted(done.layers_scanned, 'layer')} read ({size(done.bytes_pulled)}), {done.layers_reused:,} known before"
    )
    if done.bytes_scanned > 10_000_000:  # of less, a rate says only how long it took to start
        text += f", {size(done.bytes_scanned)} scanned at {size(rate)}/s"
    return Text(f"{text}, {done.seconds:.1f} s", style="dim")


def _unmatched() -> Text:
    line = Text("NOT MATCHED: ", style="bold yellow")
    line.append("there is no vulnerability database, so nothing here says that an image is clean. ")
    line.append("Run: scangrid db update", style="bold")
    return line


# --- sweep ---------------------------------------------------------------------------------------


def show_plan(console: Console, done: Any) -> None:
    """The work that a sweep would do."""
    plan = done.plan
    console.print(
        Text.assemble(
            (f"{counted(plan.layers, 'layer')}, {size(plan.bytes)}", "bold"),
            f" to read in {counted(len(plan.tasks), 'task')}; {plan.layers_reused:,} of "
            f"{counted(plan.layers_total, 'distinct layer')} known.",
        )
    )
    _failures(console, done)


def show_sweep(console: Console, con: Connection, done: Done, *, matched: bool) -> None:
    """The summary that ends a sweep."""
    total = sum(done.images.values())
    statuses = Text(f"{counted(total, 'image')}: ", style="bold")
    for name, style in _STATUS.items():
        if done.images.get(name):
            statuses.append(f"{done.images[name]:,} {name}  ", style=style)
    lines: list[RenderableType] = [statuses]
    shared = (
        f"{counted(done.layers_total, 'distinct layer')}: {done.layers_scanned:,} read, {done.layers_reused:,} known"
    )
    lines.append(Text(shared))
    if matched:
        rows = con.sql(
            "SELECT severity, count(DISTINCT vuln_id) FROM sweep_vulnerabilities "
            "WHERE sweep_id = ? AND suppressed_by IS NULL AND found_as <> 'declared' GROUP BY 1",
            params=[done.sweep_id],
        ).fetchall()
        lines.append(severity_line(dict(rows)))
    ((secrets, hidden),) = con.sql(
        "SELECT count(DISTINCT fingerprint), count(DISTINCT fingerprint) FILTER (NOT visible) "
        "FROM sweep_image_secrets WHERE sweep_id = ? AND suppressed_by IS NULL",
        params=[done.sweep_id],
    ).fetchall()
    if secrets:
        deleted = f", {hidden} of them deleted by a later layer and still there" if hidden else ""
        lines.append(Text(f"{counted(secrets, 'leaked secret')}{deleted}", style="bold magenta"))
    lines.extend(_distributions(con, done.sweep_id))
    lines.append(_effort(done))
    green = not (done.images.get("failed") or done.images.get("incomplete") or done.images.get("deferred"))
    console.print(
        Panel(Group(*lines), title=Text(f"sweep {done.sweep_id}"), title_align="left",
              border_style="green" if green else "yellow", expand=False, padding=(0, 1))
    )  # fmt: skip
    _failures(console, done)
    if not matched:
        console.print(_unmatched())


_ALERTS = """
SELECT coalesce(distro_name, concat_ws(' ', distro_id, distro_version)) AS name, distro_support, distro_eol,
       distro_extended_eol, os_matched, count(*) AS images
FROM sweep_image_summary WHERE sweep_id = ? AND distro_id IS NOT NULL
GROUP BY ALL ORDER BY images DESC, name
"""
_COVERAGE = """
SELECT avg(coverage), count(*) FILTER (coverage < 1), min(coverage), count(*) FILTER (packages = 0),
       count(*) FILTER (coverage = 0 AND packages > 0)
FROM sweep_image_summary WHERE sweep_id = ? AND coverage IS NOT NULL
"""
MAX_DISTRIBUTIONS = 5


def _distributions(con: Connection, sweep_id: str) -> list[Text]:
    """Which distributions the images are of, which of them deserve worry, and how much of the images was judged."""
    table: list[dict[str, Any]] = con.sql(_ALERTS, params=[sweep_id]).to_arrow_table().to_pylist()
    lines = []
    states: dict[str, int] = {}
    worries = []
    for row in table:
        state = row["distro_support"]
        if state is not None:
            states[state] = states.get(state, 0) + row["images"]
        what = [] if state in (None, "supported", "unknown") else [support(row)]
        what += ["no advisories in the database"] if row["os_matched"] is False else []
        if what:
            worries.append(f"{row['name']} ({counted(row['images'], 'image')}): {', '.join(what)}")
    if table:
        told = [f"{states[name]:,} {name}" for name in _SUPPORT if name in states]
        text = counted(len(table), "distribution") + (f"; support of images: {', '.join(told)}" if told else "")
        lines.append(Text(text))
    lines += [Text(f"  {worry}", style="yellow") for worry in worries[:MAX_DISTRIBUTIONS]]
    if len(worries) > MAX_DISTRIBUTIONS:
        lines.append(
            Text(f"  and {len(worries) - MAX_DISTRIBUTIONS} more: select * from image_summary", style="yellow")
        )
    ((mean, below, least, bare, blind),) = con.sql(_COVERAGE, params=[sweep_id]).fetchall()
    if mean is not None:
        text = f"coverage {share(mean)}"
        if below:
            text += f" on average, {share(least)} at least; {counted(below, 'image')} below 100%: see image_notes"
        if bare:
            text += f"; {bare:,} without any package record"
        if blind:
            text += f"; {blind:,} of whose packages the database judges none"
        lines.append(Text(text, style="yellow" if below else ""))
    return lines


def _failures(console: Console, done: Any) -> None:
    for name, code, message in done.failures[:MAX_FAILURES]:
        console.print(Text.assemble((" ✗ ", "red"), (name, "bold"), f"  {code}: {message}"), soft_wrap=True)
    more = len(done.failures) - MAX_FAILURES
    if more > 0:
        console.print(Text(f"   and {more:,} more: select * from image_summary where status <> 'ok'", style="dim"))
