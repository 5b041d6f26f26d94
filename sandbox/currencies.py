"""Currencies that Stripe supports, with the smallest and largest amounts that it charges."""

from __future__ import annotations

from sandbox.money import HIDDEN_HUNDREDTHS, THREE_DECIMAL

_CODES = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq
gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd
lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk
php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top
try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw
"""
CURRENCIES = frozenset(_CODES.split())

MINIMUM_CHARGE = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200,
    "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
"""In minor units; a currency that is not listed has no minimum here."""


def maximum_amount(currency: str) -> int:
    """The largest charge in minor units: twelve digits for IDR, eight for other currencies."""
    return 999_999_999_999 if currency == "idr" else 99_999_999


def charge_multiple(currency: str) -> int:
    """Minor units that a charge must be a multiple of: 10, 100 or 1."""
    return 10 if currency in THREE_DECIMAL else 100 if currency in HIDDEN_HUNDREDTHS else 1
