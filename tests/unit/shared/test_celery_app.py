import gc

from celery.signals import worker_before_create_process

import shared.ledger.celery_app  # noqa: F401  # connects


def test_before_a_fork_what_is_loaded_is_kept_from_the_childs_collector():
    gc.unfreeze()
    worker_before_create_process.send(sender=None)
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
