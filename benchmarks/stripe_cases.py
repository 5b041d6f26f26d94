"""The cases between Stripe and an answer: processing, delay of an answer, sync, and what the
processes cost meanwhile. Each database has its own sellers."""

from collections.abc import Callable

from benchmarks import peer_servers, report
from benchmarks.bench_servers import BenchDatabase, BenchServers
from benchmarks.measurements import Measurements
from benchmarks.measures import checkout_sync, process_costs
from benchmarks.measures.answer_delay import DelayRun
from benchmarks.measures.processing import Processing
from benchmarks.peer_servers import DjStripeProcessing
from benchmarks.stripe_stack import Seller, StripeStack
from devtools.stack.program import Program

ACCOUNTS = 10
RATES = (10, 100, 300)
"""Events per second over ten accounts."""
ONE_ACCOUNT_RATE = 100
UNREACHED = "1000000"
LIFTED = dict.fromkeys(("STRIPE_READS", "STRIPE_TEST_READS", "STRIPE_ENDPOINT_READS"), UNREACHED)
BUDGETS: dict[str, dict[str, str]] = {report.SHIPPED: {}, report.LIFTED: LIFTED}


class StripeCases:
    """The cases of one database, in which sellers are registered when it is created."""

    def __init__(
        self, servers: BenchServers, world: BenchDatabase, sandbox_port: int, figures: Measurements
    ) -> None:
        self.name, self.size, self.figures = world.name, servers.size, figures
        self.stack = StripeStack(servers, world, sandbox_port)
        pool = -(-RATES[-1] * self.size.delay_seconds // ACCOUNTS)
        counts = [self.size.subscribers, ONE_ACCOUNT_RATE * self.size.delay_seconds]
        processing, self.one, *self.ten = self.stack.open_sellers([*counts, *[pool] * ACCOUNTS])
        self.processing = Processing(self.stack, processing)
        self.peer: DjStripeProcessing | None = None

    def start_peer(self) -> None:
        """Compare with dj-stripe, which gets the same events."""
        account = self.processing.seller.account
        self.peer = peer_servers.start_djstripe_processing(self.stack.servers, account)

    def prepare(self) -> None:
        """Let the product and dj-stripe learn every object, uncounted."""
        self.stack.servers.say(f"{self.name}: first events of all subscriptions")
        sellers = [self.processing.seller, self.one, *self.ten]
        with self.stack.worker(**LIFTED) as worker:
            self._wrong("first events", self.stack.tell_all(sellers))
            self.processing.prepare("unchanged")
            self._wrong("first processing", self.processing.measure(worker).wrong)
        if self.peer is not None:
            self._wrong("dj-stripe", self.processing.measure_djstripe(self.peer).wrong)

    def cases(self) -> list[tuple[str, Callable[[], None]]]:
        """Names and functions that run them once."""
        return [
            (f"processing and delay of answers, {self.name}", self.process_as_shipped),
            (f"processing without a budget, {self.name}", self.process_without_budget),
            (f"sync after checkout, {self.name}", self.sync),
        ]

    def process_as_shipped(self) -> None:
        with self.stack.worker() as worker:
            self._process(worker, report.SHIPPED)
            for rate in RATES:
                self._delay(self.ten, rate, report.TEN_ACCOUNTS)
            self._delay([self.one], ONE_ACCOUNT_RATE, report.ONE_ACCOUNT)
            self._cost(report.WORKER_MIB, process_costs.largest_child_mib(worker))

    def process_without_budget(self) -> None:
        if self.peer is not None:  # it has not seen what changed with the budget as shipped
            self.processing.prepare("unchanged")
            self._wrong("dj-stripe", self.processing.measure_djstripe(self.peer).wrong)
        with self.stack.worker(**LIFTED) as worker:
            self._process(worker, report.LIFTED)

    def sync(self) -> None:
        costs = checkout_sync.measure(self.stack, self.one, count=self.size.checkouts)
        for each in costs.sync_ms:
            self._cost(report.SYNC, each)
        self._cost(report.SYNC_REQUESTS, costs.requests_to_sync)
        self._cost(report.OPEN_REQUESTS, costs.requests_to_open)
        self._wrong(report.SYNC, costs.wrong)

    def _process(self, worker: Program, budget: str) -> None:
        for case in report.PROCESSING_CASES:
            self.processing.prepare(case)
            result = self.processing.measure(worker)
            name = report.case_name(report.PROCESSING.format(case, budget), self.name)
            self.figures.add(name, result.per_second)
            self.figures.add_cost(report.WORKER_CPU.format(name), result.cpu_ms)
            self._wrong(name, result.wrong)
            if self.peer is not None and budget == report.LIFTED:
                self._process_at_peer(self.peer, case)

    def _process_at_peer(self, peer: DjStripeProcessing, case: str) -> None:
        name = report.DJSTRIPE_PROCESSING.format(case)
        result = self.processing.measure_djstripe(peer)
        self.figures.add(name, result.per_second)
        self.figures.add_cost(report.PEER_CPU.format(name), result.cpu_ms)
        self._wrong(name, result.wrong)

    def _delay(self, sellers: list[Seller], rate: int, accounts: str) -> None:
        run = DelayRun(self.stack, sellers, rate=rate)
        delays = run.measure(rate * self.size.delay_seconds)
        for percent in (50, 99):
            self._cost(report.DELAY.format(rate, accounts, percent), delays.percentile(percent))
        self._wrong(f"{rate} events/s, {accounts}", delays.wrong)

    def _cost(self, name: str, value: float) -> None:
        self.figures.add_cost(report.case_name(name, self.name), value)

    def _wrong(self, name: str, errors: list[str]) -> None:
        self.figures.wrong += [f"{self.name}: {name}: {each}" for each in errors[:5]]
