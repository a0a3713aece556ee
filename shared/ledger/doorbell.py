"""Redis as the relay sees it: whether it has forgotten its messages, and how many of each queue it holds."""

import redis

from shared.errors import TransientError
from shared.ledger.routes import QUEUES


class BrokerUnavailable(TransientError):
    """Redis did not answer, or is full; deliveries wait in Postgres until it does."""

    code = "broker_unavailable"


class Doorbell:
    """Notices that Redis was restarted or flushed, and so may have lost the messages it held; and how many it holds."""

    def __init__(self, client: redis.Redis, key_prefix: str) -> None:
        self._client = client
        self._prefix = key_prefix
        self._key = f"{key_prefix}canary"
        self._run_id: str | None = None

    def lengths(self) -> dict[str, int]:
        """How many messages of each queue nobody has fetched yet; raises BrokerUnavailable."""
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for queue in QUEUES:
                    pipeline.llen(f"{self._prefix}{queue}")
                lengths: list[int] = pipeline.execute()
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(str(error)) from error
        return dict(zip(QUEUES, lengths, strict=True))

    def has_forgotten(self) -> bool:
        """Whether messages may be gone since the last call; raises BrokerUnavailable while Redis is away."""
        try:
            run_id = str(self._client.info("server")["run_id"])
            planted = bool(self._client.set(self._key, "alive", nx=True))
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(str(error)) from error
        restarted = self._run_id is not None and run_id != self._run_id
        self._run_id = run_id
        return planted or restarted
