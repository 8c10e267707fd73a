"""Checks of an alert against itself, its forerunners and what else the desk holds; none needs a market price."""

from datetime import datetime, timedelta
from decimal import Decimal

from domain.checks.facts import Facts, LastTarget, NotTraded, only_reduces
from domain.checks.rules import Rules
from domain.checks.verdict import Finding, show, show_time
from domain.enums import CheckMode, TickerType, WhenClosed
from domain.stops import first_stop


def stop(facts: Facts, rules: Rules) -> Finding | None:
    """No entry while a stop covers the signal."""
    found = first_stop(facts.stops, facts.subject.account, facts.subject.name, facts.symbols)
    if found is None:
        return Finding(True, "No stop is in force.")
    since = "" if found.at is None else f" since {show_time(found.at)}"
    values = {"stop": found.id, "scope": found.where, "level": found.level, "reason": found.reason}
    if facts.is_exit:
        text = f"A stop is in force for {found.where}, but the signal only makes the position smaller."
        return Finding(True, text, values)
    return Finding(False, f"A stop is in force for {found.where}{since}: {found.reason}.", values)


def exclusivity(facts: Facts, rules: Rules) -> Finding | None:
    """No entry in a symbol that another book of the account holds or works."""
    others = sorted(
        (line for line in facts.books if line.name != facts.subject.name and line.is_open),
        key=lambda line: (line.symbol, line.name),
    )
    if not others:
        return Finding(True, f"No other book of the account holds or works {' or '.join(facts.symbols)}.")
    books = ", ".join(f"{line.symbol} in {line.name}" for line in others)
    values = {f"{line.symbol} in {line.name}": show(line.expected) for line in others}
    if facts.is_exit:
        return Finding(True, f"Another book has {books}, but the signal only makes the position smaller.", values)
    return Finding(False, f"Another book of the account holds or works the same symbol: {books}.", values)


def allowed_age(facts: Facts, rules: Rules) -> Decimal:
    """Return how many seconds the signal may be old: by its own word, else by the rules, else by the setting."""
    if facts.lifetime is not None:
        return facts.lifetime
    limit = rules.limit("age", facts.subject)
    return limit.limit if limit else facts.desk_lifetime


def not_after(facts: Facts, rules: Rules) -> datetime | None:
    """Return when the signal's orders are too late to be sent; None = never, as age does not refuse."""
    if rules.mode("age", facts.subject) is not CheckMode.REFUSE:
        return None
    return _counts_from(facts) + timedelta(seconds=int(allowed_age(facts, rules)))


def _counts_from(facts: Facts) -> datetime:
    """Return from when the age counts: the alert's own time, else its receipt; the open that a held one waited for.

    An alert cannot be received before it fires: a time that is ahead counts as the receipt.
    """
    fired_at = min(facts.alert_at or facts.received_at, facts.received_at)
    return max(fired_at, facts.held_until or fired_at)


def age(facts: Facts, rules: Rules) -> Finding | None:
    """The alert must be young enough; a held one counts from the open it waited for."""
    seconds = max((facts.now - _counts_from(facts)) / timedelta(seconds=1), 0)
    most = allowed_age(facts, rules)
    by = "" if facts.alert_at is None else " by its own time"
    text = f"The alert is {seconds:.3f} s old{by}; up to {most:.0f} s are allowed."
    if facts.held_until is not None:
        text = f"The alert was held until {show_time(facts.held_until)}; {seconds:.3f} s of {most:.0f} s have passed."
    return Finding(seconds <= most, text, {"age": f"{seconds:.3f}", "limit": f"{most:.0f}"})


def duplicate(facts: Facts, rules: Rules) -> Finding | None:
    """Of several waiting alerts of one name and side the newest wins."""
    if facts.newer_waiting is None:
        return Finding(True, f"No newer {facts.side} of {facts.subject.name} is waiting.")
    text = f"A newer {facts.side} of {facts.subject.name} is waiting: signal {facts.newer_waiting}."
    return Finding(False, text, {"newer": facts.newer_waiting})


def position_size(facts: Facts, rules: Rules) -> Finding | None:
    """The previous position, the action and the contracts must add up to the new position."""
    previous, target = facts.previous, facts.target
    if previous is None or target is None:
        return Finding(None, "The alert does not name both its positions, so they cannot be compared.")
    change = facts.side.sign * facts.quantity
    values = {"previous": previous, "change": change, "position": target}
    sentence = f"{show(previous)} and a {facts.side} of {show(facts.quantity)} make {show(previous + change)}"
    if previous + change == target:
        return Finding(True, f"{sentence}, as the alert says.", values)
    return Finding(False, f"{sentence}, but the alert says {show(target)}.", values)


def position_missing(facts: Facts, rules: Rules) -> Finding | None:
    """The alert must name the position it aims at."""
    if facts.target is None:
        return Finding(False, "The alert names no position: mar_pos and mar_pos_size are needed.")
    return Finding(True, f"The alert aims at a position of {show(facts.target)}.", {"position": facts.target})


def missed_alert(facts: Facts, rules: Rules) -> Finding | None:
    """The position before this alert must be where the last traded one led."""
    last, previous = facts.last, facts.previous
    if previous is None:  # then nobody has looked for a last signal either
        return Finding(None, "The alert does not say where it starts from, so a missed alert would not be noticed.")
    if facts.not_traded is not None:
        return _after_nothing(facts.not_traded, last, previous)
    if last is None:
        return Finding(True, f"No signal of {facts.subject.name} was traded before it, at any account.")
    if last.target is None:
        text = f"The last signal, {last.rowid}, names no position, so a missed alert would not be noticed."
        return Finding(None, text)
    since = show_time(last.at)
    values = {"previous": previous, "last_target": last.target, "last_signal": last.rowid, "since": since}
    if last.account is not None and last.target != 0:
        values |= {"account": last.account}
        text = f"Signal {last.rowid} led to {show(last.target)} at the account {last.account}, not at this one."
        return Finding(False, text, values)
    if previous == last.target:
        return Finding(True, f"The position before, {show(previous)}, is where signal {last.rowid} led.", values)
    text = (
        f"The alert starts from {show(previous)}, but signal {last.rowid} led to {show(last.target)}: "
        f"alerts for {show(abs(previous - last.target))} were missed since {since}."
    )
    return Finding(False, text, values)


def _after_nothing(lost: NotTraded, last: LastTarget | None, previous: Decimal) -> Finding:
    """Return what is found of an alert that goes on from one that came to nothing."""
    led = "" if last is None or last.target is None else f"; before it signal {last.rowid} led to {show(last.target)}"
    text = (
        f"The alert starts from {show(previous)}, where signal {lost.rowid} was to lead, "
        f"but that one came to nothing ({lost.status}){led}."
    )
    return Finding(False, text, {"previous": previous, "not_traded": lost.rowid})


def pyramiding(facts: Facts, rules: Rules) -> Finding | None:
    """No signal adds to a position in its own direction."""
    held, after = facts.previous, facts.target
    who = "the alert"
    if held is None or after is None:
        held, who = facts.own(facts.symbols[0]).expected, "the desk's own book"
        after = held + facts.side.sign * facts.quantity
    values = {"before": held, "after": after, "by": who}
    if held * after > 0 and abs(after) > abs(held):
        return Finding(False, f"By {who} the position of {show(held)} would grow to {show(after)}.", values)
    what = "becomes smaller" if only_reduces(held, after - held) else "is not added to"
    return Finding(True, f"By {who} a position of {show(held)} {what}: {show(after)}.", values)


def trading_hours(facts: Facts, rules: Rules) -> Finding | None:
    """The markets of all legs must be open; else the signal expires, or waits for the open."""
    unknown = [symbol for symbol, session in facts.sessions.items() if session is None]
    known = {symbol: session for symbol, session in facts.sessions.items() if session is not None}
    closed = {symbol: session for symbol, session in known.items() if not session.is_open}
    if not closed:
        if unknown or not known:
            names = " and ".join(unknown or facts.symbols)
            return Finding(None, f"The trading hours of {names} are not known.")
        closes = min((s.closes_at for s in known.values() if s.closes_at), default=None)
        until = f" until {show_time(closes)}" if closes else ""
        return Finding(True, f"The market is open{until}.", {"closes": show_time(closes)} if closes else {})
    names = " and ".join(closed)
    opens = max((s.opens_at for s in closed.values() if s.opens_at), default=None)
    choice = facts.when_closed or rules.choice("trading_hours", facts.subject)
    values = {"closed": names, "when_closed": choice, **({"opens": show_time(opens)} if opens else {})}
    if choice == WhenClosed.HOLD and opens is not None:
        return Finding(False, f"The market of {names} is closed; it opens at {show_time(opens)}.", values, opens)
    return Finding(False, f"The market of {names} is closed.", values)


def default_mode(check: str, facts: Facts) -> CheckMode | None:
    """Return the mode that the signal itself brings about where nobody has set one."""
    asked_for = {"duplicate": facts.to_target, "trading_hours": facts.when_closed is not None}
    return CheckMode.REFUSE if asked_for.get(check) else None


def is_pair(facts: Facts) -> bool:
    """Return True if the signal trades a pair."""
    return facts.subject.kind is TickerType.PAIR
