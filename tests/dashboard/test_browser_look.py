"""How pages look, measured: width, contrast, motion, and files that are there."""

from decimal import Decimal

import pytest
from playwright.sync_api import expect

from brokers import registry
from domain.order_status import SignalStatus
from services.accounts import broker_accounts
from services.setup import SIMULATOR_KEYS
from tests.dashboard.support import add_filled_pair, add_signal
from tests.dashboard.trading import account_said, trade
from tests.support import book_rows
from tests.support.keyed_broker import LIVE_KEYS, PAPER_KEYS, FrontDoor, add

pytestmark = pytest.mark.browser

EXECUTION = [
    "/orders?show=all",
    "/orders/1",
    "/orders/5",
    "/positions",
    "/accounts",
    "/controls",
    "/controls?scope=pair&of=LNT-FTS",
]
PAGES = ["/", "/signals", "/signals?ticker=MA-V&status=filled", "/guide", "/login", "/nothing", *EXECUTION]

# The contrast of every text with what it stands on, by the formula of WCAG 2; the worst ones are returned.
CONTRASTS = """
() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return { rgb: n.slice(0, 3), a: n[3] ?? 1 }; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.a === 1) return c.rgb;
      if (c.a > 0) return null;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !element.getClientRects().length) continue;
    const under = ground(element);
    if (!under) { poor.push(`half-transparent: ${element.className}`); continue; }
    const [a, b] = [light(parse(getComputedStyle(element).color).rgb), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)}: ${element.className} '${walk.currentNode.textContent.trim().slice(0, 30)}'`);
  }
  return [...new Set(poor)];
}
"""


def add_accounts(app):
    """Add accounts of every environment: one that works, one without keys, one in trouble that trades real money."""
    door = FrontDoor()
    door.accounts["simulator", SIMULATOR_KEYS] = "SIM1"
    with pytest.MonkeyPatch.context() as patch, app.app_context():
        patch.setitem(registry.SPECS, "alpaca", door.spec)
        add("w" * 64, "paper", PAPER_KEYS)
        add("real", "live", LIVE_KEYS)
        add("rehearsal", "simulator", SIMULATOR_KEYS)
        broker_accounts.switch_live("real", True, "tested", "user anna")
        broker_accounts.remove_keys("rehearsal", "over", "user anna")
        number = broker_accounts.get_account("real").account.id
    trouble = {
        "trouble": "no answer from Alpaca (ReadTimeout)",
        "stream_trouble": "W" * 200,
        "blocked": "trading is blocked",
    }
    book_rows.add(app, account_said(account_id=number, **trouble))


@pytest.fixture(scope="module")
def filled_desk(desk):
    """A desk with a signal of every status, long texts, a filled pair, and all that execution shows."""
    app = desk.app()
    for status in SignalStatus:
        add_signal(app, status=status, comment=f"A comment that is much too long for its column, {status}")
    add_signal(app, ticker="W" * 128, name=None, status="error", error_text="W" * 900)
    add_filled_pair(app)
    add_signal(
        app,
        status="canceled",
        status_reason="a long 100 was to be closed, but nothing is held of it in this book",
        ticker="NYSE:BRK.B-1.25*NYSE:GOOGL", ticker_type="pair", name="BRK.B-GOOGL", symbol1="BRK.B", symbol2="GOOGL",
        age=90_000, previous_position="short", previous_position_size=1250, position="long", position_size=1250,
        quantity=Decimal(2500), price=Decimal("-1234.5678"), fill_price=Decimal("-1234.5678"), slip=Decimal("-12.3456"),
        comment="Close entry(s) order Long",
    )  # fmt: skip
    trade(app)
    add_accounts(app)
    return desk


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out(filled_desk, visit, scheme):
    there = visit(filled_desk, color_scheme=scheme, reduced_motion="reduce", expected=("status of 404",))
    for path in [*PAGES, "/signals/11"]:
        there.page.goto(path)
        assert there.page.evaluate(CONTRASTS) == [], path


def test_the_themes_differ(filled_desk, visit):
    grounds = set()
    for scheme in ("light", "dark"):
        there = visit(filled_desk, log_in=False, color_scheme=scheme)
        there.page.goto("/login")
        grounds.add(there.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


@pytest.mark.parametrize("width", [320, 380, 768])
def test_no_page_scrolls_sideways(filled_desk, visit, width):
    there = visit(filled_desk, viewport={"width": width, "height": 800}, expected=("status of 404",))
    for path in [*PAGES, "/signals/10", "/signals/11"]:
        there.page.goto(path)
        there.page.wait_for_timeout(300)
        assert there.page.evaluate("document.documentElement.scrollWidth") <= width, path


CUT = """
() => [...document.querySelectorAll(".scroll")].filter((frame) => frame.scrollWidth > frame.clientWidth)
  .map((frame) => `${frame.getAttribute("aria-label")}: ${frame.scrollWidth - frame.clientWidth} pixels`)
"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_table_is_cut_on_a_phone_or_a_laptop(filled_desk, visit, width):
    there = visit(filled_desk, viewport={"width": width, "height": 800})
    for path in ["/", "/signals", "/signals/11", "/signals/12", *EXECUTION]:
        there.page.goto(path)
        assert there.page.evaluate(CUT) == [], path


def test_on_a_phone_each_cell_says_what_it_is(filled_desk, visit):
    there = visit(filled_desk, viewport={"width": 390, "height": 800})
    there.page.goto("/orders?show=all")
    row = there.page.locator("tr[data-key=o1]")
    told = row.locator("td[data-label=Status]").evaluate("cell => getComputedStyle(cell, '::before').content")
    assert told == '"Status"'
    for part in (row.locator(".badge"), there.page.locator("td.act a").first):
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    there.page.goto("/positions")
    assert there.page.locator("tbody th").first.evaluate("cell => getComputedStyle(cell).justifyContent") == "start"
    for name in ("Value", "Unrealised", "Realised"):
        assert there.page.locator(f"td[data-label={name}]").first.is_visible()


def test_tables_scroll_inside_their_frame_and_show_that_they_do(filled_desk, visit):
    there = visit(filled_desk, viewport={"width": 768, "height": 800})
    frame = there.page.locator(".scroll").first
    assert frame.evaluate("frame => frame.scrollWidth > frame.clientWidth")
    assert "gradient" in frame.evaluate("frame => getComputedStyle(frame).backgroundImage")
    frame.focus()
    there.page.keyboard.press("End")
    assert frame.get_attribute("aria-label")


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("path", ["/", "/positions"])
def test_tooltips_stay_inside_the_window(filled_desk, visit, width, path):
    there = visit(filled_desk, viewport={"width": width, "height": 500})
    there.page.goto(path)
    spots = there.page.locator(".tip-at")
    for number in range(spots.count()):
        spot = spots.nth(number)
        spot.focus()
        tip = there.page.locator(f"#{spot.get_attribute('id')}-tip")
        expect(tip).to_be_visible()
        box = tip.bounding_box()
        assert box["x"] >= 0, spot.get_attribute("id")
        assert box["x"] + box["width"] <= width, spot.get_attribute("id")


def test_numbers_are_set_in_columns(filled_desk, visit):
    there = visit(filled_desk)
    cell = there.page.locator("td.num").first
    assert "tabular-nums" in cell.evaluate("cell => getComputedStyle(cell).fontVariantNumeric")
    assert cell.evaluate("cell => getComputedStyle(cell).textAlign") == "right"


@pytest.mark.parametrize(("motion", "name"), [("no-preference", "changed"), ("reduce", "none")])
def test_a_changed_row_flashes_unless_motion_is_unwanted(filled_desk, visit, motion, name):
    there = visit(filled_desk, reduced_motion=motion)
    row = there.page.locator("tr[data-key]").first
    row.evaluate("row => row.classList.add('changed')")
    assert row.locator("td").first.evaluate("cell => getComputedStyle(cell).animationName") == name


def test_every_file_that_pages_name_is_there(filled_desk, visit):
    there = visit(filled_desk, expected=("status of 404",))
    missing = []
    there.page.on("response", lambda answer: missing.append(answer.url) if answer.status == 404 else None)
    for path in ("/", "/signals", "/guide", "/orders", "/positions", "/accounts", "/controls", "/v3/docs"):
        there.page.goto(path, wait_until="networkidle" if path == "/v3/docs" else "load")
    assert missing == []


def test_every_button_of_a_phone_is_large_enough_for_a_finger(filled_desk, visit):
    there = visit(filled_desk, viewport={"width": 390, "height": 800})
    for path in EXECUTION:
        there.page.goto(path)
        buttons = there.page.locator(
            "main button:visible, main summary:visible, main input:visible, main select:visible"
        )
        sizes = [box["height"] for box in (buttons.nth(n).bounding_box() for n in range(buttons.count()))]
        assert min(sizes, default=99) >= 16, path
        wide = there.page.locator("main form.deed button:visible")
        assert min((wide.nth(n).bounding_box()["height"] for n in range(wide.count())), default=99) >= 32, path
