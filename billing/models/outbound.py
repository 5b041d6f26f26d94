from django.db import models

from billing.models.mirror import Mirror


class Outbound(Mirror):
    """A mirror of something that we ask Stripe to make: our row comes first, then the request.

    ``request_key`` recognises a tenant's request that comes again while the first has no answer.
    ``key_generation`` numbers the idempotency keys under which Stripe was asked. ``asked_at`` is
    when the present one was first sent, until whoever asked has had the answer: Stripe's event may
    bring the object before that. ``failed_at`` is set while an error inside Stripe leaves open
    whether anything was made (``billing.services.making``).
    """

    request_key = models.CharField(max_length=64, blank=True, editable=False)
    key_generation = models.PositiveSmallIntegerField(default=0, editable=False)
    asked_at = models.DateTimeField(null=True, editable=False)
    failed_at = models.DateTimeField(null=True, editable=False)

    class Meta(Mirror.Meta):
        abstract = True
