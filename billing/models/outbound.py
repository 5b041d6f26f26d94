from django.db import models

from billing.models.mirror import Mirror


class Outbound(Mirror):
    """A mirror of something that we ask Stripe to make: our row comes first, then the request.

    ``request_key`` recognises a tenant's request that comes again while the first has no answer.
    What was asked, and what became of it, stands in the row's :class:`StripeIntent`.
    """

    request_key = models.CharField(max_length=64, blank=True, editable=False)

    class Meta(Mirror.Meta):
        abstract = True
