"""What a connection to one Alpaca account is opened with."""

from dataclasses import dataclass, field

from domain.enums import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class AlpacaSettings:
    """Keys and addresses of one account; `may_trade` is False as long as live trading is not switched on."""

    environment: Environment
    key_id: str
    secret_key: str = field(repr=False)
    simulator_url: str = ""
    feed: str = "iex"
    may_trade: bool = True
    on_trial: bool = False  # a person is trying the keys: whether they are wrong is for that person to hear

    @property
    def trading_url(self) -> str:
        """Return where orders go. Alpaca keeps paper and live apart by host: the keys of one do not open the other."""
        return {
            Environment.PAPER: "https://paper-api.alpaca.markets",
            Environment.LIVE: "https://api.alpaca.markets",
            Environment.SIMULATOR: self.simulator_url,
        }[self.environment]

    @property
    def data_url(self) -> str:
        """Return where quotes come from: the same for paper and live."""
        return self.simulator_url if self.environment is Environment.SIMULATOR else "https://data.alpaca.markets"

    @property
    def stream_url(self) -> str:
        """Return the web socket that tells of changes of orders."""
        return f"ws{self.trading_url.removeprefix('http')}/stream"


BROKERAGES = {
    "sandbox": "https://broker-api.sandbox.alpaca.markets",
    "live": "https://broker-api.alpaca.markets",
}
TOKEN_MAKERS = {
    "sandbox": "https://authx.sandbox.alpaca.markets",
    "live": "https://authx.alpaca.markets",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerageSettings:
    """Key and address of the Broker API; `environment` is sandbox, live or simulator.

    `by_token`: key and secret are client credentials, which are exchanged for tokens.
    """

    environment: str
    key_id: str
    secret_key: str = field(repr=False)
    simulator_url: str = ""
    by_token: bool = False

    @property
    def url(self) -> str:
        """Return where accounts are opened."""
        return BROKERAGES.get(self.environment) or self.simulator_url

    @property
    def token_url(self) -> str:
        """Return where tokens are made."""
        return TOKEN_MAKERS.get(self.environment) or self.simulator_url
