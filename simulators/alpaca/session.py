"""The opening and the close of the exchange, and what they do to orders."""

from __future__ import annotations

from datetime import timedelta

from simulators.alpaca.world import World


def follow(world: World) -> None:
    """Do what the opening or the close calls for, if there was one since the last look."""
    clock, engine = world.clock, world.engine
    if clock.was_open is clock.is_open():
        return
    clock.was_open = not clock.was_open
    world.dirty = True
    if clock.was_open:
        engine.auction(world.everyone(), "opg")
        engine.look_again(world.everyone())
    else:
        engine.auction(world.everyone(), "cls")
        engine.expire_day(world.everyone())


def advance(world: World, seconds: float) -> None:
    """Move the clock; what falls due meanwhile happens, each opening and each close at its time."""
    clock = world.clock
    end = clock.now() + timedelta(seconds=seconds)
    while (turn := clock.next_close() if clock.is_open() else clock.next_open()) < end:
        world.engine.advance_to(turn)
        follow(world)
    world.engine.advance_to(end)
    follow(world)
