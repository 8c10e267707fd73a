"""A signal's status has one door: nobody else sets it, so that every move is legal and on record."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("brokers", "commands", "dashboard", "domain", "models", "resources", "services")
DOOR = "services/signal_moves.py"
# Their own moves do not go through the door yet.
EXCEPTIONS: set[str] = set()


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    found = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        found = [node.target]
    for target in found:
        yield from target.elts if isinstance(target, ast.Tuple | ast.List) else [target]


def _is_signal(expression: ast.expr) -> bool:
    return ast.unparse(expression).rpartition(".")[2].lower().removesuffix("s") == "signal"


def _settings_of_status(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that set a signal's status: `signal.status = …`, setattr, and UPDATE statements."""
    for node in ast.walk(tree):
        for target in _targets(node):
            if isinstance(target, ast.Attribute) and target.attr == "status" and _is_signal(target.value):
                yield node.lineno  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and _sets_it(node):
            yield node.lineno


def _sets_it(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name) and call.func.id == "setattr":
        return _is_signal(call.args[0]) and ast.unparse(call.args[1]) == "'status'"
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "values":
        return False
    return "sa.update(Signal)" in ast.unparse(call) and any(keyword.arg == "status" for keyword in call.keywords)


def _files_that_set_it() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for part in PARTS
        for path in (ROOT / part).rglob("*.py")
        if any(_settings_of_status(ast.parse(path.read_text())))
    }


def test_only_one_module_sets_a_signal_s_status() -> None:
    assert _files_that_set_it() == {DOOR} | EXCEPTIONS


def test_each_way_to_set_it_is_found() -> None:
    ways = """
signal.status = "filled"
locked.signal.status, locked.signal.slip = "filled", None
setattr(signal, "status", "filled")
sa.update(Signal).where(Signal.id == 1).values(status="filled")
order.status = "FILLED"
setattr(signal, f"leg_price{leg}", price)
sa.update(Order).values(status="FILLED")
if signal.status == "filled": pass
"""
    assert sorted(_settings_of_status(ast.parse(ways))) == [2, 3, 4, 5]
