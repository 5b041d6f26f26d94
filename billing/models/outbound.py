from django.db import models

from billing.models.mirror import Mirror


class Outbound(Mirror):
    """A mirror of an object that we ask Stripe to create: our row comes first, then the request.

    ``request_key`` recognises a tenant's repeated request while the first has no answer. The row's
    :class:`StripeIntent` holds the request to Stripe and its result.
    """

    request_key = models.CharField(max_length=64, blank=True, editable=False)

    class Meta(Mirror.Meta):
        abstract = True
