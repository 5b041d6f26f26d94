"""The currencies that Stripe charges in, and how many digits their minor unit has.

Source: docs.stripe.com/currencies. Babel and ISO 4217 disagree with Stripe for some of them
(for example ISK and UGX are charged with two digits), so this table is the only one used.
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

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
}
CODES = sorted(EXPONENTS)


def exponent(currency: str) -> int | None:
    """How many decimal digits the minor unit has; None for a currency Stripe does not charge."""
    return EXPONENTS.get(currency)
