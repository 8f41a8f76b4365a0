"""Rows of public data sets that help the sample shop's model; the rows stay out of the project.

bitext rows count where its intent is ours; clinc150 rows of domains far from a shop are out of
scope, with no fine intent. `python -m services.intent.training.public FOLDER OUT.jsonl`
"""

import json
import random
import sys
from pathlib import Path

BITEXT = {
    "recover_password": ("reset_password", "faq"),
    "get_invoice": ("invoice_copy", "faq"),
    "check_payment_methods": ("payment_methods", "faq"),
    "track_order": ("track_order", "faq"),
    "cancel_order": ("cancel_order", "faq"),
    "payment_issue": ("payment_problem", "knowledge_base"),
    "create_account": ("account_help", "knowledge_base"),
    "contact_human_agent": ("ask_for_human", "escalate_human"),
    "delete_account": ("account_deletion", "escalate_human"),
}
FOREIGN = (
    "translate weather book_flight book_hotel flight_status travel_alert vaccines exchange_rate "
    "tire_pressure oil_change_when gas traffic directions distance recipe nutrition_info calories "
    "definition spelling math measurement_conversion taxes income credit_score mortgage "
    "payday pto_request calendar meeting_schedule play_music next_song alarm timer todo_list "
    "restaurant_reservation restaurant_suggestion international_visa lost_luggage plug_type "
    "insurance rollover_401k jump_start mpg uber date time fun_fact roll_dice flip_coin oos"
).split()
BITEXT_ROWS, CLINC_ROWS = 20, 5  # of each intent: enough for variety, too few to outweigh our own


def _rows(path: Path, seed: int = 13) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    random.Random(seed).shuffle(rows)
    return rows


def _first(rows: list[dict[str, str]], intent: str, count: int) -> list[str]:
    return [row["text"] for row in rows if row["intent"] == intent][:count]


def select(folder: Path) -> list[dict[str, str]]:
    """`text`, `route` and, from bitext, `intent`."""
    bitext = _rows(folder / "bitext_train.jsonl")
    clinc = _rows(folder / "clinc150_train.jsonl")
    outside = _rows(folder / "clinc150_oos_train.jsonl")
    found = [
        {"text": text, "intent": intent, "route": route}
        for theirs, (intent, route) in BITEXT.items()
        for text in _first(bitext, theirs, BITEXT_ROWS)
    ]
    texts = [text for name in FOREIGN for text in _first(clinc, name, CLINC_ROWS)]
    texts += [row["text"] for row in outside]
    return found + [{"text": text, "route": "out_of_scope"} for text in texts]


if __name__ == "__main__":
    rows = [json.dumps(row) for row in select(Path(sys.argv[1]))]
    Path(sys.argv[2]).write_text("\n".join(rows) + "\n", "utf-8")
