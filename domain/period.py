"""From when to when: a day that is named alone is meant whole, at both ends. All times are UTC."""

from datetime import UTC, date, datetime, timedelta

END_OF_TIME = datetime.max.replace(tzinfo=UTC)
BACKWARDS = "must not be before 'from'"


def first_moment(day: date) -> datetime:
    """Return when a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def moment_after(day: date) -> datetime:
    """Return the first moment that no longer belongs to a day; after the last day there is none."""
    return END_OF_TIME if day == date.max else first_moment(day) + timedelta(days=1)
