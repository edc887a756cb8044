"""Apply a function to many items in threads: results in order, and never many at once.

Threads suffice, because decoding and hashing both release the interpreter lock.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 64  # items in flight: enough that a slow one does not starve the others


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int = AHEAD
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in the items' order, computed by `workers` threads.

    At most `ahead` results (at least one a worker) exist beside the consumer's, so memory does not grow with
    the number of items; `items` may be a generator. An exception of `function` is raised here. When the
    consumer stops, by an exception, Ctrl-C or closing the generator, waiting items are dropped and the
    threads have ended before control returns.
    """
    remaining = iter(items)
    in_flight: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="catdog-data")
    try:
        for item in islice(remaining, max(ahead, workers)):
            in_flight.append(pool.submit(function, item))
        while in_flight:
            result = in_flight.popleft().result()
            for item in islice(remaining, 1):
                in_flight.append(pool.submit(function, item))
            yield result
            del result  # else the last result would stay in memory while the next one is awaited
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
