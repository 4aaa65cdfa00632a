"""What AiiDA leaves on a RabbitMQ server when a profile goes: one queue and two exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONNECT_SECONDS = 5


def remove_queues(broker: Mapping[str, Any], uuid: str) -> list[str]:
    """Remove queue and exchanges of a profile from RabbitMQ.

    Parameters
    ----------
    broker : mapping
        Configuration of the broker as AiiDA keeps it: ``broker_host``, ``broker_port``, ...
    uuid : str
        Of the profile, by which they are named.

    Returns
    -------
    list of str
        Why they are still there; empty if they are gone.
    """
    import asyncio

    from aiida.brokers.rabbitmq import utils
    from aio_pika.exceptions import AMQPError

    known = {key.removeprefix('broker_'): value for key, value in broker.items()}
    url = utils.get_rmq_url(**known.pop('parameters', {}), **known)
    prefix = f'aiida-{uuid}'
    queue = utils.get_launch_queue_name(prefix)
    exchanges = (utils.get_message_exchange_name(prefix), utils.get_task_exchange_name(prefix))
    try:
        asyncio.run(_remove(url, queue, exchanges))
    except (OSError, TimeoutError, AMQPError) as exc:
        place = f'{broker.get("broker_host")}:{broker.get("broker_port")}'
        return [
            f'RabbitMQ at {place} does not answer ({exc}): the queue {queue} and the exchanges '
            f'{" and ".join(exchanges)} are still there.'
        ]
    return []


async def _remove(url: str, queue: str, exchanges: tuple[str, str]) -> None:
    """Remove by name; what is not there is no error to RabbitMQ."""
    import aio_pika

    connection = await aio_pika.connect(url, timeout=CONNECT_SECONDS)
    async with connection:
        channel = await connection.channel()
        await channel.queue_delete(queue)
        for name in exchanges:
            await channel.exchange_delete(name)
