"""How often, how long, how soon: every period of the worker in one place, so that they can be read side by side.

Numbers are seconds. What a user may choose is a setting (`config.py`); what a broker's documents say stands in its
adapter.
"""

from datetime import timedelta

# --- The worker's loop
LONGEST_WAIT = 1.0  # a hint that something changed may get lost, so the tables are read this often anyway
RETRY_AFTER_ERROR = 1.0  # until a step is tried again that met an unexpected error, or a database that is away
ACCOUNTS_EVERY = 2.0  # broker accounts are read again: new ones, other keys, switches
TEND_EVERY = 0.5  # stops are carried out, and legs that take too long are looked after
REAP_EVERY = 5.0  # orders of dead workers are taken back, and what is too old expires
HOUSEKEEPING_EVERY = 600.0  # what nobody needs any more is deleted
HEARTBEAT = 10  # a worker writes that it lives
KEEP_DEAD_WORKERS = timedelta(days=1)
PATIENCE_AT_END = 12.0  # broker calls in hand may take so long once the worker is to end

# --- Planning
BROKER_AWAY = 2.0  # until a broker is asked again that could not be asked
LONGEST_AWAY = 5.0  # the same where it says itself when: alerts that wait must end in time

# --- Sending
SEND_LEASE = timedelta(seconds=45)  # an order is in one worker's hands
SEND_WALL = timedelta(seconds=10)  # the longest a broker call may take; adapters keep to it
SIBLING_WAIT = timedelta(milliseconds=200)  # until an order is looked at again whose other leg somebody has in hand
RECORD_WITHIN = 0.05  # answers of venues on this machine; until then orders that wait go first
HOLD = timedelta(milliseconds=500)  # the same for one that waits for another order's end
FIRST_LOOKUP = timedelta(seconds=2)  # after an answer that leaves the outcome open
LONGEST_BACK_OFF = 60.0  # between tries at a broker that takes no orders now
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # until answers are recorded again that the database did not take

# --- Canceling
CANCEL_LEASE = timedelta(seconds=15)  # one worker at a time asks for one cancel
CANCEL_AGAIN = (1, 2, 5, 10, 30, 60)  # until the broker is asked again

# --- Legs and reversals
FIX_LIFETIME = timedelta(minutes=15)  # of an order that hedges, or trades a leg back
FIX_DELAY = timedelta(seconds=5)  # before leg orders are tried again; the first try goes at once
REVERSAL_WAIT = timedelta(seconds=1)  # until an order is looked at again of which nothing is free to be closed
REVERSAL_PATIENCE = timedelta(seconds=10)  # so long it waits; then the broker has the word
STOP_ROUND_DELAY = timedelta(seconds=15)  # between rounds of closing what a stop closes

# --- What brokers have said. A worker asks again every 5 to 10 s, so that planning seldom has to wait for an answer;
# what it sends meanwhile is counted as spent, and the broker has the last word on money anyway.
ACCOUNT_TTL = 15.0
SESSION_TTL = 15.0
TURNED_TTL = 1.0  # once the market was to open or to close: brokers' clocks differ from ours by less
HOLDINGS_TTL = 2.0
QUOTE_TTL = 1.0  # where a check goes by the quote
ESTIMATE_TTL = 15.0  # where a quote only tells what legs cost about
ASSET_TTL = 600.0
ASSET_REFRESH = 300.0
QUOTES_WANTED = 600.0  # so long after a symbol was planned its quotes are kept fresh
QUOTES_PAUSE = 30.0  # after quotes have failed: a call that only ends by its time-out holds up the polls
QUOTES_QUIET = 300.0  # without a failure, and quotes that failed are told to be back

# --- Following an account at its broker
OPEN_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)  # between tries to open an account
LONGEST_REST = 1.0  # of the thread that follows it
COMPARE_EVERY = 300.0  # positions are compared with the books
LOST_EVERY = 15.0  # orders that were given up are looked for
POLL_GAP, BUSY_GAP = 0.2, 1.5  # between polls that a stream asks for, at first and when many come
# Until a poll that brought half of something is repeated: soon at first, then leaving others their requests.
POLL_AGAIN = (0.3, 0.3, 0.6, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
READS_HELD = 120.0  # so long a broker's limit may hold reads back before the account counts as away
RARE_READS = {"state": 30.0, "poll": 10.0, "look-up": 10.0}  # between reads while orders need the requests
SCARCE_AGAIN = 0.5  # until it is asked again whether requests are scarce
LOOKUP_RESTS = (2.0, 5.0, 10.0)  # without look-ups, after one that could not be made
STREAM_LEASE = timedelta(seconds=15)  # one worker listens to an account's stream
STREAM_RENEW = 5.0

# --- Reconciliation
LOOKUP_DELAYS = (2, 5, 10, 20, 30, 60)  # until the next look-up of an unknown outcome, then each 60 s
LOOK_BACK = timedelta(minutes=60)  # of a first poll
OVERLAP = timedelta(seconds=60)  # a poll looks so much further back than the last one ended
LONGEST_LOOK_BACK = timedelta(days=30)  # after a pause of the worker
POSITION_LAG = 30.0  # until a broker's positions show a fill
LOST_LOOK_BACK = timedelta(days=1)  # orders that were given up are looked for so long
LIST_LOOK_BACK = timedelta(days=1)  # a list of all orders since then is still short
CLOCK_MARGIN = timedelta(seconds=60)  # the broker's clock and ours may differ

# --- Accounts that are being opened
FOLLOW_EVERY = 2.0
LISTENER_EVERY = 5.0  # between looks at whose turn it is to listen
