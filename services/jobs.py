"""The Celery app: work that no turn waits for. Tasks live in each service's `jobs.py`.

Run by `make up` as `celery -A services.jobs:app worker` and `… beat`.
"""

from celery import Celery
from celery.schedules import crontab

from shared.settings import Settings, load

app = Celery("switchboard", broker=load(Settings).celery_broker_url)
app.conf.update(
    include=[
        "services.cache.jobs",
        "services.history.weekly",
        "services.intent.jobs",
        "services.retrieval.jobs",
    ],
    # One process with one model in it: a pool of forks would load the embedder once per fork.
    worker_pool="solo",
    task_ignore_result=True,
    task_acks_late=True,  # a job that dies with its worker runs again
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 600},
    task_default_queue="switchboard",
    timezone="UTC",
    beat_schedule={
        "sync-documents-nightly": {
            "task": "retrieval.sync_sources",
            "schedule": crontab(hour=3, minute=15),
        },
        "look-for-drift-weekly": {
            "task": "intent.look_for_drift",
            "schedule": crontab(day_of_week=1, hour=4, minute=30),
        },
        "report-coverage-weekly": {
            "task": "history.report_coverage",
            "schedule": crontab(hour=5, minute=40, day_of_week="monday"),
        },
        "warm-up-hourly": {"task": "cache.warm_up", "schedule": crontab(minute=7)},
    },
)
