"""A batch over a service that fails now and then: retried one by one, with a fallback, and never all for nothing.

    python examples/batch_with_retry.py

What failed is tried again on its own, so an input that went well is not sent twice. What can't be saved goes to the
fallback, or comes back as an exception in its place.
"""

from __future__ import annotations

from collections import Counter

from anabranch.nodes import RunnableLambda

asked: Counter[str] = Counter()


class BusyError(Exception):
    """The service wants to be asked again."""


def population(city: str) -> int:
    """A service that is busy at first, and doesn't know every city."""
    asked[city] += 1
    if asked[city] < 3 and city in ("Bern", "Oslo"):
        raise BusyError(city)
    return {"Bern": 134_591, "Oslo": 709_037, "Rome": 2_872_800}[city]


service = RunnableLambda(population).with_retry(
    retry_if_exception_type=(BusyError,),
    stop_after_attempt=3,
    exponential_jitter_params={"initial": 0.01, "jitter": 0.01},  # seconds
)


def main() -> None:
    cities = ["Bern", "Rome", "Atlantis", "Oslo"]

    print("with exceptions in their place:")
    for city, result in zip(cities, service.batch(cities, return_exceptions=True), strict=True):
        print(f"  {city:<9} {result!r}, asked {asked[city]} times")

    asked.clear()
    guess = service.with_fallbacks([lambda city: -1], exceptions_to_handle=(KeyError,))
    print("with a fallback:")
    print(f"  {guess.batch(cities)}")

    asked.clear()
    print("as they come:")
    for index, number in guess.batch_as_completed(cities, {"max_concurrency": 2}):
        print(f"  {cities[index]} {number}")


if __name__ == "__main__":
    main()
