"""Currencies in which Stripe charges, and the number of digits of their minor unit.

Source: docs.stripe.com/currencies. Babel and ISO 4217 differ from Stripe for some of them (for
example, ISK and UGX are charged with two digits), so this is the only table that is used.
"""

_TWO_DIGITS = (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad "
    "cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl "
    "htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop "
    "mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar "
    "sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst "
    "xcd yer zar zmw"
)
_NO_DIGITS = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DIGITS = "bhd jod kwd omr tnd"

_MAX_DIGITS = {"idr": 12}
_STEPS = {"isk": 100, "ugx": 100}

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}
CODES = sorted(EXPONENTS)


def exponent(currency: str) -> int | None:
    """Number of decimal digits of the minor unit; None for a currency in which Stripe does not
    charge."""
    return EXPONENTS.get(currency)


def max_amount(currency: str) -> int:
    """Largest amount of one charge in minor units: twelve digits for IDR, eight for others.

    Source: docs.stripe.com/currencies, "Minimum and maximum charge amounts".
    """
    return int(10 ** _MAX_DIGITS.get(currency, 8)) - 1


def step(currency: str) -> int:
    """Number of minor units of which an amount must be a multiple.

    Three-decimal currencies are charged in multiples of 10; ISK and UGX, which no longer have a
    minor unit, in multiples of 100. Source: docs.stripe.com/currencies, "Special cases".
    """
    return 10 if EXPONENTS.get(currency) == 3 else _STEPS.get(currency, 1)
