"""After the load: is what the product stored exactly what was sent, and does each tenant see only
its own?"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.load.kinds import TenantKind
from benchmarks.load.tenant_record import TenantRecord
from benchmarks.load.tenants import CALLERS, LoadTenant
from devtools.demo.web import Api

AT_ONCE = 4


def find_mistakes(
    web_url: str, tenants: Sequence[LoadTenant], records: Mapping[int, TenantRecord]
) -> list[str]:
    """One sentence for each difference."""

    def of_tenant(place: int) -> list[str]:
        tenant, neighbour = tenants[place], tenants[place - 1]
        api, record = Api(web_url, tenant.key), records[tenant.number]
        mistakes = [*record.wrong, *_unknown(record)]
        mistakes += _sums(api, record) if tenant.kind == TenantKind.METERED else _sales(api, record)
        mistakes += _views(api, neighbour, records[neighbour.number])
        return [f"tenant {tenant.number} ({tenant.kind}): {each}" for each in mistakes]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [each for mistakes in pool.map(of_tenant, range(len(tenants))) for each in mistakes]


def _unknown(record: TenantRecord) -> Iterator[str]:
    if record.unknown:
        yield f"{record.unknown} requests were never answered"


def _sums(api: Api, record: TenantRecord) -> Iterator[str]:
    """Usage by user and meter."""
    for number in range(CALLERS):
        user = f"u{number}"
        for meter, sent in (("events", record.usage[user]), ("calls", record.consumed[user])):
            reply = api.call("GET", f"/api/v1/usage?user_id={user}&meter={meter}")
            stored = reply.json()["value"] if reply.status == 200 else reply.text
            if stored != sent:
                yield f"{meter} of {user}: sent {sent}, stored {stored}"


def _sales(api: Api, record: TenantRecord) -> Iterator[str]:
    """Every paid page is complete, its buyer is entitled, and the tenant was told."""
    for user, checkout in record.paid.items():
        reply = api.call("GET", f"/api/v1/checkout/{checkout}")
        body = reply.json()
        state = (body.get("status"), body.get("payment_status"), body.get("user_id"))
        if state != ("complete", "paid", user):
            yield f"{checkout} of {user} is paid, and says {reply.status} {state}"
        decision = api.call("GET", f"/api/v1/entitlements/check?user_id={user}&feature=pro").json()
        if not decision.get("allowed"):
            yield f"{user} has paid and is not allowed"
    received = record.received["checkout.completed"]
    if received != len(record.paid):
        yield f"{len(record.paid)} pages were paid, {received} checkout.completed were received"


def _views(api: Api, neighbour: LoadTenant, record: TenantRecord) -> Iterator[str]:
    """Nothing of the neighbour is visible, whose buyers have the same names."""
    for checkout in list(record.paid.values())[:3]:
        status = api.call("GET", f"/api/v1/checkout/{checkout}").status
        if status != 404:
            yield f"{checkout} of tenant {neighbour.number} is answered with {status}"
    status = api.call("GET", f"/api/v1/projects/{neighbour.project}").status
    if status != 404:
        yield f"project {neighbour.project} is answered with {status}"
