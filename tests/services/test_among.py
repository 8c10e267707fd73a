"""A column is held against many values that are handed over as one, alike on both databases."""

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from extensions import db, reading
from services.among import among

THINGS = sa.table("things", sa.column("number", sa.BigInteger), sa.column("name", sa.Text))


@pytest.fixture
def things(context: Flask) -> Any:
    rows = ((1, "MA"), (2, "O'Neil"), (3, 'a "quoted" one'), (4, "Zürich"), (5, "{x,y}"), (6, "NULL"), (7, "12"))
    values = " union all ".join(f"select {number} as number, :n{number} as name" for number, _ in rows)
    things = sa.text(values).bindparams(**{f"n{number}": name for number, name in rows})
    return things.columns(sa.column("number", sa.BigInteger), sa.column("name", sa.Text)).subquery("things")


def found(things: Any, condition: Any, **values: Any) -> list[int]:
    with reading() as session:
        query = sa.select(things.c.number).where(condition).order_by(things.c.number)
        return list(session.execute(query, values).scalars())


@pytest.mark.parametrize("walks", [True, False])
def test_texts_are_found_whatever_is_in_them(things: Any, walks: bool) -> None:
    names = ["O'Neil", 'a "quoted" one', "Zürich", "{x,y}", "NULL", "12", "unknown"]
    assert found(things, among(things.c.name, "names", walks=walks), names=names) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("numbers", [[1, 3], (3, 1), [2**40, 3, 1]])
def test_numbers_are_found_in_any_order_and_size(things: Any, numbers: Any) -> None:
    assert found(things, among(things.c.number, "numbers"), numbers=numbers) == [1, 3]


def test_nothing_is_among_no_values(things: Any) -> None:
    assert found(things, among(things.c.number, "numbers") | among(things.c.name, "names"), numbers=[], names=[]) == []


def test_it_can_be_turned_round(things: Any) -> None:
    assert found(things, ~among(things.c.number, "numbers"), numbers=[1, 2, 3]) == [4, 5, 6, 7]


def test_statements_of_all_lengths_are_the_same(context: Flask) -> None:
    query = sa.select(THINGS.c.name).where(among(THINGS.c.number, "numbers"))
    texts = {str(query.params(numbers=[1] * count).compile(dialect=db.engine.dialect)) for count in (0, 1, 50)}
    assert len(texts) == 1
