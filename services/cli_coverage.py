"""The coverage report for people."""

from typing import Any

from rich.console import Console
from rich.table import Table

from services import cli_common as common

_SHOWN = 20


def show_report(found: dict[str, Any]) -> None:
    """What to write, what nobody needs, what nobody likes."""
    console = Console(highlight=False, markup=False)
    share = found["answerable_share"]
    known = "no questions yet" if share is None else f"{share:.0%} with a relevant passage"
    common.say(f"Last {found['days']} days: {found['questions']} questions, {known}.")
    if found["gaps"]:
        table = Table("write an article about", "asked", "for example", title="Gaps")
        for gap in found["gaps"][:_SHOWN]:
            examples = "\n".join(gap["examples"])
            table.add_row(*map(common.plain, (gap["name"], str(gap["count"]), examples)))
        console.print(table)
    if found["disliked"]:
        table = Table("article", "thumbs down", "up", title="Often thumbs-down")
        for row in found["disliked"][:_SHOWN]:
            named = f"{row['title'] or row['id']} ({row['id']})"
            table.add_row(common.plain(named), str(row["down"]), str(row["up"]))
        console.print(table)
    if unused := found["unused"]:
        common.say(f"Never used in {found['days']} days: {len(unused)} articles")
        for row in unused[:_SHOWN]:
            common.say(f"  {row['id']}  {row['title']}")
        if len(unused) > _SHOWN:
            common.say(f"  and {len(unused) - _SHOWN} more (--json lists all)")
    for row in found.get("weeks", []):
        share = row["answerable_share"]
        known = "–" if share is None else f"{share:.0%}"
        common.say(
            f"{row['week']}  {row['questions']} questions, {known}, {row['total_gaps']} gaps"
        )
