"""Every metric, in one typed list: one prefix, base units, `_total`, `_seconds`."""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

MESSAGES = Counter(
    "switchboard_messages_total",
    "Messages a handler finished with, by outcome: ok, repeated, late, stopped, dead_letter.",
    ["service", "handler", "outcome"],
)
RETRIES = Counter(
    "switchboard_retries_total", "Attempts after the first one.", ["service", "handler"]
)
HANDLER_SECONDS = Histogram(
    "switchboard_handler_seconds",
    "Time inside a handler, retries included.",
    ["service", "handler"],
    buckets=_LATENCY_BUCKETS,
)
HOP_SECONDS = Histogram(
    "switchboard_hop_seconds",
    "From a message's broker timestamp until its handler starts.",
    ["service", "topic"],
    buckets=_LATENCY_BUCKETS,
)
IN_FLIGHT = Gauge("switchboard_in_flight", "Messages in a handler now.", ["service"])
POLICY_MODE = Gauge("switchboard_policy_mode", "1 for the mode in force.", ["service", "mode"])
TURNS = Counter(
    "switchboard_turns_total",
    "Finished turns as the customer saw them.",
    ["tenant", "origin", "mode"],
)
TURN_SECONDS = Histogram(
    "switchboard_turn_seconds",
    "From acceptance to the final answer.",
    ["origin"],
    buckets=_LATENCY_BUCKETS,
)
REFUSED = Counter(
    "switchboard_refused_total",
    "Requests refused at the door, by reason: rate, busy, size, key.",
    ["reason"],
)
DECISIONS = Counter(
    "switchboard_decisions_total",
    "What the router did: template, choose, documents, offer, confirm, decline, hand_over.",
    ["tenant", "action"],
)
CACHE = Counter(
    "switchboard_cache_total",
    "Look-ups by result: exact, semantic, shared, rejected, miss, skipped.",
    ["tenant", "result"],
)
CACHE_SAVED_USD = Counter(
    "switchboard_cache_saved_usd_total", "What making the answers of hits cost once.", ["tenant"]
)
CACHE_SAVED_SECONDS = Counter(
    "switchboard_cache_saved_seconds_total", "How long making the answers of hits took.", ["tenant"]
)
CACHE_EVICTED = Counter(
    "switchboard_cache_evicted_total",
    "Entries dropped, by reason: document, feedback, disputed, hand.",
    ["tenant", "reason"],
)
CACHE_AUDITS = Counter(
    "switchboard_cache_audits_total",
    "Hits answered afresh, by kind of hit and result: agreed, differed, unanswered.",
    ["tenant", "kind", "result"],
)
CACHE_FOLLOWERS = Counter(
    "switchboard_cache_followers_total",
    "Questions that waited for an identical one: shared, alone, late, full.",
    ["result"],
)
CACHE_ENTRIES = Gauge("switchboard_cache_entries", "Answers remembered now.", ["tenant"])
INTENT_DRIFT = Gauge(
    "switchboard_intent_drift_index",
    "Shift of the router's confidences against its reference (population stability index).",
    ["tenant"],
)
INTENT_FEEDBACK_ACCURACY = Gauge(
    "switchboard_intent_feedback_accuracy",
    "Share of labelled messages whose route the model gets right, 0 to 1.",
)
SEARCHES = Counter(
    "switchboard_searches_total",
    "Questions searched, by whether a passage probably answers: relevant, doubtful.",
    ["tenant", "result"],
)
ESCALATIONS = Counter("switchboard_escalations_total", "Hand-overs by rule.", ["tenant", "rule"])
OPEN_SOCKETS = Gauge("switchboard_open_sockets", "Clients connected now.", ["kind"])
OUTBOX = Gauge("switchboard_outbox_messages", "Accepted, but not yet on the broker.")
DROPPED = Counter(
    "switchboard_dropped_total", "Answers nobody was to see any more: owner.", ["reason"]
)
