"""What the adapter uses of Alpaca's own SDK, imported in one place."""

import logging
import warnings

with warnings.catch_warnings():
    # Its streams use an API of websockets that is on its way out; requirements.in holds a version that has it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.broker.client import BrokerClient
    from alpaca.common.exceptions import APIError
    from alpaca.common.rest import RESTClient
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream

__all__ = ["APIError", "BrokerClient", "RESTClient", "TradingClient", "TradingStream"]

# It writes a traceback for each failed try to connect; what there is to say, the adapter says once.
logging.getLogger("alpaca.trading.stream").setLevel(logging.CRITICAL)
# It says at debug level what is sent, keys and all.
logging.getLogger("websockets").setLevel(logging.INFO)
